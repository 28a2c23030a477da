"""Clocks after an outage: how many are decided a second, by one worker, whatever else is armed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from time import perf_counter

from tests.bench.arming import Group, arm, state, step, worker
from tests.bench.figure import Figure
from tests.bench.ground import Ground

OUTAGE = datetime(2026, 6, 1, 12, tzinfo=UTC)
"""When it ends; it has lasted an hour."""
SIZES = (10_000, 1_000_000)


def fired(ground: Ground, seed: int, *, quick: bool) -> Iterator[Figure]:
    """Clocks of unanswered referrals, by one worker. The four owners' statements are told directly; nothing else of the platform runs."""
    for armed in SIZES[:1] if quick else SIZES:
        yield _fired(ground, Random(seed), armed, 2_000 if quick else 20_000)


def _fired(ground: Ground, dice: Random, armed: int, missed: int) -> Figure:
    with ground.store("monitoring") as store:
        group = Group("missed", missed, OUTAGE - timedelta(hours=1), 3599)
        arm(ground, store, dice, [group], others=max(0, armed - missed), far=OUTAGE + timedelta(days=1))
        step(store, OUTAGE)
        state(store, OUTAGE)
        begin = perf_counter()
        looked, one = 0, worker(ground, store)
        while found := one.turn():
            looked += found
        took = perf_counter() - begin
        raised = store.one("SELECT count(*) FROM own.alert")
        assert (looked, raised) == (missed, missed), f"{looked} cases looked at, {raised} alerts, of {missed}"
    note = f"{missed:,} were due after the outage; one worker"
    return Figure(name=f"clocks fired, {armed:,} armed", value=looked / took, unit="clocks/s", note=note)
