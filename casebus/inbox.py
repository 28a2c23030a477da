"""What a track has applied: its place in each partition, and the last case_seq of each case and topic. It shares the handlers' transaction.

Lower or equal is a duplicate, next is applied, higher is a gap: it is parked, others go on, and it is applied when the gap is filled.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, TextClause, text

from casebus.database import planned_once
from casebus.envelope import began
from casebus.errors import BeginAgain
from casebus.heading import Heading
from casebus.joined import Joined
from casebus.kafka import Record

Key = tuple[str, UUID]
Partition = tuple[str, int]
GREATEST = 2**31 - 1
EARLIEST, LATEST = datetime(1, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""The greatest number and time that our tables and Python can both keep; a record that names more is rubbish."""


def pack(headers: Iterable[tuple[str, bytes | None]]) -> bytes:
    """Record headers as bytes that PostgreSQL keeps whatever is in them; one without a value is kept as an empty one."""
    if type(headers) is Joined:
        return orjson.dumps(list(zip(headers.names, headers.lines.decode("latin-1").split("\n"), strict=True)))
    return orjson.dumps([[name, value.decode("latin-1") if value else ""] for name, value in headers])


def unpack(packed: bytes) -> list[tuple[str, bytes]]:
    return [(name, value.encode("latin-1")) for name, value in orjson.loads(packed)]


def event_id(packed: bytes) -> UUID:
    """Of headers that were an envelope when they were packed."""
    return UUID(dict(unpack(packed))["ce_id"].decode())


_SPACES = {"copy": 903, "own": 904}
"""The tracks' advisory locks: a lock of one never waits for one of the other."""
_LOCK = """
    WITH held AS (
      SELECT topic, part, generation, next FROM {schema}.position
      WHERE (topic, part) IN (SELECT * FROM unnest({topics}, {parts})) ORDER BY topic, part FOR UPDATE)
    SELECT topic, part, generation, next, pg_advisory_xact_lock(:space, part) FROM held ORDER BY part"""
"""A case has the same partition in every topic, and different workers may read those: one at a time. Locked in order."""
_AMONG = "(topic, subject) IN (SELECT * FROM unnest({topics}, {subjects}))"
_LOAD = f"""
    SELECT topic, subject, seq FROM {{schema}}.inbox WHERE {_AMONG}
    UNION ALL SELECT NULL, NULL, 0
    WHERE EXISTS (SELECT FROM {{schema}}.parked) OR EXISTS (SELECT FROM {{schema}}.quarantine WHERE state = 'DISCARDED')"""
"""And a row of nothing where something waits. Most of the time nothing does, and then nothing need be searched for."""
_PARKED = f"SELECT topic, subject, seq, part, log_offset, value, headers FROM {{schema}}.parked WHERE {_AMONG}"
_GIVEN_UP = f"SELECT topic, subject, seq, headers FROM {{schema}}.quarantine WHERE state = 'DISCARDED' AND seq IS NOT NULL AND {_AMONG}"
_SAVE = """
    WITH passed AS (
      UPDATE {schema}.position p SET next = n.next
      FROM unnest(CAST(:passed AS text[]), CAST(:parts AS int[]), CAST(:nexts AS bigint[])) AS n (topic, part, next)
      WHERE p.topic = n.topic AND p.part = n.part)
    INSERT INTO {schema}.inbox AS i (topic, subject, seq, recorded_at)
    SELECT * FROM unnest(CAST(:topics AS text[]), CAST(:subjects AS uuid[]), CAST(:seqs AS int[]), CAST(:recorded AS timestamptz[]))
    ON CONFLICT (topic, subject) DO UPDATE SET seq = excluded.seq, recorded_at = greatest(i.recorded_at, excluded.recorded_at)"""


_ONCE = {name: planned_once(name, kind) for name, kind in (("topics", "text[]"), ("parts", "int[]"), ("subjects", "uuid[]"))}


@cache
def _of(statement: str, schema: str) -> TextClause:
    return text(statement.format(schema=schema, **_ONCE))


def _order(key: Key) -> tuple[str, int]:
    """By topic and case; ids compare as numbers, which is a lot faster than as ids."""
    return key[0], key[1].int


@dataclass(slots=True)
class Positions:
    """The locked places of a batch. `reads` moves over one record, or refuses."""

    next: dict[Partition, int] = field(default_factory=dict)
    generation: dict[str, int] = field(default_factory=dict)
    read_in: Mapping[str, int] | None = None
    """The generation that each topic was in when the batch was read, as far as its reader knew."""

    @classmethod
    def lock(
        cls, connection: Connection, schema: str, partitions: Iterable[Partition], read_in: Mapping[str, int] | None = None
    ) -> "Positions":
        wanted = sorted(set(partitions))
        values = {"topics": [t for t, _ in wanted], "parts": [p for _, p in wanted], "space": _SPACES[schema]}
        held = cls(read_in=read_in)
        for topic, part, generation, following, _ in connection.execute(_of(_LOCK, schema), values):
            held.next[topic, part] = following
            held.generation[topic] = generation
        return held

    def reads(self, record: Record, generation: int | None) -> bool:
        """Whether the record is still to be applied; moves past it. Raises BeginAgain on a hole or in a new generation of the log."""
        place = record.topic, record.partition
        if self.read_in is not None and self.read_in[record.topic] < self.generation[record.topic]:  # its place was one of another log
            raise BeginAgain(f"{record.topic} entered generation {self.generation[record.topic]} while a batch of it was in hand")
        if generation is not None and generation > self.generation[record.topic]:
            raise BeginAgain(f"{record.topic} is in generation {generation}", record.topic, generation, began(record.headers))
        if record.offset < self.next[place]:
            return False
        if record.offset > self.next[place]:
            raise BeginAgain(f"{record.topic}/{record.partition}: applied to {self.next[place]}, got {record.offset}")
        self.next[place] = record.offset + 1
        return True


def places(connection: Connection, schema: str) -> dict[Partition, tuple[int, int]]:
    """The next offset and the generation of every partition."""
    rows = connection.execute(text(f"SELECT topic, part, next, generation FROM {schema}.position"))
    return {(topic, part): (following, generation) for topic, part, following, generation in rows}


def enter_generation(connection: Connection, schema: str, topic: str, generation: int, began: Sequence[int]) -> bool:
    """The topic's log is a new one: read it from where its owner says that it `began`, by partition (at 0 where nothing is said).

    The inbox drops what was applied. False where the generation is known.
    """
    entered = connection.execute(
        text(
            f"UPDATE {schema}.position SET generation = :generation, began = coalesce((CAST(:began AS bigint[]))[part + 1], 0),"
            " next = coalesce((CAST(:began AS bigint[]))[part + 1], 0) WHERE topic = :topic AND generation < :generation"
        ),
        {"topic": topic, "generation": generation, "began": list(began)},
    )
    return entered.rowcount > 0


@dataclass(slots=True)
class Line:
    """The events of one case in one topic: how far they are applied, and what is parked or was given up behind that."""

    last: int = 0
    recorded_at: datetime = EARLIEST
    """When the last one that was applied here was recorded, by its owner's clock."""
    parked: dict[int, Record] = field(default_factory=dict)
    given_up: dict[int, set[UUID]] = field(default_factory=dict)
    """Which events of a number a person has discarded: that number counts in the sequence, and they are not applied."""
    moved: bool = False
    new: dict[int, Record] = field(default_factory=dict)
    taken: set[int] = field(default_factory=set)
    freed: set[int] = field(default_factory=set)

    def is_next(self, seq: int) -> bool:
        return seq == self.last + 1

    def is_old(self, seq: int) -> bool:
        return seq <= self.last

    def is_given_up(self, heading: Heading) -> bool:
        return heading.case_seq in self.given_up and heading.envelope.event_id in self.given_up[heading.case_seq]

    def was_given_up_for_another(self, heading: Heading) -> bool:
        """Whether the number counts as passed only because somebody discarded another record of it, as a forged one."""
        return heading.case_seq in self.given_up and heading.envelope.event_id not in self.given_up[heading.case_seq]

    def free(self, seq: int) -> None:
        """The last number was passed for a record that was not its owner's: it is next again, and what was discarded has none."""
        self.last, self.moved = seq - 1, True
        self.freed.add(seq)
        del self.given_up[seq]

    def applied(self, seq: int, recorded_at: datetime) -> Record | None:
        """Move to `seq`; the parked event that follows it, if there is one, is taken out and is now next."""
        self.last, self.recorded_at, self.moved = seq, recorded_at, True
        if not self.parked:
            return None
        following = self.parked.pop(seq + 1, None)
        if following is not None and self.new.pop(seq + 1, None) is None:
            self.taken.add(seq + 1)
        return following

    def park(self, seq: int, record: Record) -> None:
        if seq not in self.parked:
            self.parked[seq] = record
            self.new[seq] = record


@dataclass(slots=True)
class Seen:
    """The lines of a batch's cases, loaded before it and saved after it."""

    connection: Connection
    schema: str
    lines: dict[Key, Line]

    @classmethod
    def load(cls, connection: Connection, schema: str, keys: Iterable[Key]) -> "Seen":
        wanted = sorted(set(keys), key=_order)
        values = {"topics": [t for t, _ in wanted], "subjects": [s for _, s in wanted]}
        seen, waits = cls(connection, schema, {key: Line() for key in wanted}), False
        for topic, subject, seq in connection.execute(_of(_LOAD, schema), values).all():
            if topic is None:
                waits = True
            else:
                seen.lines[topic, subject].last = seq
        if waits:
            seen._load_waiting(values)
        return seen

    def _load_waiting(self, values: dict[str, Any]) -> None:
        """What is parked, and what was given up."""
        for topic, subject, seq, part, offset, value, headers in self.connection.execute(_of(_PARKED, self.schema), values):
            fields = unpack(headers)
            self.lines[topic, subject].parked[seq] = Record(topic, part, offset, dict(fields).get("ce_subject"), value, fields)
        for topic, subject, seq, headers in self.connection.execute(_of(_GIVEN_UP, self.schema), values):
            self.lines[topic, subject].given_up.setdefault(seq, set()).add(event_id(headers))

    def save(self, passed: Mapping[Partition, int]) -> None:
        """With it the places that were passed: what comes next in each partition."""
        order = sorted(passed)
        moved = [(key, line) for key, line in self.lines.items() if line.moved]
        if passed or moved:
            self.connection.execute(
                _of(_SAVE, self.schema),
                {"passed": [t for t, _ in order], "parts": [p for _, p in order], "nexts": [passed[place] for place in order]}
                | {"topics": [topic for (topic, _), _ in moved], "subjects": [subject for (_, subject), _ in moved]}
                | {"seqs": [line.last for _, line in moved], "recorded": [line.recorded_at for _, line in moved]},
            )
        for (topic, subject), line in self.lines.items():
            if line.new or line.taken or line.freed:
                self._save_waiting(topic, subject, line)

    def _save_waiting(self, topic: str, subject: UUID, line: Line) -> None:
        for seq in sorted(line.freed):
            self.connection.execute(
                text(
                    f"UPDATE {self.schema}.quarantine SET seq = NULL"
                    " WHERE state = 'DISCARDED' AND topic = :topic AND subject = :subject AND seq = :seq"
                ),
                {"topic": topic, "subject": subject, "seq": seq},
            )
        for seq, record in sorted(line.new.items()):
            self.connection.execute(
                text(
                    f"INSERT INTO {self.schema}.parked (topic, subject, seq, part, log_offset, value, headers)"
                    " VALUES (:topic, :subject, :seq, :part, :offset, :value, :headers) ON CONFLICT DO NOTHING"
                ),
                {"topic": topic, "subject": subject, "seq": seq, "part": record.partition, "offset": record.offset}
                | {"value": record.value, "headers": pack(record.headers)},
            )
        for seq in sorted(line.taken):
            self.connection.execute(
                text(f"DELETE FROM {self.schema}.parked WHERE topic = :topic AND subject = :subject AND seq = :seq"),
                {"topic": topic, "subject": subject, "seq": seq},
            )
