"""Prometheus and its promtool as Debian packages them, and what our rules and dashboards ask."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[1] / "deploy"
PROMETHEUS, DASHBOARDS = DEPLOY / "prometheus", DEPLOY / "grafana" / "dashboards"
INSTALL = "this needs Prometheus and promtool: install Debian's package prometheus (apt-get install prometheus)"
ASKED = re.compile(r"\b((?:continuum|process|python)_[a-z_]+)(?:\{([^}]*)\})?")


def installed(program: str) -> str:
    """Its path; without it the test is skipped, and fails where CI runs."""
    found = shutil.which(program)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(INSTALL)
    return found


@dataclass(frozen=True)
class Rule:
    """One alert rule of rules.yml."""

    name: str
    expr: str
    severity: str
    runbook: str


def rules() -> list[Rule]:
    groups = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"]
    found = [rule for group in groups for rule in group["rules"]]
    return [Rule(one["alert"], one["expr"], one["labels"]["severity"], one["annotations"]["runbook"]) for one in found]


@dataclass(frozen=True)
class Panel:
    """What one panel of a dashboard asks, without Grafana's variables."""

    where: str
    exprs: tuple[str, ...]
    source: str


def dashboards() -> dict[str, dict[str, Any]]:
    return {path.name: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}


def panels(interval: str = "1m") -> Iterator[Panel]:
    for name, board in dashboards().items():
        for panel in board["panels"]:
            if panel["type"] != "row":
                exprs = tuple(one["expr"].replace("$service", ".*").replace("$__rate_interval", interval) for one in panel["targets"])
                yield Panel(f"{name}: {panel['title']}", exprs, panel["datasource"]["uid"])


def asked(expr: str) -> Iterator[tuple[str, set[str]]]:
    """The metrics that an expression names, each with the labels that its selector names."""
    for name, selector in ASKED.findall(expr):
        yield name, set(re.findall(r"(\w+)\s*[=!]", selector))
