"""Fault 12, the first half: clocks jump by an hour and a day, forward and back (libfaketime), under load.

First those of the parts that take commands and decide alerts. They decide nothing by them: system time is the databases'. (The parts that
speak Kafka keep theirs: librdkafka's waits don't go together with libfaketime.) Then PostgreSQL's own, by which system time goes: it jumps
ahead with it, and never goes back (own.timebase's floor). In all of it the alerts are those of the committed rows: none before its due
time, none missing, none twice. A strike counts when the process is seen to tell the other time.
"""

import random
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
from sqlalchemy import text

from tests.faults import checker
from tests.faults.driver import Load
from tests.faults.fake_clock import FakeClock
from tests.faults.ground import Ground, Platform
from tests.faults.outcome import Outcome
from tests.waiting import until

JUMPS = {"+1h": timedelta(hours=1), "-1h": timedelta(hours=-1), "+1d": timedelta(days=1), "-1d": timedelta(days=-1)}
PARTS = {"intake": (), "monitoring": ("clocks", "blindness")}
"""Beside their API, the parts that jump with it."""
OTHERS = ("relay", "consumer", "statements")
NEAR = timedelta(minutes=5)


def clock_jumps(ground: Ground, seed: int, short: bool) -> Outcome:  # noqa: FBT001  # the signature of every fault
    dice, struck = random.Random(seed), 0
    clocks = {name: FakeClock(ground.home / f"{name}.time") for name in (*PARTS, "postgres")}
    with ExitStack() as stack:
        ground.database.through = clocks["postgres"].words
        platform = stack.enter_context(ground.platform())
        for name, parts in PARTS.items():
            _part(platform, name, parts, clocks[name])
        load = stack.enter_context(Load(platform, seed).running())
        for name in ("monitoring", "postgres") if short else clocks:
            for offset in dice.sample(sorted(JUMPS), len(JUMPS)):
                _jump(platform, load, clocks[name], name, offset)
                struck += 1
            clocks[name].jump("+0")
        load.end()
        found = checker.check(platform, load.ledger)
    return found.outcome("clock-jumps", struck=struck, ledger=load.ledger)


def _part(platform: Platform, name: str, parts: Iterable[str], clock: FakeClock) -> None:
    """The service in parts, a process each, some of which have that clock."""
    platform.end(platform.run.child(name))
    platform.start(name, "--only", "api", through="tests.faults.shifted", **clock.environment)
    for part in parts:
        platform.also(name, part, through="tests.faults.shifted", **clock.environment)
    for part in OTHERS[: 3 if name == "monitoring" else 2]:
        platform.also(name, part)


def _jump(platform: Platform, load: Load, clock: FakeClock, name: str, offset: str) -> None:
    """The clock tells the other time, and the load goes on, while duties come due."""
    clock.jump(offset)
    tell: Callable[[], datetime] = (lambda: _told_by_database(platform)) if name == "postgres" else (lambda: _told_by(platform, name))
    until(lambda: abs(tell() - datetime.now(UTC) - JUMPS[offset]) < NEAR, 60)
    load.goes_on()
    platform.clock.step(platform.clock.now() + timedelta(hours=2))
    load.goes_on()


def _told_by(platform: Platform, name: str) -> datetime:
    """The service's clock, which its web server tells with each answer."""
    return parsedate_to_datetime(httpx.get(platform.run.urls[name] + "/livez", timeout=10, trust_env=False).headers["date"])


def _told_by_database(platform: Platform) -> datetime:
    with platform.engines["intake"].connect() as connection:
        told: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return told
