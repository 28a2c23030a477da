"""Intake as a process: it ends when it is told to, loses nothing, and runs in parts."""

import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from casebus.cluster import Cluster
from casebus.envelope import Role
from casebus.identity import DevelopmentIssuer, new_key_pair
from casebus.migrate import migrate
from casebus.topic_admin import apply
from casebus.topics import read_topics
from continuum.local import ports, postgres
from continuum.local.process import Child, Program, Supervisor
from tests.integration.bus.office import CASE, CLONE, LEAD
from tests.integration.bus.sample import new_owner
from tests.otlp import collecting
from tests.waiting import until


@dataclass(frozen=True)
class Place:
    """What processes of intake share."""

    supervisor: Supervisor
    home: Path
    bootstrap: str
    url: str
    engine: Engine
    token: str

    def start(self, *, only: str | None = None, **more: str) -> "Process":
        [port] = ports.choose(0)
        environment = {
            "KAFKA_BOOTSTRAP": self.bootstrap,
            "DATABASE_URL": self.url,
            "CONTINUUM_PORT": str(port),
            "CONTINUUM_JWT_PUBLIC_KEY": str(self.home / "key.pem"),
            "CONTINUUM_WATERMARK_SECONDS": "0.25",
            **more,
        }
        command = (sys.executable, "-m", "services.intake.main", *(("--only", only) if only else ()))
        log = self.home / f"intake-{port}.log"
        child = self.supervisor.start(Program(name="intake", command=command, log=log, environment=environment, folder=CLONE))
        process = Process(child, f"http://127.0.0.1:{port}", self.token)
        self.supervisor.await_ready(child, process.answers, seconds=40)
        return process

    def value(self, query: str, **values: object) -> object:
        with self.engine.connect() as connection:
            return connection.execute(text(query), values).scalar()


@dataclass(frozen=True)
class Process:
    child: Child
    url: str
    token: str

    def answers(self) -> bool:
        try:
            return self.get("/livez").status_code == 200
        except httpx.HTTPError:
            return False

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=10, trust_env=False)

    def receive(self, **headers: str) -> httpx.Response:
        said = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": str(uuid4())} | headers
        return httpx.post(f"{self.url}/api/cases", json=CASE, headers=said, timeout=10, trust_env=False)


@pytest.fixture
def place(broker: str, database_server: str, tmp_path: Path) -> Iterator[Place]:
    name = f"bus_{new_owner()}"
    url = postgres.provision(database_server, "bus_tests", database=name)
    owner_url = make_url(database_server).set(drivername="postgresql+psycopg", database=name).render_as_string(hide_password=False)
    migrate(owner_url, CLONE / "services" / "intake" / "migrations" / "versions", "bus_tests")
    apply(Cluster(broker), read_topics())
    private, public = new_key_pair()
    (tmp_path / "key.pem").write_bytes(public)
    token = DevelopmentIssuer(private, production=False).token(actor="worker-1", role=Role.WORKER, agency=LEAD, region="north")
    engine = create_engine(owner_url)
    with Supervisor() as supervisor:
        yield Place(supervisor, tmp_path, broker, url, engine, token)
    engine.dispose()
    postgres.drop(database_server, name)


def test_a_service_that_is_told_to_end_does_so_soon_and_loses_nothing_it_has_answered(place: Place) -> None:
    process = place.start()
    case = process.receive().json()["id"]
    accepted: list[str] = []
    waiting: list[int] = []

    def ask() -> None:
        while True:
            try:
                response = process.receive()
            except httpx.HTTPError:
                return
            if response.status_code == 201:
                accepted.append(response.json()["id"])

    def wait_long() -> None:
        """In flight for two seconds: what it waits for never comes."""
        headers = {"Authorization": f"Bearer {place.token}", "Idempotency-Key": "k", "If-Match": '"1"', "Case-Seen": "referral=1"}
        url = f"{process.url}/api/cases/{case}/opening"
        waiting.append(httpx.post(url, json={}, headers=headers, timeout=10, trust_env=False).status_code)

    threads = [threading.Thread(target=one) for one in (ask, ask, ask, wait_long)]
    for thread in threads:
        thread.start()
    until(lambda: len(accepted) > 20)
    asked = time.monotonic()
    process.child.ask_to_stop()
    assert process.child.wait(10)
    assert time.monotonic() - asked < 5, "5 s are promised (docs/runbook.md)"
    assert process.child.code == 0
    for thread in threads:
        thread.join()
    assert waiting == [503], "what was in flight was answered"
    assert place.value("SELECT count(*) FROM own.case WHERE id = ANY(CAST(:ids AS uuid[]))", ids=accepted) == len(accepted)
    assert place.value("SELECT count(*) FROM own.outbox") == place.value("SELECT count(*) FROM own.case")


def test_a_service_runs_in_parts_and_each_tells_its_health(place: Place) -> None:
    api = place.start(only="api")
    assert api.receive().status_code == 201
    assert place.value("SELECT count(*) FROM own.unsent") == 1
    assert place.value("SELECT count(*) FROM own.position") == 0
    relay = place.start(only="relay")
    until(lambda: place.value("SELECT count(*) FROM own.unsent") == 0)
    assert relay.receive().status_code == 404
    assert "continuum_published_total" in relay.get("/metrics").text
    for process in (api, relay):
        assert process.get("/readyz").status_code == 200
    place.supervisor.stop(api.child, relay.child, within=6)
    assert [process.child.code for process in (api, relay)] == [0, 0]


def test_the_last_spans_are_sent_before_the_process_ends(place: Place) -> None:
    with collecting() as collector:
        process = place.start(only="api", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="60000")
        assert process.receive().status_code == 201
        assert collector.all() == [], "nothing is sent for a minute"
        place.supervisor.stop(process.child, within=10)
        assert process.child.code == 0
        assert len(collector.named("POST /api/cases")) == 1


def test_a_collector_that_never_answers_holds_up_no_command_and_no_end(place: Place) -> None:
    with collecting() as collector:
        collector.answers.clear()
        process = place.start(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="10")
        assert [process.receive().status_code for _ in range(50)] == [201] * 50
        until(lambda: place.value("SELECT count(*) FROM own.unsent") == 0)
        place.supervisor.stop(process.child, within=10)
        assert process.child.code == 0
