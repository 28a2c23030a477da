"""casebus and services.monitoring on memory: what they read and write in large sets is put in place of their SQL, by function.

Everything else of them runs as it is: relay, envelope, codec, track, consumer, inbox's decisions, watermark, clocks, rules.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from itertools import count
from typing import Any, cast
from unittest.mock import MagicMock, patch
from uuid import UUID

from sqlalchemy import Connection

from casebus import consumer, outbox, relay
from casebus.cause import Cause
from casebus.codec import Codec
from casebus.event import Event
from casebus.inbox import Line, Partition, Positions, Seen
from casebus.track import Tally
from casebus.work import Received
from services.monitoring import clocks
from services.monitoring.domain.alert import Alert
from services.monitoring.domain.fact import Fact
from services.monitoring.domain.follow_up import FollowUp
from tests.model.database import Session
from tests.model.statements import system_time


def lock_positions(
    connection: Connection, schema: str, partitions: Iterable[Partition], read_in: Mapping[str, int] | None = None
) -> Positions:
    held = Positions(read_in=read_in)
    for topic, part in sorted(set(partitions)):
        held.generation[topic], held.next[topic, part], _ = _of(connection).get("position", topic, part)
    return held


def load_seen(connection: Connection, schema: str, keys: Iterable[tuple[str, UUID]]) -> Seen:
    session = _of(connection)
    seen = Seen(connection, schema, {key: Line(last=session.get("inbox", *key) or 0) for key in set(keys)})
    for (topic, subject, seq), record in session.rows("parked").items():
        if (topic, subject) in seen.lines:
            seen.lines[topic, subject].parked[seq] = record
    return seen


def save_seen(self: Seen, passed: Mapping[Partition, int]) -> None:
    session = _of(self.connection)
    for place, following in passed.items():
        generation, _, began = session.get("position", *place)
        session.put("position", place, (generation, following, began))
    for key, line in self.lines.items():
        if line.moved:
            session.put("inbox", key, line.last)
        for seq, record in line.new.items():
            session.put("parked", (*key, seq), record)
        for seq in line.taken:
            session.put("parked", (*key, seq), None)


def facts_of(connection: Connection, _: Codec, cases: Collection[UUID]) -> dict[UUID, list[Fact]]:
    facts = _of(connection).rows("fact")
    return {case: [fact for (of, *_), fact in facts.items() if of == case] for case in cases}


MOST = 6
"""Records a batch, so that full ones come."""


class Facts:
    """The copies of monitoring that the clocks need: facts, and when to look at a case. It refuses what comes twice or before its turn."""

    received: Received

    def __init__(self, connection: Connection) -> None:
        self._session = _of(connection)

    def receive(self, received: Received) -> None:
        self.received = received

    def keep(self, event: Event) -> None:
        said = self.received.envelope
        seqs = [seq for case, owner, seq in self._session.rows("fact") if (case, owner) == (said.subject, said.owner)]
        if said.case_seq != len(seqs) + 1:
            self._session.database.complaints.append(f"{said.owner}'s event {said.case_seq} of a case is applied after {sorted(seqs)}")
        self._session.put("fact", (said.subject, said.owner, said.case_seq), Fact(event, said))
        _, look = self._session.get("watch", said.subject) or (None, None)
        self._session.put("watch", (said.subject,), (self.received.record.partition, min(look or said.recorded_at, said.recorded_at)))

    def load(self, ids: Collection[UUID]) -> None: ...
    def mark(self) -> None: ...
    def undo(self) -> None: ...
    def save(self) -> None: ...


class Shelf:
    """One table of aggregates."""

    def __init__(self, session: Session, table: str) -> None:
        self._session, self._table = session, table

    def get(self, key: UUID) -> Any:
        return self._session.get(self._table, key)

    def load_ids(self, ids: Collection[UUID]) -> None: ...

    def put(self, aggregate: Alert | FollowUp) -> None:
        self._session.put(self._table, (aggregate.id,), aggregate)


class ClockWork:
    """What the clock worker changes: services.monitoring.storage.Work."""

    cause: Cause

    def __init__(self, connection: Connection, codec: Codec, _: object) -> None:
        self._connection, self._codec = connection, codec
        self.now: datetime = system_time(_of(connection))
        self.alerts, self.follow_ups = Shelf(_of(connection), "alert"), Shelf(_of(connection), "follow_up")
        self._drafts: list[tuple[Event, Cause]] = []

    def undecided(self, decisions: Iterable[UUID]) -> set[UUID]:
        session = _of(self._connection)
        new = {one for one in decisions if session.get("decision", one) is None}
        for one in new:
            session.put("decision", (one,), self.now)
        return new

    def tell(self, *_: object) -> None:
        """Whom an alert reaches is not the model's: `tests/integration/monitoring` looks at that."""

    def emit(self, event: Event) -> None:
        self._drafts.append((event, self.cause))

    def save(self) -> None:
        outbox.append(self._connection, self._drafts, self._codec)


class Later(consumer._UnderWay):
    """A full batch that is on its way while the next is read: it is applied when somebody waits for it."""

    def start(self) -> None: ...

    def result(self) -> Tally:
        if self._tally is None and self._error is None:
            self.run()
        return super().result()


def _of(connection: Connection) -> Session:
    assert isinstance(connection, Session)
    return cast(Session, connection)


def _only_in_memory(memory: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
    """The memory's form for what is in memory: the test that compares runs both in one process."""

    def either(first: Any, *rest: Any) -> Any:
        return (memory if isinstance(getattr(first, "connection", first), Session) else real)(first, *rest)

    return either


def _refuse(said: str, **more: object) -> None:
    raise AssertionError(f"{said}: {more}")


@contextmanager
def in_memory() -> Iterator[None]:
    """During the block casebus and monitoring take what is in memory from there."""
    numbers = count(1)
    steps = count(0, 60)
    places: list[tuple[object, str, object]] = [
        (Positions, "lock", staticmethod(_only_in_memory(lock_positions, Positions.lock))),
        (Seen, "load", staticmethod(_only_in_memory(load_seen, Seen.load))),
        (Seen, "save", _only_in_memory(save_seen, Seen.save)),
        (consumer, "bounds", lambda worker, topic: worker.broker.bounds(topic)),
        (consumer, "newest_generation", lambda worker, topic: worker.broker.generation(topic)),
        (consumer, "Reader", lambda worker, *rest: worker.reader(*rest)),
        (consumer, "monotonic", lambda: next(steps)),
        (consumer, "_UnderWay", Later),
        (consumer, "log", MagicMock()),
        (clocks, "facts_of", facts_of),
        (clocks, "Work", ClockWork),
        (clocks, "log", MagicMock(error=_refuse)),
        (relay, "log", MagicMock()),
        (outbox, "uuid7", lambda: UUID(int=next(numbers))),
    ]
    with ExitStack() as stack:
        for where, name, instead in places:
            stack.enter_context(patch.object(where, name, instead))
        yield
