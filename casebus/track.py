"""A track: one stream of subscriptions of a service, applied exactly once in effect.

A service has two. COPIES keep what it needs of others (schema `copy`, dropped and rebuilt at will); REACTIONS are what it does (schema
`own`, run once, never rebuilt). Each has its own inbox, so rebuilding the copies repeats no act.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from casebus import quarantine
from casebus.codec import Codec, Undecodable
from casebus.envelope import InvalidEnvelope
from casebus.errors import InvalidEvent
from casebus.event import Event
from casebus.heading import Heading, read_heading
from casebus.inbox import GREATEST, LATEST, Partition, Positions, Seen
from casebus.kafka import Record
from casebus.work import Received, Work

W = TypeVar("W", bound=Work)
NOWHERE: Mapping[Partition, int] = {}
OVERTAKEN = "another record of its number was discarded, and what follows that is applied"
Handler = Callable[[Any, Any], None]


class Parsed(NamedTuple):
    """A record that was read: its heading, its event (None where nobody here handles the type), or the reason why not."""

    record: Record
    heading: Heading | None = None
    event: Event | None = None
    fault: str | None = None
    key: tuple[str, UUID] | None = None


@dataclass(slots=True)
class Tally:
    """What became of a batch."""

    applied: int = 0
    duplicates: int = 0
    parked: int = 0
    quarantined: int = 0
    discarded: int = 0
    reasons: list[str] = field(default_factory=list)
    """Why what was quarantined could not be applied."""


@dataclass(frozen=True, kw_only=True)
class Track:
    """`handlers` by event type; `make_work` gives the service's Work on a connection."""

    service: str
    schema: str
    topics: Mapping[str, int]
    """Each topic with its number of partitions."""
    handlers: Mapping[type[Event], Handler]
    make_work: Callable[[Connection], Work]
    codec: Codec
    most: int = 1000
    """How many records a transaction may apply."""

    @cached_property
    def _handled(self) -> frozenset[str]:
        return frozenset(kind.TYPE for kind in self.handlers)

    @property
    def group(self) -> str:
        return f"{self.service}.{self.name}"

    @property
    def name(self) -> str:
        """The part of the service that runs it."""
        return "reactions" if self.schema == "own" else "copies"

    def prepare(self, connection: Connection) -> None:
        """Give every partition a position row; those that exist keep theirs."""
        places = [(topic, part) for topic, parts in sorted(self.topics.items()) for part in range(parts)]
        connection.execute(
            text(
                f"INSERT INTO {self.schema}.position (topic, part) SELECT * FROM unnest(CAST(:topics AS text[]), CAST(:parts AS int[]))"
                " ON CONFLICT DO NOTHING"
            ),
            {"topics": [t for t, _ in places], "parts": [p for _, p in places]},
        )

    def parse(self, record: Record) -> Parsed:
        """Read headers and value. A type nobody here handles is passed over unread, but counted in its case's sequence."""
        try:
            heading = read_heading(record.headers, topic=record.topic, key=record.key)
        except InvalidEnvelope as error:
            return Parsed(record, fault=str(error))
        if heading.key_hash % self.topics[record.topic] != record.partition:
            return Parsed(record, fault="it lies in another partition than its key's: a producer counts otherwise")
        if heading.case_seq > GREATEST or heading.generation > GREATEST or heading.occurred_at > LATEST or heading.recorded_at > LATEST:
            return Parsed(record, fault="its headers name a number or a time beyond all that we keep")
        event, fault = None, None
        if heading.type in self._handled:
            try:
                event = self.codec.decode_of(record.key or b"", heading.subject, record.value)
            except Undecodable as error:
                fault = str(error)
            else:
                if heading.type != event.TYPE or event.subject != heading.subject or record.topic != event.TOPIC:
                    event, fault = None, "the value is not what its headers, key and topic say"
        return Parsed(record, heading, event, fault, (record.topic, heading.subject))

    def apply(self, engine: Engine, records: Sequence[Record], read_in: Mapping[str, int] | None = None) -> Tally:
        """One transaction: positions, inbox, the handlers' changes and events, or nothing at all.

        `read_in` is the generation of each topic as their reader knew it; without it the records are taken to be of the present one.
        """
        return self.apply_parsed(engine, [self.parse(record) for record in records], read_in)

    def apply_parsed(self, engine: Engine, parsed: Sequence[Parsed], read_in: Mapping[str, int] | None = None) -> Tally:
        """The same, of records that were parsed before."""
        with engine.begin() as connection:
            positions = Positions.lock(connection, self.schema, {(p.record.topic, p.record.partition) for p in parsed}, read_in)
            fresh = [p for p in parsed if positions.reads(p.record, p.heading.generation if p.heading else None)]
            return self.handle(connection, fresh, positions.next)

    def handle(self, connection: Connection, parsed: Sequence[Parsed], passed: Mapping[Partition, int] = NOWHERE) -> Tally:
        """Apply what is next of its case, drop what is old, park what comes too early, quarantine what can't be applied.

        The partitions are locked; `passed` is what comes next in those that the records were read from.
        """
        tally = Tally()
        if not parsed:
            return tally
        keys = {p.key for p in parsed if p.key is not None}
        cases = {subject for _, subject in keys}
        seen = Seen.load(connection, self.schema, keys)
        work = self.make_work(connection)
        work.load(cases)
        for each in parsed:
            self._settle(connection, each, seen, work, tally)
        work.save()
        seen.save(passed)
        return tally

    def _settle(self, connection: Connection, first: Parsed, seen: Seen, work: Work, tally: Tally) -> None:
        """One record, and then every parked one that it lets follow."""
        each: Parsed | None = first
        while each is not None:
            heading, key = each.heading, each.key
            if heading is None or key is None:
                return self._refuse(connection, each, each.fault or "no envelope", tally)
            line, seq = seen.lines[key], heading.case_seq
            if line.is_old(seq):
                if not line.was_given_up_for_another(heading):
                    tally.duplicates += 1
                    return None
                if seq < line.last:
                    return self._refuse(connection, each, OVERTAKEN, tally)
                line.free(seq)
            if not line.is_next(seq):
                line.park(seq, each.record)
                tally.parked += 1
                return None
            if line.is_given_up(heading):
                tally.discarded += 1
            elif fault := each.fault or self._run(each, work):
                return self._refuse(connection, each, fault, tally)
            else:
                tally.applied += 1
            following = line.applied(seq, heading.recorded_at)
            each = self.parse(following) if following else None
        return None

    def _run(self, each: Parsed, work: Work) -> str | None:
        """Call the handler, if there is one. Returns why the event is invalid, with its changes taken back."""
        if each.heading is None or each.event is None:
            return None
        handler = self.handlers[type(each.event)]
        work.receive(Received(each.heading, each.record, self.service))
        work.mark()
        try:
            handler(each.event, work)
        except InvalidEvent as error:
            work.undo()
            return str(error) or "it can't be applied"
        return None

    def _refuse(self, connection: Connection, each: Parsed, reason: str, tally: Tally) -> None:
        heading = each.heading
        subject, seq, kind = (heading.subject, heading.case_seq, heading.type) if heading else (_subject(each.record), None, None)
        quarantine.put(connection, self.schema, each.record, reason, subject, seq, kind)
        tally.quarantined += 1
        tally.reasons.append(reason)


def _subject(record: Record) -> UUID | None:
    """The case that a record without a readable envelope is about, by its key."""
    try:
        return UUID((record.key or b"").decode("ascii"))
    except ValueError:
        return None
