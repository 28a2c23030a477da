"""A service's copies made again from the log: how fast, and whether they are what they were."""

import os
from collections.abc import Iterator
from random import Random

from casebus.rebuild import rebuild
from tests.bench.capture import digest
from tests.bench.figure import Figure
from tests.bench.ground import Ground
from tests.bench.history import new_ids, participation
from tests.bench.pipeline import ALONE, Course, feed, monitoring_copies, participation_copy
from tests.bench.reading import paced, workers

_SIZE = """
    SELECT sum(pg_total_relation_size(format('%I.%I', schemaname, tablename)))::bigint FROM pg_tables WHERE schemaname IN ('own', 'copy')"""

WORKERS = os.cpu_count() or 1


def again(ground: Ground, seed: int, *, quick: bool) -> Iterator[Figure]:
    """Planning's and monitoring's copies: read, emptied by `rebuild`, read again from offset zero; the hash of every row is the same.

    By a process for each core.
    """
    dice = Random(seed)
    total = feed(ground, dice, (participation(case, dice) for case in new_ids(dice, 4_000 if quick else 40_000)))
    for course in (participation_copy(), monitoring_copies()):
        yield from _rebuilt(ground, course, total)


def _rebuilt(ground: Ground, course: Course, total: int) -> Iterator[Figure]:
    with ground.store(course.blueprint.name) as store:
        course.begin(ground, store)
        with workers(ground, store, course.track(ground), WORKERS):
            paced(store, course.schema, total)
            before, size = digest(store), store.one(_SIZE)
            store.settled()
            rebuild(store.engine)
            pace = paced(store, course.schema, total)
            assert digest(store) == before, "the copies are not what they were"
    naive, bound = course.naive(ground), course.bound(ground, ALONE, by_record=True)
    yield Figure(name=f"room, {course.blueprint.name}", value=size / total, unit="bytes an event", less_is_better=True)
    yield Figure(
        name=f"rebuild, {course.blueprint.name}",
        value=pace.rate,
        unit="events/s",
        naive=naive,
        bound=bound,
        goal="≥ 300 × naive, equal hash",
        note=f"{WORKERS} processes; equal hash before and after; {pace.note}",
    )
