"""An event's whole way, from a POST to who reads it, where every connection is encrypted and everybody signs in as himself."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
from sqlalchemy import make_url

from casebus.envelope import Role
from casebus.identity import DevelopmentIssuer, new_key_pair
from casebus.migrate import migrate
from continuum.databases import provision
from continuum.local import ports
from continuum.local.process import Program, Supervisor
from continuum.stack import CLONE
from tests.integration.security.broker import Guarded, environment, password_of
from tests.waiting import until

PARTS = {
    "intake": ("services.intake.main",),
    "planning": ("services.planning.main",),
    "monitoring": ("services.monitoring.main",),
    "stream": ("services.monitoring.stream", "worker"),
}
READERS = ("planning", "monitoring")


def database_url(admin: str, name: str, user: str, password: str) -> str:
    url = make_url(admin).set(username=user, password=password, database=name)
    return url.render_as_string(hide_password=False)


@dataclass(frozen=True)
class Deployed:
    """The processes' addresses and logs, and the owners' URLs of the databases."""

    urls: dict[str, str]
    logs: dict[str, Path]
    owners: dict[str, str]
    token: str

    def value(self, service: str, query: str) -> object:
        with psycopg.connect(self.owners[service].replace("+psycopg", "")) as connection:
            row = connection.execute(query.encode()).fetchone()
            return row[0] if row else None


@pytest.fixture
def deployed(secured: Guarded, tls_database: str, tmp_path: Path) -> Iterator[Deployed]:
    private, public = new_key_pair()
    (tmp_path / "key.pem").write_bytes(public)
    owners, urls, logs = {}, {}, {}
    with Supervisor() as supervisor:
        for (part, command), port in zip(PARTS.items(), ports.choose(*[0] * len(PARTS)), strict=True):
            service = "monitoring" if part == "stream" else part
            settings = environment(secured.user(service), tmp_path)
            if part == service:
                provision(tls_database, service, owner_password=f"owner-of-{service}", password=password_of(f"{service}-role"))
                owners[service] = database_url(tls_database, service, f"{service}_owner", f"owner-of-{service}")
                migrate(owners[service], CLONE / "services" / service / "migrations" / "versions", service)
                settings["DATABASE_URL"] = database_url(tls_database, service, service, password_of(f"{service}-role"))
            settings |= {
                "CONTINUUM_PORT": str(port),
                "CONTINUUM_JWT_PUBLIC_KEY": str(tmp_path / "key.pem"),
                "CONTINUUM_WATERMARK_SECONDS": "0.25",
                "CONTINUUM_POLICIES": str(CLONE / "deploy" / "policies"),
            }
            urls[part], logs[part] = f"http://127.0.0.1:{port}", tmp_path / f"{part}.log"
            supervisor.start(
                Program(name=part, command=(sys.executable, "-m", *command), log=logs[part], environment=settings, folder=CLONE)
            )
        token = DevelopmentIssuer(private, production=False).token(actor="w", role=Role.WORKER, agency="city-hospital", region="north")
        yield Deployed(urls, logs, owners, token)
    for part, written in logs.items():
        print(part, written.read_text(), sep="\n")  # pytest shows it where the test failed


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=10, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def trend(url: str) -> object:
    """The moment of the newest event that the stream has seen; None before."""
    try:
        answer = httpx.get(f"{url}/flow/trend/", timeout=10, trust_env=False)
    except httpx.HTTPError:
        return None
    return answer.json()["at"] if answer.is_success else None


def test_a_case_that_is_told_to_one_service_is_heard_by_all_who_may(deployed: Deployed) -> None:
    until(lambda: all(ready(deployed.urls[service]) for service in ("intake", *READERS)), 120)
    headers = {"Authorization": f"Bearer {deployed.token}", "Idempotency-Key": "one"}
    body = {"region": "north", "source": "CLIENT"}
    answer = httpx.post(f"{deployed.urls['intake']}/api/cases", json=body, headers=headers, timeout=20, trust_env=False)
    case = answer.json()["id"]

    for reader in READERS:
        query = f"SELECT count(*) FROM copy.inbox WHERE topic = 'intake.case.v1' AND subject = '{case}'"
        until(lambda: deployed.value(reader, query) == 1, 60)  # noqa: B023  # waited for here
    until(lambda: deployed.value("monitoring", "SELECT count(DISTINCT owner) FROM copy.statement") == len(READERS) + 1, 60)
    until(lambda: trend(deployed.urls["stream"]), 120)
    written = "".join(log.read_text() for log in deployed.logs.values())
    assert "AUTHORIZATION" not in written.upper()
    assert "secret-of" not in written
