"""The whole platform as processes, on the run's broker and database server, with a system time that tests step."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from casebus.cluster import Cluster
from casebus.envelope import Role
from casebus.topic_admin import apply
from casebus.topics import read_topics
from continuum.local import ports, postgres
from continuum.replay import SystemClock
from continuum.stack import PLAIN, PORTS, SERVICES, Manner, Running, issuer, prepared_databases, services_on
from tests.otlp import Collector, collecting
from tests.receivers import MailBox, mail_server
from tests.waiting import until

BEGIN = datetime(2026, 3, 2, 8, tzinfo=UTC)
REGION = "north"
ELSEWHERE = Path(__file__).parent / "chiang-mai.yaml"
"""The policy of a region in another zone and calendar, beside ours."""


@dataclass(frozen=True)
class Person:
    """Somebody with a token, who sends commands and reads. Each command has a key of its own."""

    run: Running
    token: str

    def ask(self, service: str, path: str, **headers: str) -> httpx.Response:
        return self._client(service).get(f"/api{path}", headers=headers)

    def tell(
        self, service: str, path: str, body: Mapping[str, object], *, version: int | None = None, seen: str = "", key: str = "", **more: str
    ) -> httpx.Response:
        """The answer; a service that says that it isn't there yet is asked again, as any client would, with the same key."""
        headers = {"Idempotency-Key": key or str(uuid4())} | more
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        if seen:
            headers["Case-Seen"] = seen
        client = self._client(service)
        answers: list[httpx.Response] = []

        def answered() -> bool:
            answers.append(client.post(f"/api{path}", json=dict(body), headers=headers))
            return answers[-1].status_code != httpx.codes.SERVICE_UNAVAILABLE

        until(answered)
        return answers[-1]

    def _client(self, service: str) -> httpx.Client:
        client = httpx.Client(
            base_url=self.run.urls[service], headers={"Authorization": f"Bearer {self.token}"}, timeout=20, trust_env=False
        )
        self.run.services.hold(client)
        return client


@dataclass(frozen=True)
class Platform:
    """What a test needs of the running platform."""

    run: Running
    clock: SystemClock

    def person(self, agency: str, role: Role = Role.WORKER, *, region: str = REGION, reads_only: bool = False) -> Person:
        name = f"{agency}-{role.lower()}"
        return Person(self.run, issuer(self.run.home).token(actor=name, role=role, agency=agency, region=region, reads_only=reads_only))


@pytest.fixture(scope="package")
def collector() -> Iterator[Collector]:
    """Where the platform's spans go: every test here runs with traces."""
    with collecting() as made, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "500")
        yield made


@pytest.fixture(scope="package")
def box() -> Iterator[MailBox]:
    """What the platform's mail server has taken; webhooks may go to this machine."""
    with mail_server(found := MailBox()) as mail, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTINUUM_SMTP_HOST", mail.host)
        patch.setenv("CONTINUUM_SMTP_PORT", str(mail.port))
        patch.setenv("CONTINUUM_SMTP_FROM", mail.sender)
        patch.setenv("CONTINUUM_SMTP_SECURITY", mail.security)
        patch.setenv("CONTINUUM_TELL_PRIVATE", "yes")
        yield found


@pytest.fixture(scope="package")
def platform(
    empty_broker: str, database_server: str, collector: Collector, box: MailBox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """Four services, Faust and the console; on 2 March 2026, 08:00 UTC, until somebody steps the time."""
    for name in SERVICES:
        postgres.drop(database_server, name)
    databases = prepared_databases(database_server)
    apply(Cluster(empty_broker), read_topics())
    home: Path = tmp_path_factory.mktemp("platform")
    policies = home / "policies"
    shutil.copytree(PLAIN.policies, policies)
    shutil.copy(ELSEWHERE, policies)
    chosen = dict(zip(PORTS, ports.choose(*[0] * len(PORTS)), strict=True))
    with (
        services_on(home, empty_broker, databases, chosen, Manner(begin=BEGIN, watermark_seconds=0.25, policies=policies)) as run,
        SystemClock(run.databases.values()) as clock,
    ):
        until(lambda: httpx.get(run.urls["monitoring"] + "/readyz", trust_env=False).status_code == 200)
        yield Platform(run, clock)
