"""A track reads a log: how many records a second, from Kafka to committed rows."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
    """Records a second from the first commit that was seen to the last; `spent` is processor time for these `records`, by whom."""

    rate: float
    records: int
    spent: Spent

    @property
    def note(self) -> str:
        return f"{self.records:,} records; {self.spent.each(self.records)}"


def track_of(blueprint: Blueprint, ground: Ground, schema: str) -> Track:
    """The service's own track: `copy` are its copies, `own` its reactions."""
    return next(track for track in blueprint.tracks(ground.codec) if track.schema == schema)


@contextmanager
def workers(ground: Ground, store: Store, track: Track, count: int) -> Iterator[None]:
    """So many processes of the service run this track, and nothing else, during the block."""
    with ExitStack() as running:
        for _ in range(count):
            running.enter_context(ground.process(store, f"services.{track.service}.main", "--only", track.name))
        yield


def read_all(ground: Ground, store: Store, track: Track, total: int) -> Pace:
    """Run the product's consumer in a thread of this process until it has read `total` records, or some more."""
    stop = threading.Event()
    with store.engine.begin() as connection:
        track.prepare(connection)
    thread = threading.Thread(target=Consumer(store.engine, ground.cluster, track).run, args=(stop,), daemon=True)
    thread.start()
    try:
        return paced(store, track.schema, total)
    finally:
        stop.set()
        thread.join(30)


def paced(store: Store, schema: str, total: int) -> Pace:
    """Wait until the track of this schema has read `total` records. What lies before the first commit isn't counted: joining its group."""
    deadline = perf_counter() + LONGEST
    with store.admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:

        def read() -> int:
            done: int = connection.execute(text(f"SELECT sum(next)::bigint FROM {schema}.position")).scalar_one()
            assert perf_counter() < deadline, f"read {done} of {total} in {LONGEST:.0f} s"
            return done

        while not (first := read()):
            sleep(LOOK_SECONDS)
        assert first < total, "everything was read within one look: take more records"
        begin = perf_counter()
        with spending() as spent:
            while (last := read()) < total:
                sleep(LOOK_SECONDS)
        return Pace((last - first) / (perf_counter() - begin), last - first, spent)
