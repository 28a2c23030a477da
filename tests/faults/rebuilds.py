"""Fault 7: the copies of every service are dropped and made again from offset zero, while cases come in and at rest.

At rest every copied table is the same afterwards; and nothing that a service said before, an alert or whatever follows from an event, is
said again. A rebuild counts when the table that held the inbox is seen to lie in another file. While it lasts a service may answer 404 for
a case that it has yet to read again (docs/runbook.md), so what comes in meanwhile goes to intake alone.
"""

import random
from functools import partial

from continuum.stack import SERVICES
from tests.faults import checker, state
from tests.faults.driver import Load
from tests.faults.ground import Ground
from tests.faults.operating import rebuilt
from tests.faults.outcome import Outcome
from tests.waiting import until

CASES, CASES_SHORT = 300, 16


def rebuilds(ground: Ground, seed: int, short: bool) -> Outcome:  # noqa: FBT001  # the signature of every fault
    dice, struck = random.Random(seed), 0
    cases = CASES_SHORT if short else CASES
    with ground.platform() as platform:
        with Load(platform, seed).running() as load:
            until(partial(load.has_told, cases), 600)
        with Load(platform, seed + 1, services=("intake",), ledger=load.ledger).running() as more:
            for name in dice.sample(SERVICES, len(SERVICES)):
                until(partial(more.has_told, load.ledger.cases + cases // 8), 300)
                struck += rebuilt(platform.engines[name])
        found = checker.check(platform, load.ledger)
        before, told = state.of(platform), state.said(platform)
        for name in dice.sample(SERVICES, len(SERVICES)):
            struck += rebuilt(platform.engines[name])
        checker.settle(platform, platform.clock.now())
        different = state.differences(before, state.of(platform))
        found.add("lost", f"copied table, such as {different[:1]}", len(different))
        found.add("duplicated", "event that was said again", len(state.said(platform) - told))
        facts = before["monitoring"]["fact"]
        print(f"  {sum(map(len, before.values()))} copied tables, {len(different)} differ; facts: {facts}")
    return found.outcome("rebuilds", struck=struck, ledger=load.ledger)
