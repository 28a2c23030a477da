"""The metrics keep the rules of their names, and docs/metrics.md tells of them as the code has them."""

import re

import pytest

from casebus.metrics import DECLARED, Described
from tools.metrics import main, page

GROWING = {"agency", "actor", "case", "case_id", "id", "subject", "key", "path", "principal", "region"}
"""Labels whose values grow with the world."""


def test_the_page_is_up_to_date() -> None:
    assert main(["--check"]) == 0


def test_a_page_that_is_stale_fails_the_check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("tools.metrics.DECLARED", [*DECLARED, Described("continuum_new_total", "counter", "", "New.", "Nothing.")])
    assert "continuum_new_total" in page()
    assert main(["--check"]) == 1
    assert "make metrics" in capsys.readouterr().err


@pytest.mark.parametrize("one", DECLARED, ids=lambda one: one.name)
def test_a_metric_is_named_by_prometheus_s_conventions_and_says_what_to_do(one: Described) -> None:
    assert re.fullmatch("continuum_[a-z]+(_[a-z]+)*", one.name)
    assert one.name.endswith("_total") == (one.kind == "counter")
    assert one.kind != "histogram" or one.unit == "seconds"
    assert not GROWING & set(one.labels)
    assert one.meaning.endswith(".")
    assert one.act.endswith(".")
