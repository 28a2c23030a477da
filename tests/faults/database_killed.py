"""Fault 9, the first half: PostgreSQL is killed (SIGKILL) and started again, under load.

While it is away every command is answered by 503 with Retry-After (the driver takes nothing else for a refusal); when it is back, all goes
on by itself. No service is started again, and none ends.
"""

import random

from continuum.stack import SERVICES
from tests.faults import checker
from tests.faults.driver import Load
from tests.faults.ground import Ground
from tests.faults.nemesis import Nemesis
from tests.faults.outcome import Outcome
from tests.waiting import until

ROUNDS, ROUNDS_SHORT = 6, 1


def database_killed(ground: Ground, seed: int, short: bool) -> Outcome:  # noqa: FBT001  # the signature of every fault
    dice = random.Random(seed)
    with ground.platform() as platform:
        nemesis = Nemesis(platform, dice)
        pids = {name: platform.run.child(name).pid for name in SERVICES}
        with Load(platform, seed).running() as load:
            for _ in range(ROUNDS_SHORT if short else ROUNDS):
                nemesis.pause(3)
                refused = load.ledger.refusals[503]
                ground.database.kill()
                until(lambda refused=refused: load.ledger.refusals[503] >= refused + 20, 120)  # type: ignore[misc]  # bound at once
                ground.database.start()
                nemesis.struck += 1
                load.goes_on()
        found = checker.check(platform, load.ledger)
        assert pids == {name: platform.run.child(name).pid for name in SERVICES}
        assert all(platform.run.child(name).code is None for name in SERVICES), "a service ended"
        found.add("lost", "request without an answer, though its service ran", load.ledger.refusals[0])
    return found.outcome("database-killed", struck=nemesis.struck, ledger=load.ledger)
