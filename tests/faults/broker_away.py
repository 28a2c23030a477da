"""Fault 2: the broker stands still beyond every time-out (SIGSTOP), and is killed (SIGKILL) and started again.

Commands go on being accepted: what needs nothing of another service is answered by 2xx all the while, and the outbox grows. When the broker
is back, the outbox drains by itself. No service is started again, and none ends.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from continuum.stack import SERVICES
from tests.faults import checker, store
from tests.faults.driver import Load
from tests.faults.ground import Ground, Platform
from tests.faults.outcome import Outcome
from tests.waiting import until

LONGEST = 70.0
"""In seconds: longer than librdkafka tries to send (60), than a session of a group (10), of a relay (5), and than any request (10)."""
SHORT = 12.0
MEANWHILE = 100
"""How many commands must be accepted while the broker is away, at least."""


def broker_away(ground: Ground, seed: int, short: bool) -> Outcome:  # noqa: FBT001  # the signature of every fault
    dice, struck, longest = random.Random(seed), 0, SHORT if short else LONGEST
    with ground.platform() as platform:
        pids = {name: platform.run.child(name).pid for name in SERVICES}
        across = Load(platform, seed)
        alone = Load(platform, seed + 1, services=("intake",), pause=0.2, ledger=across.ledger)
        with across.running(3), alone.running(2):
            for absence in (_frozen, _killed):
                until(lambda: store.unsent(platform) < MEANWHILE, 120)
                with absence(ground):
                    _accepts(platform, alone, longest * dice.uniform(0.9, 1))
                struck += 1
                for load in (across, alone):
                    load.must_run()
        found = checker.check(platform, across.ledger)
        assert pids == {name: platform.run.child(name).pid for name in SERVICES}
        assert all(platform.run.child(name).code is None for name in SERVICES), "a service ended"
    return found.outcome("broker-away", struck=struck, ledger=across.ledger)


@contextmanager
def _frozen(ground: Ground) -> Iterator[None]:
    ground.broker.freeze()
    try:
        yield
    finally:
        ground.broker.thaw()


@contextmanager
def _killed(ground: Ground) -> Iterator[None]:
    ground.broker.kill()
    yield
    ground.broker.start()


def _accepts(platform: Platform, load: Load, seconds: float) -> None:
    """For so long, and until enough was accepted meanwhile, and waits in the outbox."""
    before, begun = load.acknowledged, time.monotonic()
    until(lambda: load.acknowledged >= before + MEANWHILE and store.unsent(platform) >= MEANWHILE, 120)
    while time.monotonic() < begun + seconds:
        load.must_run()
        time.sleep(0.5)
    meanwhile = load.acknowledged
    until(lambda: load.acknowledged > meanwhile, 120)
