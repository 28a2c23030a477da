"""Fault 6: the log is lost. The broker comes back empty; later a topic is trimmed by mistake while a consumer is away.

Readers refuse to go on and say so, nothing is skipped; `continuum reseed` fills the log again from the outboxes, and the copies, as they
are and made anew from that log, are what they were. An emptied broker counts by each service that names the loss at /readyz, a trimmed
topic by the records that are gone and the reader that refuses.
"""

import shutil
from functools import partial

from casebus.cluster import Cluster
from casebus.kafka import bounds
from casebus.topic_admin import apply
from casebus.topics import read_topics
from continuum.stack import SERVICES
from tests.faults import checker, operating, state, store
from tests.faults.checker import Findings
from tests.faults.driver import Load
from tests.faults.ground import Ground, Platform
from tests.faults.outcome import Outcome
from tests.waiting import until

CASES, CASES_SHORT = 300, 20
LOST = "records are lost"


def lost_logs(ground: Ground, seed: int, short: bool) -> Outcome:  # noqa: FBT001  # the signature of every fault
    cases = CASES_SHORT if short else CASES
    with ground.platform() as platform:
        with Load(platform, seed).running() as load:
            until(partial(load.has_told, cases), 600)
        found = checker.check(platform, load.ledger)
        before, told = state.of(platform), state.said(platform)
        struck = _empty(ground, platform)
        operating.reseeded(platform, *SERVICES)
        _same(platform, found, before, "after the broker was emptied")
        for name in SERVICES:
            struck += operating.rebuilt(platform.engines[name])
        _same(platform, found, before, "made anew from the new log")
        found.add("duplicated", "event that was said again", len(state.said(platform) - told))
        struck += _trim(platform, load, cases)
        again = checker.check(platform, load.ledger)
        found.counts.update(again.counts)
        whole = state.of(platform)
        struck += operating.rebuilt(platform.engines["monitoring"])
        _same(platform, found, whole, "made anew after the trimmed topic was filled again")
    return found.outcome("lost-logs", struck=struck, ledger=load.ledger)


def _empty(ground: Ground, platform: Platform) -> int:
    """The broker loses all it had. How many services say so."""
    ground.broker.kill()
    shutil.rmtree(ground.home / "kafka" / "data")
    ground.broker.start()
    cluster = Cluster(platform.run.bootstrap)
    apply(cluster, read_topics())
    for name in SERVICES:
        operating.await_complaint(platform, name, LOST)
    return len(SERVICES)


def _trim(platform: Platform, load: Load, cases: int) -> int:
    """While monitoring is away, intake states more, and its topic is trimmed. 1 when monitoring refuses, and has skipped nothing."""
    platform.end(platform.run.child("monitoring"))
    known, begun = _facts(platform), load.ledger.cases
    with Load(platform, load.seed + 1, services=("intake",), ledger=load.ledger).running() as more:
        until(lambda: more.has_told(begun + cases), 600)
    until(lambda: _is_sent(platform) and all(_has_read(platform, name, "intake.case.v1") for name in ("planning", "referral")), 180)
    gone = operating.trimmed(platform, "intake.case.v1")
    platform.start("monitoring")
    operating.await_complaint(platform, "monitoring", LOST)
    assert _facts(platform) == known, "monitoring went on without the records that are lost"
    operating.reseeded(platform, "intake")
    print(f"  {gone} records were trimmed; monitoring refused: {LOST}")
    return int(gone > 0)


def _facts(platform: Platform) -> int:
    return store.count(platform.engines["monitoring"], "SELECT count(*) FROM copy.fact WHERE owner = 'intake'")


def _is_sent(platform: Platform) -> bool:
    return store.count(platform.engines["intake"], "SELECT count(*) FROM own.unsent") == 0


def _has_read(platform: Platform, name: str, topic: str) -> bool:
    """Whether the service's copies have everything that lies in the topic."""
    end = sum(end for _, end in bounds(Cluster(platform.run.bootstrap), topic))
    return store.count(platform.engines[name], f"SELECT sum(next) FROM copy.position WHERE topic = '{topic}'") == end


def _same(platform: Platform, found: Findings, before: dict[str, dict[str, str]], when: str) -> None:
    """Once all is well again, every copied table is what it was."""
    operating.await_ready(platform)
    checker.settle(platform, platform.clock.now())
    different = state.differences(before, state.of(platform))
    found.add("lost", f"copied table {when}, such as {different[:1]}", len(different))
    print(f"  {when}: {sum(map(len, before.values()))} copied tables, {len(different)} differ")
