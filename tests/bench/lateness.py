"""How late an alert is in Kafka: ten million clocks armed, the services as processes, a second clock worker, commands that flow."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random

from sqlalchemy import text

from casebus.contracts.monitoring import AlertRaised
from casebus.timebase import system_time
from casebus.watermark import reached
from continuum.local.process import Child
from services.monitoring.ahead import FAR
from tests.bench import load
from tests.bench.arming import Group, arm, policies, step
from tests.bench.arrivals import Arrival, arrivals, keep_arrivals
from tests.bench.commands import RECEIVE, token
from tests.bench.figure import Figure, share
from tests.bench.ground import Ground, Store
from tests.bench.least import least
from tests.waiting import until

OTHERS = ("intake", "planning", "referral")
WHOLE = ("services.monitoring.main",)
WORKER = (*WHOLE, "--only", "clocks")
CONNECTIONS, COMMANDS_A_SECOND, CLOCKS_A_SECOND = 16, 100, 100
BEGIN = datetime(2026, 6, 1, 12, tzinfo=UTC)
PATIENCE = 900
BOUNDS = (("< 250 ms", 0.25), ("< 1 s", 1.0), ("1-10 s", 10.0), ("more", float("inf")))
_WAITING = """
    SELECT count(*) FROM (SELECT FROM copy.watch WHERE part = ANY(:parts) AND ahead IN (true, false) AND look_at < :end LIMIT 1) due"""
_UNPREPARED = """
    SELECT count(*) FROM (SELECT FROM copy.watch WHERE part = ANY(:parts) AND NOT ahead AND look_at BETWEEN :begin AND :end LIMIT 1) due"""
_UNSENT = "SELECT count(*) FROM (SELECT FROM own.unsent LIMIT 1) unsent"
_READ_BACK = """
    SELECT count(*) FROM bench_case c JOIN copy.fact f ON f.case_id = c.id WHERE c.part_of = :name AND f.owner = 'monitoring'"""
_DUE = text("SELECT CAST(c.id AS text), c.deadline - t.base + t.since FROM bench_case c, own.timebase t WHERE c.part_of = :name")
"""When each comes due, as the machine's clock tells it: the broker knows no other."""
_REAL = text("SELECT CAST(:moment AS timestamptz) - base + since FROM own.timebase")
TOPIC = "monitoring.case.v1"


@dataclass(frozen=True, slots=True)
class Size:
    """How many are armed, come due at once, and for how many seconds a hundred come due in each."""

    armed: int
    burst: int
    seconds: int


def late(ground: Ground, seed: int, *, quick: bool) -> Iterator[Figure]:
    """From the due time to Kafka's log: in calm weather, with 100,000 due in one second, and when the workers are killed meanwhile."""
    size = Size(1_000_000, 10_000, 8) if quick else Size(10_000_000, 100_000, 30)
    groups = {
        "calm": Group("calm", size.seconds * CLOCKS_A_SECOND, BEGIN + timedelta(hours=1), size.seconds),
        "burst": Group("burst", size.burst, BEGIN + timedelta(hours=2), 1),
        "restart": Group("restart", 30 * CLOCKS_A_SECOND, BEGIN + timedelta(hours=3), 30),
    }
    ground.afresh()
    with ExitStack() as stack:
        stores = {name: stack.enter_context(ground.store(name)) for name in (*OTHERS, "monitoring")}
        monitoring = stores["monitoring"]
        in_groups = sum(group.count for group in groups.values())
        arm(ground, monitoring, Random(seed), list(groups.values()), others=size.armed - in_groups, far=BEGIN + timedelta(days=1))
        monitoring.do("TRUNCATE copy.position, copy.inbox, copy.statement")  # the template's places: the logs are empty
        stage = _Stage(ground, stores, stack)
        stage.begin()
        yield from stage.calm(groups["calm"], size)
        burst = stage.burst(groups["burst"], size)
        stage.rest(groups["burst"])
        yield replace(burst, bound=least(ground, monitoring, "burst"))
        yield stage.restart(groups["restart"])


class _Stage:
    """The platform on these stores; the stack ends what is started."""

    def __init__(self, ground: Ground, stores: Mapping[str, Store], stack: ExitStack) -> None:
        self._ground, self._stores, self._stack = ground, stores, stack
        self._store = stores["monitoring"]
        self._numbers = count()
        self._calm_p99 = 0.0
        self._url = ""

    def begin(self) -> None:
        keep_arrivals(self._ground.cluster, TOPIC)
        self._step(BEGIN)
        for name in OTHERS:
            _, url = self._stack.enter_context(self._ground.process(self._stores[name]))
            self._url = self._url or url  # intake's
        self._start()
        until(lambda: self._known() > BEGIN, 60)
        self._load(2)  # all of it is connected and compiled

    def calm(self, group: Group, size: Size) -> Iterator[Figure]:
        done = self._while_due(group, group.seconds + 2)
        self._calm_p99 = share(done.latencies, 0.99)
        found = self._lateness(group)
        note = (
            f"{histogram(found)}; {CLOCKS_A_SECOND} due and {done.rate:.0f} commands a second; owners state how far they are"
            " as often as usual; two workers"
        )
        yield _late(f"clocks, lateness, {size.armed:,} armed", found, "p99 ≤ 1 s, the aim 300 ms", note)

    def burst(self, group: Group, size: Size) -> Figure:
        done = self._while_due(group, max(5, size.burst // 8_000))
        found = self._lateness(group)
        note = (
            f"{histogram(found)}; commands meanwhile: p99 {share(done.latencies, 0.99) * 1e3:.0f} ms, in calm weather"
            f" {self._calm_p99 * 1e3:.0f} ms; two workers"
        )
        return Figure(
            name=f"clocks, {size.burst:,} due in one second",
            value=found[-1],
            unit="s",
            p50=share(found, 0.5) * 1e3,
            p99=share(found, 0.99) * 1e3,
            goal="≤ 10 s",
            less_is_better=True,
            note=note,
        )

    def rest(self, group: Group) -> None:
        """Until monitoring has read the group's alerts back, and has looked at each of its cases: nothing of the burst goes on."""
        until(lambda: self._store.one(_READ_BACK, name=group.name) >= group.count, PATIENCE, 1)
        with self._store.admin.begin() as connection:
            now = system_time(connection)
        until(lambda: not self._store.one(_WAITING, parts=list(range(6)), end=now), PATIENCE, 0.5)

    def restart(self, group: Group) -> Figure:
        """Kill what decides in the middle of it; the figure is from the new start until an alert that was decided after it is in Kafka."""
        self._approach(group)
        until(lambda: self._known() > group.begin + timedelta(seconds=3), 60)
        for child in self._children:
            child.kill()
        with self._store.admin.begin() as connection:
            killed = system_time(connection)
        self._start()
        self._await(group)
        found = self._lateness(group)
        with self._store.admin.begin() as connection:
            at: datetime = connection.execute(_REAL, {"moment": killed}).scalar_one()
        again = (min(one.at for one in self._arrived(group) if one.recorded > killed) - at).total_seconds()
        note = f"monitoring and its second worker killed -9 with clocks coming due; {histogram(found)}"
        return Figure(name="clocks, restart", value=again, unit="s", goal="≤ 5 s", less_is_better=True, note=note)

    def _start(self) -> None:
        """Monitoring, and a second clock worker beside it."""
        folder = str(policies(self._ground.home / "policies"))
        processes = [self._ground.process(self._store, *module, CONTINUUM_POLICIES=folder) for module in (WHOLE, WORKER)]
        self._children: list[Child] = [self._stack.enter_context(process)[0] for process in processes]

    def _while_due(self, group: Group, seconds: float) -> load.Load:
        """Let the group's time come while commands flow for so long, and wait for the group's last alert."""
        self._approach(group)
        with ThreadPoolExecutor(1) as pool:
            loading = pool.submit(self._load, seconds)
            self._await(group)
            return loading.result()

    def _approach(self, group: Group) -> None:
        """The minutes before are passed as they would be: the workers look ahead."""
        self._step(group.begin - FAR + timedelta(seconds=group.seconds))
        about = {"parts": list(range(6)), "begin": group.begin, "end": group.begin + timedelta(seconds=group.seconds)}
        until(lambda: not self._store.one(_UNPREPARED, **about), FAR.total_seconds())
        self._step(group.begin - timedelta(seconds=1))

    def _load(self, seconds: float) -> load.Load:
        who = token(self._ground)
        talks = [_cases(who, self._numbers) for _ in range(CONNECTIONS)]
        done = load.run(self._url, talks, seconds, rate=COMMANDS_A_SECOND)
        done.must_be_done()
        return done

    def _await(self, group: Group) -> None:
        end = group.begin + timedelta(seconds=group.seconds)
        until(lambda: not self._store.one(_WAITING, parts=list(range(6)), end=end) and not self._store.one(_UNSENT), PATIENCE, 0.5)

    def _lateness(self, group: Group) -> list[float]:
        due = self._due(group)
        arrived = self._arrived(group)
        assert len(arrived) == len(due) == group.count, f"{len(arrived)} alerts of {group.count}"
        found = sorted((one.at - due[one.case]).total_seconds() for one in arrived)
        assert found[0] >= 0, "a clock was decided before its time"
        return found

    def _due(self, group: Group) -> dict[str, datetime]:
        with self._store.admin.begin() as connection:
            return dict(iter(connection.execute(_DUE, {"name": group.name})))  # as pairs

    def _arrived(self, group: Group) -> list[Arrival]:
        due = self._due(group)
        return [one for one in arrivals(self._ground.cluster, TOPIC, AlertRaised.TYPE) if one.case in due]

    def _step(self, moment: datetime) -> None:
        for store in self._stores.values():
            step(store, moment)

    def _known(self) -> datetime:
        with self._store.engine.begin() as connection:
            return reached(connection).least or datetime.min.replace(tzinfo=UTC)


def histogram(sorted_seconds: list[float]) -> str:
    """How many are how late."""
    said, below = [], 0
    for name, bound in BOUNDS:
        among = sum(each < bound for each in sorted_seconds)
        said.append(f"{name}: {among - below:,}")
        below = among
    return ", ".join(said)


def _late(name: str, found: list[float], goal: str, note: str) -> Figure:
    p50, p99 = share(found, 0.5) * 1e3, share(found, 0.99) * 1e3
    return Figure(name=name, value=p99, unit="ms", p50=p50, p99=p99, goal=goal, less_is_better=True, note=note)


def _cases(who: str, numbers: "count[int]") -> load.Talk:
    for number in numbers:
        yield load.post("/api/cases", who, RECEIVE, {"Idempotency-Key": f"late-{number}"})
