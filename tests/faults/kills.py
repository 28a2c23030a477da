"""Fault 1: kill -9 of every service at every step of its work, by crash points (dying.py), and of any service at any time.

A service is one process with its API, relay, consumers and, in monitoring, the clock worker; so each of them is struck. Nothing that was
answered may be lost, nothing may happen twice, and every case keeps its order. A strike counts when the process is seen to have ended by
SIGKILL, which at a crash point only itself sends.
"""

import random
import signal
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

from continuum.stack import SERVICES
from tests.faults import checker
from tests.faults.driver import Load
from tests.faults.dying import OF_CLOCKS, POINTS
from tests.faults.ground import Ground, Platform
from tests.faults.nemesis import Nemesis
from tests.faults.outcome import Outcome

HIT_SECONDS = 240.0
"""How long a service may take to come to its crash point under load."""
STEP_SECONDS = 0.5
"""How often time steps until all have died."""
AT_RANDOM, AT_RANDOM_SHORT = 24, 1


def kills(ground: Ground, seed: int, short: bool) -> Outcome:  # noqa: FBT001  # the signature of every fault
    dice = random.Random(seed)
    with ground.platform() as platform:
        nemesis = Nemesis(platform, dice)
        with Load(platform, seed).running() as load, ThreadPoolExecutor(len(SERVICES)) as pool:
            deaths = [pool.submit(_die_of_each, platform, name, points) for name, points in _deaths(dice, short=short).items()]
            while wait(deaths, STEP_SECONDS).not_done:
                load.must_run()
                platform.clock.step(platform.clock.now() + timedelta(minutes=20))  # offers come due: the clock worker has to decide
            nemesis.struck += sum(each.result() for each in deaths)
            for _ in range(AT_RANDOM_SHORT if short else AT_RANDOM):
                nemesis.pause(1)
                nemesis.kill_any()
                load.must_run()
        found = checker.check(platform, load.ledger)
    return found.outcome("kills", struck=nemesis.struck, ledger=load.ledger)


def _deaths(dice: random.Random, *, short: bool) -> dict[str, list[str]]:
    """For each service its crash points, each at which passing: every service at every step; in short every step, each at one service."""
    found: dict[str, list[str]] = {name: [] for name in SERVICES}
    for point in dice.sample(sorted(POINTS), len(POINTS)):
        able = ("monitoring",) if point in OF_CLOCKS else SERVICES
        fewest = min(able, key=lambda name: len(found[name]))
        for name in (fewest,) if short else able:
            found[name].append(f"{point}:{dice.randint(1, 5)}")
    return found


def _die_of_each(platform: Platform, name: str, deaths: list[str]) -> int:
    """The service dies of one after the other under load; what starts after a death has the next one ahead of it. How often it died."""
    platform.end(platform.run.child(name))
    for death in deaths:
        child = platform.launch(name, through="tests.faults.dying", CONTINUUM_DIE=death)
        child.stop_asked = True
        assert child.wait(HIT_SECONDS), f"{name} never came to {death}"
        assert child.code == -signal.SIGKILL, f"{name} ended by itself at {death}, with code {child.code}"
    platform.start(name)
    return len(deaths)
