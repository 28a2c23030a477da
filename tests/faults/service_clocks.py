"""Fault 12, a service: the clock on the wall of all four services jumps by an hour and a day (libfaketime), to and fro, under load.

System time goes by PostgreSQL's clock; by that of a service nothing is decided but whether a token is still good. So no alert comes early,
late or twice. A strike counts when a service is seen to tell the other time.
"""

import random
import re
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx

from continuum.stack import SERVICES
from tests.faults import checker
from tests.faults.clock_jumps import JUMPS, NEAR
from tests.faults.driver import Load
from tests.faults.fake_clock import FakeClock
from tests.faults.ground import Ground, Platform
from tests.faults.outcome import Outcome
from tests.waiting import until

ROUNDS = 3


def service_clocks(ground: Ground, seed: int, short: bool) -> Outcome:  # noqa: FBT001  # the signature of every fault
    dice, struck, clock = random.Random(seed), 0, FakeClock(ground.home / "services.time")
    with ground.platform() as platform:
        for name in SERVICES:
            platform.end(platform.run.child(name))
            platform.start(name, **clock.environment)
        with Load(platform, seed).running() as load:
            for _ in range(1 if short else ROUNDS):
                for offset in dice.sample(sorted(JUMPS), len(JUMPS)):
                    struck += _jump(platform, load, clock, offset)
                clock.jump("+0")
        found = checker.check(platform, load.ledger)
    return found.outcome("service-clocks", struck=struck, ledger=load.ledger)


def _jump(platform: Platform, load: Load, clock: FakeClock, offset: str) -> int:
    """Each service tells the other time, and the load goes on, while duties come due. How many services."""
    clock.jump(offset)
    for name in SERVICES:
        until(partial(_tells, platform.run.urls[name], name, offset), 60)
    load.goes_on()
    platform.clock.step(platform.clock.now() + timedelta(hours=2))
    load.goes_on()
    return len(SERVICES)


def _tells(url: str, name: str, offset: str) -> bool:
    metrics = httpx.get(f"{url}/metrics", timeout=10, trust_env=False, follow_redirects=True).text
    found = re.search(rf'^continuum_looked_timestamp_seconds{{[^}}]*"{name}"[^}}]*}} (\S+)$', metrics, re.MULTILINE)
    return found is not None and abs(datetime.fromtimestamp(float(found[1]), UTC) - datetime.now(UTC) - JUMPS[offset]) < NEAR
