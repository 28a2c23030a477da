"""The reading side of "caught up, exactly": owners' statements, and how far a partition is known (docs/architecture.md).

The watermark of a partition is the least, over the owners, of the greatest T whose next[p] the track has reached, in the position's
generation. All statements that are not reached yet are kept, not the newest only: a reader that lags steadily never reaches the newest.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from threading import Event as Signal
from typing import TypeVar

from sqlalchemy import Connection, Engine, text

from casebus import telemetry
from casebus.cluster import Cluster
from casebus.codec import Codec, Undecodable
from casebus.contracts.casebus import Watermark
from casebus.database import planned_once
from casebus.inbox import GREATEST, LATEST, enter_generation
from casebus.kafka import NewestRecords

DDL = (
    "CREATE TABLE copy.statement (owner text, generation int, recorded_before timestamptz, next bigint[] NOT NULL,"
    " PRIMARY KEY (owner, generation, recorded_before))"
)
_REACHED = text("""
    SELECT p.part, split_part(p.topic, '.', 1) AS owner, max(s.recorded_before) AS reached
    FROM copy.position p LEFT JOIN copy.statement s
      ON s.owner = split_part(p.topic, '.', 1) AND s.generation = p.generation AND s.next[p.part + 1] <= p.next
    WHERE p.topic LIKE '%.case.v1' GROUP BY 1, 2""")
_NEWER = text(f"""
    SELECT DISTINCT owner FROM unnest({planned_once("owners", "text[]")}, {planned_once("generations", "int[]")}) AS s (owner, generation)
    JOIN copy.position p ON p.topic = owner || '.case.v1' AND p.generation < s.generation""")
_LEARN = text("""
    INSERT INTO copy.statement (owner, generation, recorded_before, next) SELECT owner, generation, moment, CAST(next AS bigint[]) FROM
      unnest(CAST(:owners AS text[]), CAST(:generations AS int[]), CAST(:moments AS timestamptz[]), CAST(:nexts AS text[]))
        AS s (owner, generation, moment, next) ORDER BY 1, 2, 3
    ON CONFLICT DO NOTHING""")
_PRUNE = text("""
    DELETE FROM copy.statement WHERE ctid = ANY (ARRAY(
      SELECT s.ctid FROM copy.statement s
      LEFT JOIN (
        SELECT split_part(topic, '.', 1) AS owner, min(generation) AS oldest FROM copy.position WHERE topic LIKE '%.case.v1' GROUP BY 1) p
        USING (owner)
      LEFT JOIN (
        SELECT n.owner, n.generation, max(n.recorded_before) AS newest FROM copy.statement n WHERE NOT EXISTS (
          SELECT FROM copy.position p WHERE p.topic = n.owner || '.case.v1'
            AND (p.next < n.next[p.part + 1] OR p.generation <> n.generation)) GROUP BY 1, 2) passed USING (owner, generation)
      WHERE s.generation < p.oldest OR s.recorded_before < passed.newest
      FOR UPDATE OF s SKIP LOCKED))""")

TOGETHER_SECONDS = 0.03
"""All owners state how far they are at the same moment (service.py): who waits at most so long for the others reads all at once."""
NEWEST = 100
"""Statements of an owner that are read at a start. The last one would do: whoever catches up reaches it, and all that come after it.
Compaction leaves those of ten minutes and more, which would take a start longer than everything else."""

K = TypeVar("K")
log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class Reached:
    """By partition and by owner, the moment below which everything recorded is applied here; a missing one isn't known at all."""

    partitions: dict[int, datetime]
    owners: dict[str, datetime]

    unknown: bool = False
    """Whether a partition is not known at all, as after a rebuild."""

    @property
    def least(self) -> datetime | None:
        """The moment below which everything is applied; None where that can't be said."""
        return None if self.unknown else min(self.partitions.values(), default=None)


def reached(connection: Connection) -> Reached:
    """Read it before the facts: then every fact below it is visible."""
    by_partition: dict[int, list[datetime | None]] = {}
    by_owner: dict[str, list[datetime | None]] = {}
    for part, owner, moment in connection.execute(_REACHED):
        by_partition.setdefault(part, []).append(moment)
        by_owner.setdefault(owner, []).append(moment)
    known = _whole(by_partition)
    return Reached(known, _whole(by_owner), unknown=len(known) < len(by_partition))


def _whole(found: dict[K, list[datetime | None]]) -> dict[K, datetime]:
    """The least of each, where nothing is missing."""
    return {key: min(m for m in moments if m is not None) for key, moments in found.items() if None not in moments}


def learn(connection: Connection, statements: Iterable[Watermark]) -> None:
    """Keep the statements. Sorted: two workers that insert the same ones in their own orders deadlock on the key."""
    said = sorted(statements, key=lambda s: (s.owner, s.generation, s.recorded_before))
    values = {
        "owners": [one.owner for one in said],
        "generations": [one.generation for one in said],
        "moments": [one.recorded_before for one in said],
        "nexts": [f"{{{','.join(map(str, one.next))}}}" for one in said],
    }
    newer = set(connection.execute(_NEWER, values).scalars())
    for one in said:
        if one.owner in newer:
            enter_generation(connection, "copy", f"{one.owner}.case.v1", one.generation, one.began)
    connection.execute(_LEARN, values)


def prune(connection: Connection) -> None:
    """Drop the statements that a reached one has overtaken, and those of generations that are over."""
    connection.execute(_PRUNE)


@dataclass(frozen=True, kw_only=True)
class StatementReader:
    """A job of monitoring: reads what every owner has stated last, and all from then on. `learned` is called whenever one has said more."""

    engine: Engine
    cluster: Cluster
    codec: Codec
    owners: tuple[str, ...]
    learned: Callable[[], None] = lambda: None

    def run(self, stop: Signal) -> None:
        while not stop.is_set():
            try:
                self._read(stop)
            except Exception as error:  # noqa: BLE001  # a broker or a database that is away: read again from the beginning
                log.warning("statements are read again", error=type(error).__name__)
                stop.wait(0.5)

    def _read(self, stop: Signal) -> None:
        reader = NewestRecords(self.cluster, [f"{owner}.watermark.v1" for owner in self.owners], NEWEST)
        try:
            while not stop.is_set():
                self._turn(reader)
        finally:
            reader.close()

    def _turn(self, reader: NewestRecords) -> None:
        said = []
        for record in reader.batch(0.2, TOGETHER_SECONDS):
            try:
                statement = self.codec.decode_as(Watermark, record.value)
            except Undecodable as error:
                log.error("a statement can't be read", topic=record.topic, offset=record.offset, reason=error.reason)
                continue
            true_to_form = 0 < statement.generation <= GREATEST and statement.recorded_before < LATEST
            if true_to_form and record.topic == f"{statement.owner}.watermark.v1":
                said.append(statement)
            else:
                log.error("a statement is not its owner's", topic=record.topic, offset=record.offset)
        if said:
            with self.engine.begin() as connection:
                learn(connection, said)
                prune(connection)
            self.learned()
