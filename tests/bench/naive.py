"""The naive way, written as a decent developer would: SQLAlchemy's ORM, one session and one commit an event, the same tables and checks.

The domain code is the product's own: what is compared is how it is fed and what is kept, not what it decides.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Generic, TypeVar
from uuid import UUID, uuid4

from pydantic import TypeAdapter
from sqlalchemy import Engine, Identity
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from casebus.aggregate import Aggregate
from casebus.cause import Cause, of_event
from casebus.cluster import Cluster
from casebus.codec import Codec
from casebus.envelope import Envelope, from_headers
from casebus.event import Event
from casebus.kafka import Reader, Record
from casebus.track import Handler

A = TypeVar("A", bound=Aggregate)


class Base(DeclarativeBase):
    """Tables of a service, as its migrations made them."""


class Position(Base):
    """Schema `track` is `own` or `copy`, by the session's map."""

    __tablename__ = "position"
    __table_args__ = {"schema": "track"}  # noqa: RUF012  # as SQLAlchemy wants it
    topic: Mapped[str] = mapped_column(primary_key=True)
    part: Mapped[int] = mapped_column(primary_key=True)
    generation: Mapped[int]
    next: Mapped[int]


class Inbox(Base):
    __tablename__ = "inbox"
    __table_args__ = {"schema": "track"}  # noqa: RUF012
    topic: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int]


class Head(Base):
    __tablename__ = "head"
    __table_args__ = {"schema": "own"}  # noqa: RUF012
    topic: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int]
    recorded_at: Mapped[datetime] = mapped_column()


class OutboxRow:
    """What an event is kept with."""

    __tablename__ = "outbox"
    __table_args__ = {"schema": "own"}  # noqa: RUF012
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    topic: Mapped[str]
    subject: Mapped[UUID]
    case_seq: Mapped[int]
    value: Mapped[bytes]
    attributes: Mapped[dict[str, Any]] = mapped_column(JSONB)
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]


class Outbox(OutboxRow, Base): ...


class Document:
    """A row of a shelf's table."""

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    body: Mapped[Any] = mapped_column(JSONB)


class SharingRow(Document, Base):
    __tablename__ = "sharing"
    __table_args__ = {"schema": "copy"}  # noqa: RUF012


class PlanRow(Document, Base):
    __tablename__ = "plan"
    __table_args__ = {"schema": "own"}  # noqa: RUF012


class OrmShelf(Generic[A]):
    """What a handler sees of a table, one object at a time."""

    def __init__(self, session: Session, row: type[Any], kind: type[A]) -> None:
        self._session, self._row = session, row
        self._form: TypeAdapter[A] = _FORMS.setdefault(kind, TypeAdapter(kind))

    def get(self, key: UUID) -> A | None:
        found = self._session.get(self._row, key)
        return None if found is None else self._form.validate_python(found.body)

    def all(self) -> list[A]:
        raise NotImplementedError

    def put(self, aggregate: A) -> None:
        body, found = self._form.dump_python(aggregate, mode="json"), self._session.get(self._row, aggregate.id)
        if found is None:
            self._session.add(self._row(id=aggregate.id, version=aggregate.version, body=body))
        else:
            found.version, found.body = aggregate.version, body


_FORMS: dict[type, TypeAdapter[Any]] = {}


class NaiveWork:
    """What the handlers need, on a session of one event or command."""

    cause: Cause
    envelope: Envelope
    record: Record

    def __init__(self, session: Session, codec: Codec) -> None:
        self.session, self._codec = session, codec
        self.now = datetime.now(UTC)

    @property
    def effective(self) -> datetime:
        return self.cause.occurred_at or self.cause.effective_at or self.now

    def emit(self, event: Event) -> None:
        """Into the outbox, with the next number of its case."""
        head = self.session.get(Head, (event.TOPIC, event.subject), with_for_update=True)
        if head is None:
            head = Head(topic=event.TOPIC, subject=event.subject, seq=0, recorded_at=self.now)
            self.session.add(head)
        head.seq, head.recorded_at = head.seq + 1, self.now
        self.session.add(
            Outbox(
                topic=event.TOPIC,
                subject=event.subject,
                case_seq=head.seq,
                value=self._codec.encode(event),
                attributes=_attributes(event, self.cause),
                occurred_at=self.cause.occurred_at or self.now,
                recorded_at=self.now,
            )
        )


def _attributes(event: Event, cause: Cause) -> dict[str, Any]:
    event_id = str(uuid4())
    said = {
        "event_id": event_id,
        "type": event.TYPE,
        "version": event.VERSION,
        "agency": cause.agency,
        "actor": cause.actor,
        "actor_role": cause.actor_role,
        "actor_agency": cause.actor_agency,
        "lead_epoch": cause.lead_epoch,
        "correlation_id": str(cause.correlation_id or event_id),
        "origin": cause.origin,
        "causation_id": str(cause.causation_id) if cause.causation_id else None,
        "traceparent": cause.traceparent,
    }
    return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class NaiveTrack:
    """Reads like a Track, one event a transaction. `finish` is called at the end of each."""

    service: str
    schema: str
    topics: Mapping[str, int]
    handlers: Mapping[type[Event], Handler]
    make_work: Callable[[Session, Codec], NaiveWork]
    codec: Codec
    engine: Engine
    types: dict[str, type[Event]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "types", {kind.TYPE: kind for kind in self.handlers})

    def apply(self, session: Session, record: Record) -> None:
        """The inbox, the handler and the place, in the session's transaction."""
        position = session.get(Position, (record.topic, record.partition), with_for_update=True)
        assert position is not None and record.offset == position.next  # noqa: PT018  # nothing is lost or doubled here
        position.next = record.offset + 1
        envelope = from_headers(record.headers, topic=record.topic, key=record.key)
        inbox = session.get(Inbox, (envelope.topic, envelope.subject))
        if inbox is None:
            inbox = Inbox(topic=envelope.topic, subject=envelope.subject, seq=0)
            session.add(inbox)
        assert envelope.case_seq == inbox.seq + 1
        inbox.seq = envelope.case_seq
        if envelope.type in self.types:
            event = self.codec.decode(record.value)
            work = self.make_work(session, self.codec)
            work.envelope, work.record = envelope, record
            work.cause = of_event(envelope, self.service)
            self.handlers[self.types[envelope.type]](event, work)

    def read(self, cluster: Cluster, most: int, seconds: float) -> float:
        """Events a second, over `most` of them or as many as the seconds give."""
        engine = self.engine.execution_options(schema_translate_map={"track": self.schema})
        reader = Reader(cluster, f"naive-{uuid4()}", sorted(self.topics), lambda partitions: dict.fromkeys(partitions, 0))
        begin, done = 0.0, -1
        try:
            while done < most and (done < 0 or perf_counter() < begin + seconds):
                for record in reader.batch(500, 0.2):
                    with Session(engine) as session, session.begin():
                        self.apply(session, record)
                    if done < 0:  # the first one connects and compiles
                        begin = perf_counter()
                    done += 1
                    if done >= most or perf_counter() > begin + seconds:
                        break
            return done / (perf_counter() - begin)
        finally:
            reader.close()
