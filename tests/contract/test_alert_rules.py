"""Rules and dashboards: they ask only for what the services tell, and whoever is woken finds what to do."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from casebus.metrics import DECLARED
from tests.prometheus import DEPLOY, PROMETHEUS, Rule, asked, dashboards, installed, panels, rules
from tools.metrics import OTHERS, page

RUNBOOK = DEPLOY.parent / "docs" / "runbook.md"
OF_THE_TARGET = {"service", "instance", "job", "le"}
ASKED = [(rule.name, rule.expr) for rule in rules()] + [(panel.where, expr) for panel in panels() for expr in panel.exprs]


def sections() -> dict[str, str]:
    """The runbook's sections by their anchors, as GitHub makes them of the headings."""
    parts = re.split(r"^#{2,4} (.+)$", RUNBOOK.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-"): body for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def told() -> dict[str, set[str]]:
    """Every series that a process tells, with the labels of its own."""
    found = {name: set[str]() for name in re.findall(r"`((?:process|python)_[a-z_]+)`", OTHERS)}
    for one in DECLARED:
        for ending in ("_bucket", "_sum", "_count") if one.kind == "histogram" else ("",):
            found[one.name + ending] = set(one.labels)
    return found


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_a_rule_s_section_of_the_runbook_names_it(rule: Rule) -> None:
    path, _, anchor = rule.runbook.partition("#")
    assert path == "docs/runbook.md"
    assert f"`{rule.name}`" in sections()[anchor]


def test_every_alert_that_the_runbook_names_is_a_rule_and_every_rule_is_tested() -> None:
    names = {rule.name for rule in rules()}
    mentioned = {name for line in re.findall(r"Alerts? ([^.:]+)", RUNBOOK.read_text()) for name in re.findall(r"`([A-Z]\w+)`", line)}
    assert mentioned == names
    assert set(re.findall(r'alertname="(\w+)"', (PROMETHEUS / "rules_test.yml").read_text())) == names
    assert {rule.severity for rule in rules()} == {"page", "ticket"}


@pytest.mark.parametrize(
    ("where", "expr"),
    [(r.name, r.expr) for r in rules()] + [(p.where, expr) for p in panels() for expr in p.exprs],
    ids=lambda part: part[:40],
)
def test_rules_and_panels_ask_only_for_what_is_told(where: str, expr: str) -> None:
    known = told()
    used = list(asked(expr))
    assert used or "up{" in expr, f"{where} asks for nothing of ours"
    for name, labels in used:
        assert name in known, f"{where}: no process tells {name}"
        assert labels <= known[name] | OF_THE_TARGET, f"{where}: {name} has no such label"
    for labels_text in re.findall(r"\b(?:by|on|unless on) \(([^)]*)\)", expr):
        labels = {label.strip() for label in labels_text.split(",")}
        assert labels <= set().union(*(known[name] for name, _ in used), OF_THE_TARGET), f"{where}: {labels}"


def test_the_names_are_those_of_the_documented_page() -> None:
    text = page()
    assert all(f"`{name}`" in text or f"`{re.sub('_(bucket|sum|count)$', '', name)}`" in text for name in told())


def test_promtool_accepts_configuration_and_rules_and_the_rules_fire_as_their_tests_say() -> None:
    promtool = installed("promtool")
    for what, file in (("check config", "prometheus.yml"), ("check rules", "rules.yml"), ("test rules", "rules_test.yml")):
        done = subprocess.run([promtool, *what.split(), file], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_s_parser_takes_every_panel_s_expression(tmp_path: Path) -> None:
    promtool, file = installed("promtool"), tmp_path / "panels.yml"
    recorded = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(e for p in panels() for e in p.exprs)]
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    done = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(recorded)} rules found" in done.stdout


@pytest.mark.parametrize("name", dashboards())
def test_a_dashboard_is_whole(name: str) -> None:
    board = dashboards()[name]
    assert board["uid"].startswith("continuum-")
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    places = {(p["gridPos"]["x"] + dx, p["gridPos"]["y"] + dy) for p in board["panels"] for dx, dy in _cells(p["gridPos"])}
    assert len(places) == sum(p["gridPos"]["w"] * p["gridPos"]["h"] for p in board["panels"]), "panels lie over each other"
    assert max(x for x, _ in places) < 24


def _cells(grid: dict[str, int]) -> list[tuple[int, int]]:
    return [(dx, dy) for dx in range(grid["w"]) for dy in range(grid["h"])]


def test_dashboards_are_provisioned_with_the_source_that_their_panels_name() -> None:
    folder = DEPLOY / "grafana" / "provisioning"
    [source] = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert {panel.source for panel in panels()} == {source["uid"]}
    [provider] = yaml.safe_load((folder / "dashboards" / "continuum.yaml").read_text())["providers"]
    assert provider["type"] == "file"


@pytest.mark.parametrize("files", [("collector.yaml",), ("collector.yaml", "backend.yaml")])
def test_the_collector_s_pipelines_name_only_what_it_has(files: tuple[str, ...]) -> None:
    """A second configuration is laid over the first, as the collector does it: lists are replaced."""
    parts = [yaml.safe_load((DEPLOY / "otel" / file).read_text()) for file in files]
    has = {kind: {name for part in parts for name in part.get(kind, {})} for kind in ("receivers", "processors", "exporters", "extensions")}
    pipeline: dict[str, list[str]] = {}
    for part in parts:
        pipeline |= part["service"]["pipelines"]["traces"]
    assert pipeline.keys() == {"receivers", "processors", "exporters"}
    assert all(set(names) <= has[kind] for kind, names in pipeline.items())
    assert set(parts[0]["service"]["extensions"]) <= has["extensions"]
