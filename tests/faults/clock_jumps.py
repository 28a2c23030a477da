"""Fault 12, the first half: PostgreSQL's clock jumps by an hour and a day (libfaketime), to and fro, under load; and one owner's alone.

System time goes by it: it jumps ahead with it, and never goes back (own.timebase's floor). The alerts are those of the committed rows: none
before its due time, none missing, none twice. A strike counts when the server is seen to tell the other time.
"""

import random
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text

from casebus.timebase import step_to, system_time
from tests.faults import checker
from tests.faults.driver import Load
from tests.faults.fake_clock import FakeClock
from tests.faults.ground import Ground, Platform
from tests.faults.outcome import Outcome
from tests.waiting import until

JUMPS = {"+1h": timedelta(hours=1), "-1h": timedelta(hours=-1), "+1d": timedelta(days=1), "-1d": timedelta(days=-1)}
NEAR = timedelta(minutes=5)
ROUNDS = 3


def clock_jumps(ground: Ground, seed: int, short: bool) -> Outcome:  # noqa: FBT001  # the signature of every fault
    dice, struck, clock = random.Random(seed), 0, FakeClock(ground.home / "postgres.time")
    ground.database.through = clock.words
    with ground.platform() as platform:
        with Load(platform, seed).running() as load:
            for _ in range(1 if short else ROUNDS):
                for offset in dice.sample(sorted(JUMPS), len(JUMPS)):
                    _jump(platform, load, clock, offset)
                    _differ(platform, load, dice.choice(sorted(platform.engines)), abs(JUMPS[offset]))
                    struck += 2
            clock.jump("+0")
        found = checker.check(platform, load.ledger)
    return found.outcome("clock-jumps", struck=struck, ledger=load.ledger)


def _jump(platform: Platform, load: Load, clock: FakeClock, offset: str) -> None:
    """The clock tells the other time, and the load goes on, while duties come due."""
    clock.jump(offset)
    until(lambda: abs(_told(platform) - datetime.now(UTC) - JUMPS[offset]) < NEAR, 60)
    load.goes_on()
    platform.clock.step(platform.clock.now() + timedelta(hours=2))
    load.goes_on()


def _differ(platform: Platform, load: Load, owner: str, ahead: timedelta) -> None:
    """One owner's system time is alone ahead of the others', and the load goes on, until the others have come after it."""
    with platform.engines[owner].begin() as connection:
        step_to(connection, system_time(connection) + ahead)
    others = [engine for name, engine in platform.engines.items() if name != owner]
    now = platform.clock.now()
    assert all(now - _system_time(engine) > ahead / 2 for engine in others), f"{owner} is not ahead of the others"
    load.goes_on()
    platform.clock.step(platform.clock.now() + timedelta(hours=2))
    load.goes_on()


def _system_time(engine: Engine) -> datetime:
    with engine.connect() as connection:
        return system_time(connection)


def _told(platform: Platform) -> datetime:
    with platform.engines["intake"].connect() as connection:
        told: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return told
