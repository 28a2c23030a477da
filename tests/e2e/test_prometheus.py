"""Prometheus scrapes the running platform by our configuration, and the dashboards have something to show."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from continuum.local import ports
from continuum.local.process import Program, Supervisor
from continuum.stack import SERVICES
from tests.e2e.conftest import Platform
from tests.e2e.test_a_case_flows import alerts, opened_case
from tests.prometheus import PROMETHEUS, installed, panels, rules
from tests.waiting import until

INTERVAL = "10s"
"""Over which the panels' rates go here: some scrapes."""


class Prometheus:
    """The server's API."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=20, trust_env=False)

    def ready(self) -> bool:
        try:
            return self.client.get("/-/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def query(self, expr: str) -> list[Any]:
        answer = self.client.get("/api/v1/query", params={"query": expr})
        assert answer.status_code == 200, f"{expr}: {answer.text}"
        found: list[Any] = answer.json()["data"]["result"]
        return found

    def rules(self) -> list[Any]:
        return [rule for group in self.client.get("/api/v1/rules").json()["data"]["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def prometheus(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Debian's Prometheus on our rules, with the targets of this run and a shorter interval; its data is the test's."""
    program, home = installed("prometheus"), tmp_path_factory.mktemp("prometheus")
    folder, [port] = home / "config", ports.choose(0)
    shutil.copytree(PROMETHEUS, folder)
    place(folder, platform)
    command = (program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={home / 'data'}")
    listening = (f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn")
    with Supervisor() as supervisor:
        child = supervisor.start(Program(name="prometheus", command=(*command, *listening), log=home / "prometheus.log"))
        made = Prometheus(f"http://127.0.0.1:{port}")
        with made.client:
            supervisor.await_ready(child, made.ready, seconds=60)
            yield made


def place(folder: Path, platform: Platform) -> None:
    """The same configuration, at the addresses of this run."""

    def target(name: str) -> dict[str, Any]:
        return {"targets": [platform.run.urls[name].removeprefix("http://")], "labels": {"service": name}}

    (folder / "targets" / "services.yml").write_text(yaml.safe_dump([target(name) for name in SERVICES]))
    (folder / "targets" / "stream.yml").write_text(yaml.safe_dump([target("stream")]))
    config = yaml.safe_load((folder / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))


def test_every_process_is_scraped_and_every_panel_shows_something(platform: Platform, prometheus: Prometheus) -> None:
    nurse = platform.person("scraped-hospital")
    until(lambda: len(prometheus.query('up{job=~"continuum.*"} == 1')) == len(SERVICES) + 1)
    case, seen = opened_case(nurse, priority="CRITICAL")
    until(lambda: nurse.ask("monitoring", f"/cases/{case}/timeline", **{"Case-Seen": seen}).status_code == 200)
    platform.clock.step(platform.clock.now() + timedelta(days=3))
    until(lambda: alerts(nurse, case, "MISSED_FOLLOW_UP"))
    silent = {f"{panel.where} {expr}" for panel in panels(INTERVAL) for expr in panel.exprs}

    def all_show() -> bool:
        for panel in panels(INTERVAL):
            silent.difference_update(f"{panel.where} {expr}" for expr in panel.exprs if prometheus.query(expr))
        return not silent

    try:
        until(all_show, seconds=60)
    except AssertionError:
        pytest.fail(f"show nothing: {sorted(silent)}")


def test_the_numbers_agree_with_what_happened(platform: Platform, prometheus: Prometheus) -> None:
    def received() -> float:
        found = prometheus.query('sum(continuum_commands_total{service="intake", command="receive-case", status="201"})')
        return float(found[0]["value"][1]) if found else 0.0

    until(lambda: prometheus.query('up{service="intake"} == 1'))
    nurse = platform.person("counted-hospital")
    nurse.tell("intake", "/cases", {"region": "north", "source": "CLIENT", "agency_kind": "HOSPITAL"})
    before = until(received)
    for _ in range(5):
        nurse.tell("intake", "/cases", {"region": "north", "source": "CLIENT", "agency_kind": "HOSPITAL"})
    until(lambda: received() >= before + 4)
    until(lambda: prometheus.query("sum(max by (track, topic, partition) (continuum_lag_records)) == 0"))
    until(lambda: prometheus.query("sum(max by (owner) (continuum_outbox_unpublished_records)) == 0"))
    for state in ("continuum_broker_up", "continuum_database_up"):  # a look that the machine was too busy for is followed by others
        until(partial(_is_up_everywhere, prometheus, state))


def _is_up_everywhere(prometheus: Prometheus, state: str) -> bool:
    told = {one["metric"]["service"]: one["value"][1] for one in prometheus.query(f"max by (service) ({state})")}
    return told == dict.fromkeys(SERVICES, "1")


def test_every_rule_is_evaluated_without_an_error(prometheus: Prometheus) -> None:
    until(lambda: all(rule["health"] == "ok" for rule in prometheus.rules()))
    assert {rule["name"] for rule in prometheus.rules()} == {rule.name for rule in rules()}
