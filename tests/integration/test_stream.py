"""The Faust worker against a real broker: it counts, survives a kill, and recomputes."""

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from confluent_kafka import Producer

from casebus.cluster import Cluster
from casebus.codec import Codec
from casebus.contracts import intake, referral
from casebus.contracts.intake import AgencyKind, CaseSource
from casebus.envelope import Envelope, Origin, Role, to_headers
from casebus.event import Event
from casebus.schemas import LockedIds
from casebus.topic_admin import apply
from casebus.topics import read_topics
from continuum.local import ports
from continuum.local.process import Child, Program, Supervisor
from tests.waiting import until

CLONE = Path(__file__).parents[2]
NOW = datetime(2026, 3, 4, 10, 30, tzinfo=UTC)  # a Wednesday
COMMAND = (sys.executable, "-W", "error", "-m", "services.monitoring.stream")
Pair = tuple[str, str]
codec = Codec(LockedIds())


class Flow:
    """Cases of agencies that no other test knows."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "linger.ms": 5})
        self.mark = uuid4().hex[:8]

    def agency(self, name: str) -> str:
        return f"{name}-{self.mark}"

    def received(self, case: UUID, agency: str, *, seq: int = 1, at: datetime = NOW) -> None:
        source, kind = CaseSource.AGENCY, AgencyKind.HOSPITAL
        self._send(intake.CaseReceived(case_id=case, agency=self.agency(agency), region="north", source=source, agency_kind=kind), seq, at)

    def accepted(self, case: UUID, agency: str, *, seq: int, at: datetime = NOW) -> None:
        self._send(referral.ReferralAccepted(case_id=case, referral_id=uuid4(), agency=self.agency(agency)), seq, at)

    def rubbish(self) -> None:
        for topic in ("intake.case.v1", "planning.case.v1", "referral.case.v1", "monitoring.case.v1"):
            self._producer.produce(topic, b"\x00no event", uuid4().bytes)
            self._producer.produce(topic, None, None)
        self._producer.flush(10)

    def flush(self) -> None:
        assert self._producer.flush(30) == 0

    def _send(self, event: Event, seq: int, at: datetime) -> None:
        owner = event.TYPE.partition(".")[0]
        envelope = Envelope(
            event_id=uuid4(), type=event.TYPE, version=event.VERSION, owner=owner, topic=event.TOPIC, subject=event.subject,
            case_seq=seq, generation=0, occurred_at=at, recorded_at=at, agency=self.agency("county"), actor="actor-1",
            actor_role=Role.WORKER, actor_agency=self.agency("county"), lead_epoch=1, correlation_id=uuid4(), origin=Origin.LIVE,
        )  # fmt: skip
        self._producer.produce(event.TOPIC, codec.encode(event), str(event.subject).encode(), headers=to_headers(envelope))
        self._producer.poll(0)


class Workers:
    """Starts the worker, and asks it."""

    def __init__(self, supervisor: Supervisor, bootstrap: str, log: Path) -> None:
        self.supervisor = supervisor
        self._log, self._port = log, ports.choose(0)[0]
        self.environment = {"KAFKA_BOOTSTRAP": bootstrap, "CONTINUUM_PORT": str(self._port)}

    def start(self) -> Child:
        return self._run("worker")

    def rebuild(self) -> None:
        child = self._run("rebuild")
        assert child.wait(40)
        assert child.code == 0, child.log_tail()

    def trend(self) -> dict[str, object]:
        try:
            answer = httpx.get(f"http://127.0.0.1:{self._port}/flow/trend/", timeout=5)
        except httpx.TransportError:
            return {}
        return dict(answer.json()) if answer.is_success else {}

    def weeks(self, flow: Flow) -> dict[Pair, int]:
        """The test's own hand-offs by pair, without its mark."""
        windows = self.trend().get("windows")
        rows = windows["week"] if isinstance(windows, dict) else []
        pairs = {(row["from"], row["to"]): row["count"] for row in rows}
        return {(a.removesuffix(f"-{flow.mark}"), b.removesuffix(f"-{flow.mark}")): n for (a, b), n in pairs.items() if flow.mark in a}

    def _run(self, command: str) -> Child:
        return self.supervisor.start(
            Program(name="stream", command=(*COMMAND, command), log=self._log, environment=self.environment, folder=CLONE)
        )


@pytest.fixture(scope="module")
def topics(broker: str) -> str:
    apply(Cluster(broker), read_topics())
    return broker


@pytest.fixture
def flow(topics: str) -> Flow:
    return Flow(topics)


@pytest.fixture
def workers(topics: str, tmp_path: Path) -> Iterator[Workers]:
    with Supervisor() as supervisor:
        yield Workers(supervisor, topics, tmp_path / "stream.log")


def wait_for(child: Child, condition: Callable[[], bool], what: Callable[[], object], seconds: float = 40.0) -> None:
    try:
        until(lambda: condition() or child.code is not None, seconds)
    except AssertionError as late:
        raise AssertionError(f"{what()}\n{child.log_tail(40)}") from late
    assert child.code is None, child.log_tail(40)


def shows(workers: Workers, flow: Flow, child: Child, pairs: dict[Pair, int]) -> None:
    wait_for(child, lambda: workers.weeks(flow) == pairs, lambda: workers.weeks(flow))


def test_counts_survive_a_kill_and_a_rebuild_makes_them_exact(workers: Workers, flow: Flow) -> None:
    """Faust may pass over a record that comes while its partitions change hands: the trend is an estimate until it is made again."""
    cases = [uuid4() for _ in range(20)]
    for case in cases:
        flow.received(case, "county")
        flow.accepted(case, "shelter", seq=1, at=NOW + timedelta(minutes=1))
    flow.flush()
    child = workers.start()
    shows(workers, flow, child, {("county", "shelter"): 20})

    for case in cases:
        flow.accepted(case, "clinic", seq=2, at=NOW + timedelta(minutes=2))
    flow.flush()
    shows(workers, flow, child, {("county", "shelter"): 20, ("shelter", "clinic"): 20})
    child.kill()
    for case in cases[:5]:
        flow.accepted(case, "clinic", seq=2, at=NOW + timedelta(minutes=2))  # comes again
        flow.accepted(case, "county", seq=3, at=NOW + timedelta(minutes=3))
    flow.flush()
    child = workers.start()
    everything = {("county", "shelter"): 20, ("shelter", "clinic"): 20, ("clinic", "county"): 5}
    late = ("clinic", "county")
    wait_for(child, lambda: late in (weeks := workers.weeks(flow)) and weeks | {late: 5} == everything, lambda: workers.weeks(flow))

    workers.supervisor.stop(child)
    assert child.code == 0, child.log_tail(40)
    workers.rebuild()
    shows(workers, flow, workers.start(), everything)


def test_rubbish_on_every_topic_is_counted_and_stops_nothing(workers: Workers, flow: Flow) -> None:
    child = workers.start()
    wait_for(child, lambda: "errors" in workers.trend(), workers.trend)
    before = int(str(workers.trend()["errors"]))
    flow.rubbish()
    case = uuid4()
    flow.received(case, "county")
    flow.accepted(case, "shelter", seq=1, at=NOW + timedelta(minutes=1))
    flow.flush()
    shows(workers, flow, child, {("county", "shelter"): 1})
    flow.rubbish()  # of what came while the partitions were handed out, Faust may have passed over some
    wait_for(child, lambda: int(str(workers.trend()["errors"])) >= before + 8, workers.trend)
    assert child.code is None
