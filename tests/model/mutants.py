"""Mistakes that somebody might make, each by replacing one function. The machine must find every one of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from casebus import inbox, outbox
from casebus.kafka import Record
from casebus.relay import _BARRIER, Barrier, Relay, Stream
from casebus.timebase import system_time
from tests.model import database, memory, statements
from tests.model.database import Session
from tests.model.statements import Result, Values

Change = tuple[object, str, object]
"""Where, which name, and what stands there instead."""


@dataclass(frozen=True, slots=True)
class Mutant:
    name: str
    changes: Callable[[], list[Change]]


def _means(part: str, meaning: statements.Meaning) -> list[Change]:
    """The statement does something else."""
    known = database._meaning
    return [(database, "_meaning", lambda sql: meaning if part in sql else known(sql))]


def _publishes_by_greatest_id() -> list[Change]:
    """`WHERE id > last` instead of what is not published: a row that commits late has a lower id."""

    def unpublished(connection: Connection, after: int, top: int, limit: int) -> list[outbox.Row]:
        assert isinstance(connection, Session)
        last = max(connection.get("sent") or (), default=0)
        return _UNPUBLISHED(connection, max(after, last), top, limit)

    return [(outbox, "unpublished", unpublished)]


def _states_the_time_of_the_clock() -> list[Change]:
    """A watermark from now(): nobody waits for transactions that are open."""

    def barrier(self: Relay) -> None:
        self._barriers.append(Barrier(system_time(self._connection), None, 0))

    return [(Relay, "barrier", barrier)]


def _takes_the_number_before_the_floor() -> list[Change]:
    """Who gets a later number may read the clock before the floor is set."""

    def barrier(self: Relay) -> None:
        number = self._connection.execute(text("SELECT pg_current_xact_id()::text::bigint")).scalar_one()
        moment, newest = self._connection.execute(_BARRIER).one()
        self._barriers.append(Barrier(moment, newest, number))

    return [(Relay, "barrier", barrier)]


def _reads_the_clock_first() -> list[Change]:
    """own.emit without its first step: the transaction's number is taken by its first write, after the clock was read."""
    return [(statements, "system_time", lambda session: session.database.clock)]


def _takes_the_end_for_caught_up() -> list[Change]:
    """Whoever has read to the end of a partition of every owner believes to know everything until now."""

    def reached(session: Session, _: Values) -> Result:
        found = []
        for (topic, part), (_, place, _) in session.rows("position").items():
            at_end = place == session.database.bounds(topic)[part][1]
            found.append((part, topic.partition(".")[0], session.database.clock if at_end else None))
        return Result("part owner reached", found)

    return _means("LEFT JOIN copy.statement", reached)


def _applies_what_comes_too_early() -> list[Change]:
    """An inbox that takes a gap for the next."""
    return [(inbox.Line, "is_next", lambda self, seq: seq > self.last)]


def _applies_again() -> list[Change]:
    return [
        (inbox.Line, "is_old", lambda self, seq: False),
        (inbox.Line, "is_next", lambda self, seq: seq <= self.last + 1),
    ]


def _forgets_what_is_parked() -> list[Change]:
    def park(self: inbox.Line, seq: int, record: Record) -> None: ...

    return [(inbox.Line, "park", park)]


def _stays_where_it_was_in_a_new_generation() -> list[Change]:
    def enter(session: Session, v: Values) -> Result:
        older = [(p, at, began) for p, (g, at, began) in session.rows("position").items() if p[0] == v["topic"] and g < v["generation"]]
        for place, *at in older:
            session.put("position", place, (v["generation"], *at))
        return Result(count=len(older))

    return _means("position SET generation = :generation, began", enter)


def _begins_where_the_log_does() -> list[Change]:
    """The log's beginning is taken for the generation's: what was trimmed before it was read is not missed."""

    def enter(session: Session, v: Values) -> Result:
        begins = [low for low, _ in session.database.bounds(v["topic"])]
        return statements.enter_generation(session, {**v, "began": begins})

    return _means("position SET generation = :generation, began", enter)


def _marks_before_it_sends() -> list[Change]:
    def send(self: Relay, rows: list[outbox.Row], top: int) -> list[outbox.Row]:
        self._remember([], ",".join(f"[{row.id},{row.id}]" for row in rows))
        return _SEND(self, rows, top)

    return [(Relay, "_send", send)]


def _skips_what_is_open() -> list[Change]:
    """What is not there below what is sent counts as rolled back."""

    def remember(self: Relay, moved: list[Stream], sent: str) -> None:
        _REMEMBER(self, moved, f"[0,{sent.strip('[]').split(',')[-1]}]")

    return [(Relay, "_remember", remember)]


def _skips_what_opened_later() -> list[Change]:
    """The transaction number is taken before it is looked which number of the outbox is the newest."""

    def barrier(self: Relay) -> None:
        moment, _ = self._connection.execute(_BARRIER).one()
        number = self._connection.execute(text("SELECT pg_current_xact_id()::text::bigint")).scalar_one()
        _, newest = self._connection.execute(_BARRIER).one()
        self._barriers.append(Barrier(moment, newest, number))

    return [(Relay, "barrier", barrier)]


def _decides_again() -> list[Change]:
    return [(memory.ClockWork, "undecided", lambda self, ids: set(ids))]


def _passes_over_places() -> list[Change]:
    """The reader trusts the broker: it goes on from wherever it is given records."""

    def reads(self: inbox.Positions, record: Record, generation: int | None) -> bool:
        self.next[record.topic, record.partition] = record.offset + 1
        return True

    return [(inbox.Positions, "reads", reads)]


def _drops_what_a_batch_refused() -> list[Change]:
    """`_settle` forgets to look for what follows what it applied."""
    return [(inbox.Line, "applied", _applied_alone)]


def _applied_alone(self: inbox.Line, seq: int, recorded_at: datetime) -> None:
    self.last, self.recorded_at, self.moved = seq, recorded_at, True


_UNPUBLISHED, _SEND, _REMEMBER = outbox.unpublished, Relay._send, Relay._remember
MUTANTS = (
    Mutant("the relay publishes WHERE id > last", _publishes_by_greatest_id),
    Mutant("a watermark from now(), without the barrier", _states_the_time_of_the_clock),
    Mutant("the number is taken before the floor", _takes_the_number_before_the_floor),
    Mutant("the clock ignores the floor", _reads_the_clock_first),
    Mutant("the reader counts the end of the partition as caught up", _takes_the_end_for_caught_up),
    Mutant("the inbox applies gaps", _applies_what_comes_too_early),
    Mutant("the inbox applies again", _applies_again),
    Mutant("the inbox forgets what is parked", _forgets_what_is_parked),
    Mutant("what is parked is never taken out", _drops_what_a_batch_refused),
    Mutant("a new generation is read from the old place", _stays_where_it_was_in_a_new_generation),
    Mutant("a new generation is read from where its log begins", _begins_where_the_log_does),
    Mutant("the relay marks before it sends", _marks_before_it_sends),
    Mutant("the relay skips what is still open", _skips_what_is_open),
    Mutant("the relay skips what was opened after its number", _skips_what_opened_later),
    Mutant("a decision is made again", _decides_again),
    Mutant("the reader goes on wherever it is given records", _passes_over_places),
)
