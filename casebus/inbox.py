"""What a track has applied: its place in each partition, and the last case_seq of each case and topic. It shares the handlers' transaction.

Lower or equal is a duplicate, next is applied, higher is a gap: it is parked, others go on, and it is applied when the gap is filled.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, text

from casebus.envelope import began
from casebus.errors import BeginAgain
from casebus.kafka import Record

Key = tuple[str, UUID]
Partition = tuple[str, int]
GREATEST = 2**31 - 1
LATEST = datetime(9000, 1, 1, tzinfo=UTC)
"""The greatest number and time that our tables and Python can both keep; a record that names more is rubbish."""


def pack(headers: list[tuple[str, bytes]]) -> bytes:
    """Record headers as bytes that PostgreSQL keeps whatever is in them."""
    return orjson.dumps([[name, value.decode("latin-1")] for name, value in headers])


def unpack(packed: bytes) -> list[tuple[str, bytes]]:
    return [(name, value.encode("latin-1")) for name, value in orjson.loads(packed)]


_WAITS = "SELECT EXISTS (SELECT FROM {schema}.parked), EXISTS (SELECT FROM {schema}.quarantine WHERE state = 'DISCARDED')"
"""Most of the time nothing does, and then nothing need be searched for."""


def _order(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """By topic, case and number; ids compare as numbers, which is a lot faster than as ids."""
    return key[0], key[1].int, *key[2:]


@dataclass(slots=True)
class Positions:
    """The locked places of a batch. `pass_` moves over one record, or refuses."""

    connection: Connection
    schema: str
    next: dict[Partition, int] = field(default_factory=dict)
    generation: dict[str, int] = field(default_factory=dict)

    @classmethod
    def lock(cls, connection: Connection, schema: str, partitions: Iterable[Partition]) -> "Positions":
        wanted = sorted(set(partitions))
        rows = connection.execute(
            text(
                f"SELECT topic, part, generation, next FROM {schema}.position WHERE (topic, part) IN"
                " (SELECT * FROM unnest(CAST(:topics AS text[]), CAST(:parts AS int[]))) ORDER BY topic, part FOR UPDATE"
            ),
            {"topics": [t for t, _ in wanted], "parts": [p for _, p in wanted]},
        )
        held = cls(connection, schema)
        for topic, part, generation, following in rows:
            held.next[topic, part] = following
            held.generation[topic] = generation
        return held

    def reads(self, record: Record, generation: int | None) -> bool:
        """Whether the record is still to be applied; moves past it. Raises BeginAgain on a hole or in a new generation of the log."""
        place = record.topic, record.partition
        if generation is not None and generation > self.generation[record.topic]:
            raise BeginAgain(f"{record.topic} is in generation {generation}", record.topic, generation, began(record.headers))
        if record.offset < self.next[place]:
            return False
        if record.offset > self.next[place]:
            raise BeginAgain(f"{record.topic}/{record.partition}: applied to {self.next[place]}, got {record.offset}")
        self.next[place] = record.offset + 1
        return True

    def save(self) -> None:
        order = sorted(self.next)
        self.connection.execute(
            text(
                f"UPDATE {self.schema}.position p SET next = n.next FROM unnest(CAST(:topics AS text[]), CAST(:parts AS int[]),"
                " CAST(:nexts AS bigint[])) AS n (topic, part, next) WHERE p.topic = n.topic AND p.part = n.part"
            ),
            {"topics": [t for t, _ in order], "parts": [p for _, p in order], "nexts": [self.next[place] for place in order]},
        )


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
class Seen:
    """The last case_seq applied, and what is parked, of a batch's cases."""

    connection: Connection
    schema: str
    last: dict[Key, int] = field(default_factory=dict)
    parked: dict[Key, dict[int, Record]] = field(default_factory=dict)
    given_up: set[tuple[str, UUID, int]] = field(default_factory=set)
    """What a person has discarded: it counts in its case's sequence, and is not applied."""
    _moved: set[Key] = field(default_factory=set)
    _new: dict[tuple[str, UUID, int], Record] = field(default_factory=dict)
    _taken: set[tuple[str, UUID, int]] = field(default_factory=set)

    @classmethod
    def load(cls, connection: Connection, schema: str, keys: Iterable[Key]) -> "Seen":
        wanted = sorted(set(keys), key=_order)
        values = {"topics": [t for t, _ in wanted], "subjects": [s for _, s in wanted]}
        among = "(topic, subject) IN (SELECT * FROM unnest(CAST(:topics AS text[]), CAST(:subjects AS uuid[])))"
        seen = cls(connection, schema)
        for topic, subject, seq in connection.execute(text(f"SELECT topic, subject, seq FROM {schema}.inbox WHERE {among}"), values).all():
            seen.last[topic, subject] = seq
        if any(connection.execute(text(_WAITS.format(schema=schema))).one()):
            seen._load_waiting(among, values)
        return seen

    def _load_waiting(self, among: str, values: dict[str, Any]) -> None:
        """What is parked, and what was given up."""
        rows = self.connection.execute(
            text(f"SELECT topic, subject, seq, part, log_offset, value, headers FROM {self.schema}.parked WHERE {among}"), values
        )
        for topic, subject, seq, part, offset, value, headers in rows:
            fields = unpack(headers)
            record = Record(topic, part, offset, dict(fields).get("ce_subject"), value, fields)
            self.parked.setdefault((topic, subject), {})[seq] = record
        rows = self.connection.execute(
            text(f"SELECT topic, subject, seq FROM {self.schema}.quarantine WHERE state = 'DISCARDED' AND seq IS NOT NULL AND {among}"),
            values,
        )
        self.given_up = {(topic, subject, seq) for topic, subject, seq in rows}

    def is_next(self, key: Key, seq: int) -> bool:
        return seq == self.last.get(key, 0) + 1

    def is_given_up(self, key: Key, seq: int) -> bool:
        return (*key, seq) in self.given_up

    def is_old(self, key: Key, seq: int) -> bool:
        return seq <= self.last.get(key, 0)

    def applied(self, key: Key, seq: int) -> Record | None:
        """Move to `seq`; the parked event that follows it, if there is one, is taken out and is now next."""
        self.last[key] = seq
        self._moved.add(key)
        following = self.parked.get(key, {}).pop(seq + 1, None)
        if following is not None and self._new.pop((*key, seq + 1), None) is None:
            self._taken.add((*key, seq + 1))
        return following

    def park(self, key: Key, seq: int, record: Record) -> None:
        if seq not in self.parked.setdefault(key, {}):
            self.parked[key][seq] = record
            self._new[*key, seq] = record

    def save(self) -> None:
        moved, new, taken = sorted(self._moved, key=_order), sorted(self._new, key=_order), sorted(self._taken, key=_order)
        if moved:
            self.connection.execute(
                text(
                    f"INSERT INTO {self.schema}.inbox (topic, subject, seq) SELECT * FROM"
                    " unnest(CAST(:topics AS text[]), CAST(:subjects AS uuid[]), CAST(:seqs AS int[]))"
                    " ON CONFLICT (topic, subject) DO UPDATE SET seq = excluded.seq"
                ),
                {"topics": [t for t, _ in moved], "subjects": [s for _, s in moved], "seqs": [self.last[key] for key in moved]},
            )
        for topic, subject, seq in new:
            record = self._new[topic, subject, seq]
            self.connection.execute(
                text(
                    f"INSERT INTO {self.schema}.parked (topic, subject, seq, part, log_offset, value, headers)"
                    " VALUES (:topic, :subject, :seq, :part, :offset, :value, :headers) ON CONFLICT DO NOTHING"
                ),
                {"topic": topic, "subject": subject, "seq": seq, "part": record.partition, "offset": record.offset}
                | {"value": record.value, "headers": pack(record.headers)},
            )
        for topic, subject, seq in taken:
            self.connection.execute(
                text(f"DELETE FROM {self.schema}.parked WHERE topic = :topic AND subject = :subject AND seq = :seq"),
                {"topic": topic, "subject": subject, "seq": seq},
            )
