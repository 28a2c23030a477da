"""A track reads a log: how many records a second, from Kafka to committed rows."""

import threading
from dataclasses import dataclass
from time import perf_counter, sleep

from sqlalchemy import text

from casebus.assembly import Blueprint
from casebus.consumer import Consumer
from casebus.track import Track
from tests.bench.ground import Ground, Store
from tests.bench.processes import Spent, spending

LOOK_SECONDS = 0.02
LONGEST = 540.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Records a second from the first commit that was seen to the last; `spent` is processor time for all `records`, by whom."""

    rate: float
    records: int
    spent: Spent

    @property
    def note(self) -> str:
        return f"{self.records:,} records; {self.spent.each(self.records)}"


def track_of(blueprint: Blueprint, ground: Ground, schema: str) -> Track:
    """The service's own track: `copy` are its copies, `own` its reactions."""
    return next(track for track in blueprint.tracks(ground.codec) if track.schema == schema)


def read_all(ground: Ground, store: Store, track: Track, total: int) -> Pace:
    """Run the product's consumer until it has read `total` records. Joining the group isn't counted: only what lies between two commits."""
    stop = threading.Event()
    with store.engine.begin() as connection:
        track.prepare(connection)
    thread = threading.Thread(target=Consumer(store.engine, ground.cluster, track).run, args=(stop,), daemon=True)
    thread.start()
    try:
        with spending() as spent:
            rate = _watched(store, track.schema, total)
        return Pace(rate, total, spent)
    finally:
        stop.set()
        thread.join(30)


def _watched(store: Store, schema: str, total: int) -> float:
    deadline = perf_counter() + LONGEST
    first: tuple[float, int] | None = None
    with store.admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while True:
            read: int = connection.execute(text(f"SELECT sum(next)::bigint FROM {schema}.position")).scalar_one()
            now = perf_counter()
            if first is None and read:
                first = now, read
            if read >= total:
                break
            assert now < deadline, f"read {read} of {total} in {LONGEST:.0f} s"
            sleep(LOOK_SECONDS)
    assert first is not None
    begin, done = first
    assert done < total, "everything was read within one look: take more records"
    return (total - done) / (now - begin)
