"""The model of tests/model tells the bus's SQL again in Python: the same histories, on it and on PostgreSQL, are the same throughout."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from casebus.contracts.casebus import Watermark
from casebus.envelope import from_headers
from casebus.errors import BeginAgain, LogBroken, OutOfReach
from casebus.inbox import enter_generation, places
from casebus.kafka import Log
from casebus.relay import Relay, claim, reseed
from casebus.watermark import learn, prune, reached
from casebus.work import Work
from tests.integration.bus.sample import SOMEBODY, Sample
from tests.model import broker, database
from tests.model.memory import in_memory
from tests.model.statements import unsent
from tests.unit.monitoring.story import MONDAY
from tests.waiting import until

CASES = [UUID(int=number) for number in range(1, 4)]
STILL = """
    CREATE OR REPLACE FUNCTION own.system_time() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT greatest(floor, base) FROM own.timebase'"""
"""In the test's database no time passes by itself, so that both sides tell the same moments."""
EMPTY = """
    TRUNCATE own.head, own.outbox, own.stream, copy.position, copy.inbox, copy.parked, copy.statement RESTART IDENTITY;
    UPDATE own.timebase SET floor = '-infinity';
    UPDATE own.sent SET upto = 0, beyond = '{}'"""
COLUMNS = {
    "outbox": "SELECT id, subject, case_seq, recorded_at FROM own.outbox ORDER BY id",
    "unsent": "SELECT id FROM own.unsent ORDER BY id",
    "sent": """
      SELECT id FROM own.sent, generate_series(0, greatest(upto, upper(beyond) - 1)) AS id WHERE id <= upto OR id <@ beyond ORDER BY id""",
    "head": "SELECT subject, seq, recorded_at FROM own.head ORDER BY 1",
    "stream": "SELECT generation, next, began FROM own.stream",
    "position": "SELECT part, generation, next, began FROM copy.position ORDER BY 1",
    "inbox": "SELECT subject, seq FROM copy.inbox ORDER BY 1",
    "parked": "SELECT subject, seq FROM copy.parked ORDER BY 1, 2",
    "statement": "SELECT generation, recorded_before, next FROM copy.statement ORDER BY 1, 2",
}
Act = tuple[Any, ...]
WRITERS = st.integers(0, 2)
ACTS = st.one_of(
    st.tuples(st.just("step"), st.integers(-90, 180)),
    st.tuples(st.just("state"), WRITERS, st.lists(st.sampled_from(CASES), min_size=1, max_size=3), st.sampled_from([None, -30, 60])),
    st.tuples(st.just("end"), WRITERS, st.booleans()),
    st.tuples(st.sampled_from(["barrier", "drain", "drain", "relay_dies", "reseed", "read", "hear", "make_again", "trim"])),
)


class Idle:
    """A work that changes nothing: here only the inbox counts."""

    def receive(self, *_: object) -> None: ...
    def load(self, *_: object) -> None: ...
    def mark(self) -> None: ...
    def undo(self) -> None: ...
    def save(self) -> None: ...


@dataclass(kw_only=True)
class Side:
    """One of the two. Both run the same code of casebus; they differ in what is behind their engine."""

    sample: Sample
    engine: Engine
    set_clock: Callable[[datetime], object]
    kafka: broker.Broker = field(init=False)
    said: list[Watermark] = field(default_factory=list)
    open: dict[int, Connection] = field(default_factory=dict)
    working: tuple[Relay, Connection] | None = None
    clock: datetime = MONDAY
    refused: str = ""

    def __post_init__(self) -> None:
        self.kafka = broker.Broker(self.sample.topic)
        self.topics = {self.sample.topic: replace(self.sample.declared()[0], partitions=broker.PARTITIONS)}
        self.track = replace(
            self.sample.track(handler=lambda event, work: None),
            topics={self.sample.topic: broker.PARTITIONS},
            make_work=lambda connection: cast(Work, Idle()),
        )
        self.step(0)
        with self.engine.begin() as connection:
            self.track.prepare(connection)

    def do(self, name: str, *how: Any) -> None:
        if name == "end":
            return self.end(how[0], commits=how[1])
        getattr(self, name)(*how)
        return None

    def step(self, minutes: int) -> None:
        self.clock += timedelta(minutes=minutes)
        self.set_clock(self.clock)

    def state(self, writer: int, cases: list[UUID], after: int | None) -> None:
        """In the writer's open transaction. Where somebody else holds one of the cases, it is rolled back."""
        connection = self.open.get(writer) or self._begin(writer)
        cause = SOMEBODY if after is None else replace(SOMEBODY, recorded_at=self.clock + timedelta(minutes=after))
        try:
            connection.execute(text("SET LOCAL lock_timeout = '50ms'"))
            for case in cases:
                self.sample.note(case, writer, connection=connection, cause=cause)
        except (DBAPIError, database.Blocked):
            self.end(writer, commits=False)

    def _begin(self, writer: int) -> Connection:
        """A transaction that may stay open for as long as the test takes."""
        connection = self.open[writer] = self.engine.connect()
        connection.execute(text("SET transaction_timeout = 0"))
        connection.commit()
        return connection

    def end(self, writer: int, *, commits: bool) -> None:
        if (connection := self.open.pop(writer, None)) is not None:
            connection.commit() if commits else connection.rollback()
            connection.invalidate()

    def barrier(self) -> None:
        self._relay(Relay.barrier)

    def drain(self) -> None:
        self._relay(Relay.drain)

    def _relay(self, do: Callable[[Relay], object]) -> None:
        self.refused = ""
        try:
            do(self._working())
        except LogBroken as broken:
            self.refused = str(broken)
            self.relay_dies()
        except (DBAPIError, database.SessionLost):
            self.relay_dies()

    def _working(self) -> Relay:
        if self.working is None:
            connection = self.engine.connect()
            until(lambda: claim(connection))  # PostgreSQL notices a session's end a moment later
            connection.execute(text("SET idle_session_timeout = 0"))
            connection.commit()
            try:
                relay = Relay(connection, self._log(), self.topics, self.sample.owner, self.sample.codec)
            except LogBroken:
                connection.invalidate()  # and with it its claim
                raise
            self.working = relay, connection
        return self.working[0]

    def _log(self) -> Log:
        return cast(Log, broker.Log(self.kafka, lambda sent: self.said.append(self.sample.codec.decode_as(Watermark, sent[2]))))

    def relay_dies(self) -> None:
        if self.working is not None:
            self.working[1].invalidate()
            self.working = None

    def reseed(self) -> None:
        reseed(self.engine, self._log(), self.topics)

    def make_again(self) -> None:
        self.kafka.make(self.sample.topic)

    def trim(self) -> None:
        for part, (_, end) in enumerate(self.kafka.bounds(self.sample.topic)):
            self.kafka.trim(self.sample.topic, part, end)

    def read(self) -> None:
        """A batch of each partition, as far as the log has it."""
        for part in range(broker.PARTITIONS):
            with self.engine.begin() as connection:
                place, _ = places(connection, "copy")[self.sample.topic, part]
            try:
                self.track.apply(self.engine, self.kafka.read(self.sample.topic, part, place, 3))
            except OutOfReach:
                continue
            except BeginAgain as again:
                with self.engine.begin() as connection:
                    enter_generation(connection, "copy", again.topic, again.generation, again.began)

    def hear(self, *said: Watermark) -> None:
        with self.engine.begin() as connection:
            learn(connection, said)
            prune(connection)

    def finish(self) -> None:
        for writer in list(self.open):
            self.end(writer, commits=False)
        self.relay_dies()

    def known(self) -> object:
        with self.engine.begin() as connection:
            return reached(connection)

    def logged(self) -> list[tuple[int, int, int, int, UUID]]:
        records = [record for part in self.kafka.topics[self.sample.topic].parts for record in part.records]
        said = [(record, from_headers(record.headers, topic=record.topic, key=record.key)) for record in records]
        return [(record.partition, record.offset, of.generation, of.case_seq, of.subject) for record, of in said]


def in_postgres(sample: Sample) -> dict[str, list[tuple[Any, ...]]]:
    with sample.admin.connect() as connection:
        rows = {name: [tuple(row) for row in connection.execute(text(query))] for name, query in COLUMNS.items()}
    return {name: [tuple(tuple(v) if isinstance(v, list) else v for v in row) for row in found] for name, found in rows.items()}


def in_the_model(of: database.Database) -> dict[str, list[tuple[Any, ...]]]:
    return {
        "outbox": sorted((id, UUID(row.subject), row.case_seq, row.recorded_at) for (id,), row in of.table("outbox").items()),
        "unsent": [(row.id,) for row in unsent(of.connect())],
        "sent": [(id,) for id in sorted(of.table("sent").get((), {0}))],
        "head": sorted((subject, *head) for (_, subject), head in of.table("head").items()),
        "stream": [(generation, tuple(next), tuple(began)) for generation, _, next, began in of.table("stream").values()],
        "position": sorted((part, *place) for (_, part), place in of.table("position").items()),
        "inbox": sorted((subject, seq) for (_, subject), seq in of.table("inbox").items()),
        "parked": sorted((subject, seq) for _, subject, seq in of.table("parked")),
        "statement": sorted((generation, moment, following) for (_, generation, moment), following in of.table("statement").items()),
    }


@pytest.fixture
def still(offline: Sample) -> Iterator[Sample]:
    """A database in which time stands, and nothing cleans up by itself."""
    with offline.admin.begin() as connection:
        connection.execute(text(STILL))
    with in_memory():
        yield offline


def sides(sample: Sample) -> tuple[Side, Side, database.Database]:
    with sample.admin.begin() as connection:
        connection.execute(text(EMPTY))
    memory = database.Database(sample.owner, MONDAY)

    def set_real(moment: datetime) -> None:
        with sample.admin.begin() as connection:
            connection.execute(text("UPDATE own.timebase SET base = :moment"), {"moment": moment})

    real = Side(sample=sample, engine=sample.engine, set_clock=set_real)
    model = Side(sample=sample, engine=cast(Engine, memory), set_clock=lambda moment: setattr(memory, "clock", moment))
    return real, model, memory


def catch_up(real: Side, model: Side) -> None:
    """A transaction of another database, as autovacuum's, may hold PostgreSQL back for a moment: then it states less, and later as much."""

    def states_as_much() -> bool:
        if real.said[-1:] == model.said[-1:]:
            return True
        real.drain()
        return False

    until(states_as_much)
    assert real.said[-1:] == model.said[-1:]


@settings(max_examples=15, deadline=None, derandomize=True, print_blob=True, suppress_health_check=list(HealthCheck))
@given(st.lists(ACTS, min_size=8, max_size=40))
def test_postgresql_and_the_model_agree_after_every_step(still: Sample, history: list[Act]) -> None:
    real, model, memory = sides(still)
    try:
        for name, *more in history:
            for side in (model, real):
                side.do(name, *(model.said[-3:] if name == "hear" else more))
            if name == "drain":
                catch_up(real, model)
            assert real.refused == model.refused
            assert in_postgres(still) == in_the_model(memory)
            assert real.logged() == model.logged()
            assert real.known() == model.known()
    finally:
        real.finish()
        model.finish()
