"""Kill -9 of clock workers at random, while 100,000 deadlines are prepared and come due: 100,000 alerts, by two who share the work.

The clocks are armed by SQL, as where their speed is measured (tests/bench/arming.py), and owners' statements are told directly: nothing but
the workers runs, each a process of its own. Half of the clocks come due before anybody can have prepared them. A strike counts when the
process is seen to have ended by SIGKILL.
"""

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from threading import Event as Signal
from time import monotonic

import httpx

from continuum.local.process import Child
from services.monitoring.ahead import FAR
from tests.bench.arming import Group, arm, policies, state, step
from tests.bench.ground import Ground as BenchGround
from tests.bench.ground import Store
from tests.bench.ground import ground as bench_ground
from tests.faults.ground import Ground
from tests.faults.outcome import Outcome

CLOCKS = ("services.monitoring.main", "--only", "clocks")
DUE, DUE_SHORT = 100_000, 4_000
BEGIN = datetime(2026, 6, 1, 12, tzinfo=UTC)
PATIENCE = 1800.0
_LEFT = "SELECT count(*) FROM (SELECT FROM copy.watch WHERE ahead IN (true, false) AND look_at < :moment LIMIT 1) due"
_PREPARED = "SELECT count(*) FROM own.prepared"
_RAISED = "SELECT count(*) FROM own.outbox WHERE attributes ->> 'type' = 'monitoring.AlertRaised'"
_DECIDED = re.compile(r'^continuum_alerts_total\{.*decision="AlertRaised".*\} ([0-9.e+]+)$', re.MULTILINE)


def clock_workers(_: Ground, seed: int, short: bool) -> Outcome:  # noqa: FBT001  # the signature of every fault
    wanted = DUE_SHORT if short else DUE
    soon = Group("soon", wanted // 2, BEGIN + FAR / 2, 1)
    later = Group("later", wanted // 2, BEGIN + FAR * 3, 1)
    with bench_ground() as servers, servers.store("monitoring") as store:
        arm(servers, store, Random(seed), [soon, later], others=wanted, far=BEGIN + timedelta(days=1))
        with _Workers(servers, store, Random(seed)).running() as workers:
            _come(store, BEGIN)
            workers.strike_until(lambda: store.one(_PREPARED) >= soon.count // 2)
            for end in (soon.begin + timedelta(seconds=2), later.begin + timedelta(seconds=2)):
                _come(store, end)
                workers.strike_until(partial(_all_stated, store, end))
        assert len(workers.worked) > 1, "one worker did all of it"
        told = [store.one(query) for query in (_RAISED, "SELECT count(*) FROM own.alert", "SELECT count(*) FROM own.decision")]
        cases = store.one("SELECT count(DISTINCT case_id) FROM own.alert JOIN bench_case b ON b.id = case_id")
    return Outcome(
        fault="clock-workers", struck=workers.struck, acknowledged=wanted, duplicated=max(told) - cases, missing_alerts=wanted - cases
    )


def _all_stated(store: Store, end: datetime) -> bool:
    return not store.one(_LEFT, moment=end)


def _come(store: Store, moment: datetime) -> None:
    """It is that time, and everything before it is known."""
    step(store, moment)
    state(store, moment)


class _Workers:
    """Two processes, of which now this one is killed, now that one, and started again."""

    def __init__(self, servers: BenchGround, store: Store, dice: Random) -> None:
        self._servers, self._store, self._dice = servers, store, dice
        self._folder = str(policies(servers.home / "policies"))
        self._running: dict[str, tuple[Child, str, ExitStack]] = {}
        self.worked: set[str] = set()
        """Which has raised alerts."""
        self.struck = 0

    @contextmanager
    def running(self) -> Iterator["_Workers"]:
        try:
            for name in ("one", "two"):
                self._start(name)
            yield self
        finally:
            for _, _, stack in self._running.values():
                stack.close()

    def strike_until(self, is_over: Callable[[], bool]) -> None:
        """Kill at random until then, once at least, and less and less often: each may do something before."""
        deadline, pause, struck = monotonic() + PATIENCE, Signal(), self.struck
        again = monotonic() + self._dice.uniform(0, 0.5)
        while not (is_over() and self.struck > struck):
            if monotonic() >= again:
                self._strike()
                again = monotonic() + self._dice.uniform(0.2, 3) + self.struck / 20
            assert monotonic() < deadline, "it does not come to an end"
            pause.wait(0.05)
        self._look_who_worked()

    def _strike(self) -> None:
        self._look_who_worked()
        name = self._dice.choice(sorted(self._running))
        child, _, stack = self._running.pop(name)
        child.stop_asked = True
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait(20)
        assert child.code == -signal.SIGKILL, f"it ended by itself, with code {child.code}"
        stack.close()
        self.struck += 1
        self._start(name)

    def _look_who_worked(self) -> None:
        for name, (_, url, _) in self._running.items():
            said = httpx.get(f"{url}/metrics", timeout=20, trust_env=False).text
            if any(float(count) for count in _DECIDED.findall(said)):
                self.worked.add(name)

    def _start(self, name: str) -> None:
        stack = ExitStack()
        child, url = stack.enter_context(self._servers.process(self._store, *CLOCKS, CONTINUUM_POLICIES=self._folder))
        self._running[name] = child, url, stack
