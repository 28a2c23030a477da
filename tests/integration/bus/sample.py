"""A small service of the tests' own: one event, one aggregate, its own database and topics, so that no test sees another's."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, cast
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, make_url, text

from casebus import database
from casebus.access import Standing
from casebus.cause import Cause
from casebus.cluster import Cluster
from casebus.codec import Codec
from casebus.contracts.casebus import Watermark
from casebus.envelope import Role
from casebus.errors import InvalidEvent
from casebus.event import Event
from casebus.outbox import append
from casebus.schemas import Document, LockedIds
from casebus.topics import Cleanup, Kind, Topic
from casebus.track import Handler, Track
from casebus.watermark import DDL
from casebus.work import Work as BusWork
from continuum.local import postgres

PARTITIONS = 6
ROLE = "bus_tests"
REFUSED, BROKEN = -1, -2
"""Numbers that the handler can't apply: one never, one as long as it is `Switches.broken`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Noted(Event):
    """A number was noted about a case. Each owner has a class of its own, made by `noted`."""

    TYPE: ClassVar[str] = "sample.Noted"
    VERSION: ClassVar[int] = 1
    TOPIC: ClassVar[str] = "sample.case.v1"

    case_id: UUID
    number: int

    @property
    def subject(self) -> UUID:
        return self.case_id


def noted(owner: str) -> type[Noted]:
    said = {"TYPE": f"{owner}.Noted", "TOPIC": f"{owner}.case.v1", "__slots__": (), "__module__": __name__}
    return cast(type[Noted], type("Noted", (Noted,), said))


class SampleIds:
    """The ids of the lock file, and one for the owner's event."""

    ID = 900_001

    def __init__(self, owner: str) -> None:
        self._locked = LockedIds()
        self._type = f"{owner}.Noted"
        uuid = {"type": "string", "logicalType": "uuid"}
        fields = [{"name": "case_id", "type": uuid}, {"name": "number", "type": "int"}]
        self._document: Document = {"type": "record", "name": "Noted", "namespace": owner, "fields": fields}

    def id_of(self, type: str, version: int, /) -> int:
        return self.ID if type == self._type else self._locked.id_of(type, version)

    def schema_of(self, id: int, /) -> Document:
        return self._document if id == self.ID else self._locked.schema_of(id)


@dataclass(frozen=True, kw_only=True, slots=True)
class Notes:
    """The numbers that were applied to a case, in order."""

    id: UUID
    version: int = 0
    numbers: tuple[int, ...] = ()


@dataclass
class Switches:
    """How the handler behaves: the numbers that are invalid, those that fail by a mistake, and what was tried, in order."""

    refuses: set[int] = field(default_factory=lambda: {REFUSED})
    broken: set[int] = field(default_factory=lambda: {BROKEN})
    tried: list[int] = field(default_factory=list)


class Work(BusWork):
    def __init__(self, connection: Connection, codec: Codec, table: str) -> None:
        super().__init__(connection, codec)
        self.notes = self.shelf(table, Notes)

    def load(self, ids: Collection[UUID]) -> None:
        self.notes.load_ids(ids)

    def standing(self, aggregate: UUID) -> Standing | None:
        return None

    def version(self, aggregate: UUID) -> int | None:
        return None


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The service. `owner` names its topics, `engine` is its role's, `admin` the database owner's."""

    owner: str
    bootstrap: str
    engine: Engine
    admin: Engine
    codec: Codec
    event: type[Noted]
    switches: Switches

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.bootstrap)

    @property
    def topic(self) -> str:
        return self.event.TOPIC

    @property
    def topics(self) -> dict[str, Topic]:
        """The topics that the relay sends to."""
        return {self.topic: self.declared()[0]}

    def declared(self) -> list[Topic]:
        plain = {"doc": "", "consumers": (), "retention": None, "personal_data": "none", "owner": self.owner}
        watermark = f"{self.owner}.watermark.v1"
        return [
            Topic(name=self.topic, kind=Kind.CASE, key="case_id", partitions=PARTITIONS, cleanup=Cleanup.NONE, **plain),  # type: ignore[arg-type]
            Topic(name=watermark, kind=Kind.WATERMARK, key="owner", partitions=1, cleanup=Cleanup.COMPACT, **plain),  # type: ignore[arg-type]
        ]

    def note(self, case_id: UUID, *numbers: int, connection: Connection | None = None, cause: Cause | None = None) -> None:
        """State numbers about a case, in a transaction of their own or in the given one."""
        if connection is None:
            with self.engine.begin() as own:
                return self.note(case_id, *numbers, connection=own, cause=cause)
        append(connection, [(self.event(case_id=case_id, number=n), cause or SOMEBODY) for n in numbers], self.codec)
        return None

    def track(self, schema: str = "copy", *, service: str = "reader", handler: Handler | None = None) -> Track:
        def make_work(connection: Connection) -> Work:
            return Work(connection, self.codec, f"{schema}.notes")

        handlers: Mapping[type[Event], Handler] = {self.event: handler or self.keep}
        topics = {self.topic: PARTITIONS}
        group = f"{service}-{self.owner}"
        return Track(service=group, schema=schema, topics=topics, handlers=handlers, make_work=make_work, codec=self.codec)

    def keep(self, event: Noted, work: Work) -> None:
        """The handler: add the number to the case's."""
        self.switches.tried.append(event.number)
        if event.number in self.switches.broken:
            raise RuntimeError("a mistake in the handler")
        known = work.notes.get(event.case_id) or Notes(id=event.case_id)
        work.notes.put(replace(known, version=known.version + 1, numbers=(*known.numbers, event.number)))
        if event.number in self.switches.refuses:
            raise InvalidEvent("this number can't be applied")

    def numbers(self, case_id: UUID, schema: str = "copy") -> list[int]:
        """What the track has applied to the case."""
        return cast(list[int], self.value(f"SELECT body -> 'numbers' FROM {schema}.notes WHERE id = :id", id=case_id) or [])

    def value(self, query: str, **values: object) -> object:
        with self.admin.connect() as connection:
            return connection.execute(text(query), values).scalar()

    def state(self) -> object:
        """A hash of everything that the copies hold."""
        return self.value("SELECT md5(string_agg(n::text, '|' ORDER BY id)) FROM copy.notes n")


SOMEBODY = Cause(agency="city-hospital", actor="actor-1", actor_role=Role.WORKER, actor_agency="city-hospital")


def make(server: str, template: str, bootstrap: str, owner: str) -> Sample:
    """A database of its own for the owner, copied from the template; its topics are not made."""
    name = f"bus_{owner}"
    with psycopg.connect(_at(server, "postgres", "postgresql"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
    event = noted(owner)
    codec = Codec(SampleIds(owner), {event.TYPE: event, Watermark.TYPE: Watermark})
    engine = database.connect(postgres.provision(server, ROLE, database=name), pool=8)
    admin = database.connect(_at(server, name), pool=2)
    return Sample(owner=owner, bootstrap=bootstrap, engine=engine, admin=admin, codec=codec, event=event, switches=Switches())


def make_template(server: str, name: str) -> None:
    """A database with the tables of the bus, of both tracks, and of the sample service."""
    postgres.provision(server, ROLE, database=name)
    admin = database.connect(_at(server, name), pool=1)
    with admin.begin() as connection:
        execute: Callable[[str], object] = connection.exec_driver_sql
        database.create_bus_tables(execute)
        for version in range(2, 1 + len(list(database.SQL.glob("bus_v*.sql")))):
            database.upgrade_bus_tables(execute, version)
        execute(DDL)
        for schema in ("own", "copy"):
            execute(f"CREATE TABLE {schema}.notes (id uuid PRIMARY KEY, version int NOT NULL, body jsonb NOT NULL)")
        database.grant(execute, ROLE)
    admin.dispose()


def _at(server: str, name: str, driver: str = "postgresql+psycopg") -> str:
    return make_url(server).set(drivername=driver, database=name).render_as_string(hide_password=False)


def new_owner() -> str:
    """A name that no other test has: letters only, as an owner's is."""
    return "t" + "".join(chr(ord("a") + int(digit, 16)) for digit in uuid4().hex[:10])
