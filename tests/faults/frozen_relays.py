"""Fault 8: a relay stops in the midst of its work (SIGSTOP), a second one takes over, and then the first one wakes.

The first one stops itself at a chosen step (dying.py), so it wakes with events in its producer, with receipts nobody waits for, or in a
transaction that is over. What it then still sends are copies of what is in the log. No event may be applied before the one before it.
"""

import os
import random
import signal
from pathlib import Path

from casebus.relay import LOCK
from continuum.local.process import Child
from tests.faults import checker, store
from tests.faults.driver import Load
from tests.faults.ground import Ground, Platform
from tests.faults.outcome import Outcome
from tests.waiting import until

POINTS = ("after-produce", "after-answer", "before-marking", "after-marking")
OWNER = "intake"
ROUNDS, ROUNDS_SHORT = 3, 1
HOLDER = f"""
    SELECT coalesce(max(l.pid), 0) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE l.locktype = 'advisory' AND l.objid = {LOCK} AND l.granted AND d.datname = current_database()"""
"""Whose session is the database's one relay."""


def frozen_relays(ground: Ground, seed: int, short: bool) -> Outcome:  # noqa: FBT001  # the signature of every fault
    dice, struck = random.Random(seed), 0
    points = dice.sample(POINTS, 3) if short else POINTS * ROUNDS
    with ground.platform() as platform:
        platform.end(platform.run.child(OWNER))
        platform.start(OWNER, "--only", "api")
        platform.also(OWNER, "consumer")
        at_work = platform.also(OWNER, "relay")
        with Load(platform, seed).running() as load:
            for point in points:
                at_work = _hand_over(platform, at_work, f"{point}:{dice.randint(1, 5)}:SIGSTOP")
                struck += 1
                load.must_run()
        found = checker.check(platform, load.ledger)
    return found.outcome("frozen-relays", struck=struck, ledger=load.ledger)


def _hand_over(platform: Platform, at_work: Child, death: str) -> Child:
    """One relay freezes at its work, another takes over and sends, the first wakes. The one that is then at work."""
    first = platform.also(OWNER, "relay", through="tests.faults.dying", CONTINUUM_DIE=death)
    platform.end(at_work)
    until(lambda: _state(first) == "T", 180)
    frozen = _holder(platform)
    second = platform.also(OWNER, "relay")
    until(lambda: _holder(platform) not in (0, frozen), 180)
    sent = _sent(platform)
    until(lambda: _sent(platform) > sent, 180)
    os.kill(first.pid, signal.SIGCONT)
    sent = _sent(platform)
    until(lambda: _sent(platform) > sent, 180)
    assert (first.code, second.code) == (None, None), "a relay ended"
    platform.end(first)
    return second


def _state(child: Child) -> str:
    """Of the process, as the system names it: T is stopped."""
    return Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0]


def _holder(platform: Platform) -> int:
    return store.count(platform.engines[OWNER], HOLDER)


def _sent(platform: Platform) -> int:
    return store.count(platform.engines[OWNER], "SELECT count(*) FROM own.outbox WHERE id NOT IN (SELECT id FROM own.unsent)")
