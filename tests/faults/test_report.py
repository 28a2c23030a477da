"""The page tells of every fault, and keeps the figures of what was not run again."""

from pathlib import Path

import pytest

from tests.faults import report
from tests.faults.outcome import Outcome
from tests.faults.registry import FAULTS

FIRST = FAULTS[0]


def test_every_fault_has_its_row_on_the_page_and_its_file() -> None:
    page = report.PAGE.read_text()
    for fault in FAULTS:
        assert f"| {fault.promise} | [{fault.name}](../{fault.file}) |" in page, f"run `make faults FAULT={fault.name}`"
        assert (report.CLONE / fault.file).is_file()


def test_figures_are_refreshed_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n{report.BEGIN}\n{report.END}\nAfter\n")
    monkeypatch.setattr(report, "PAGE", page)
    report.write_page({}, 1, short=False)
    assert report.NOT_YET in page.read_text()
    before = page.read_text()
    report.write_page({}, 1, short=False)
    assert page.read_text() == before
    report.write_page({FIRST.name: Outcome(fault=FIRST.name, struck=1, acknowledged=2)}, 4, short=True)
    assert f"| 1 | 2 | 0 | 0 | 0 | 0 | 0 | 0.0 | {report.SHORT} | 4 |" in page.read_text()
    report.write_page({FIRST.name: Outcome(fault=FIRST.name, struck=7, acknowledged=1234)}, 5, short=False)
    report.write_page({FIRST.name: Outcome(fault=FIRST.name, struck=1, acknowledged=2)}, 6, short=True)
    report.write_page({}, 6, short=False)
    said = page.read_text()
    assert said.startswith("# Before\n")
    assert said.endswith("\nAfter\n")
    assert said.count(f"| {FIRST.promise} |") == 1
    assert f"| 7 | 1234 | 0 | 0 | 0 | 0 | 0 | 0.0 | {report.LONG} | 5 |" in said


def test_rounds_add_up_and_harm_is_harm() -> None:
    quiet = Outcome(fault="it", struck=1, acknowledged=2, seconds=1.5)
    assert quiet.plus(quiet) == Outcome(fault="it", struck=2, acknowledged=4, seconds=3.0)
    assert quiet.holds
    assert not Outcome(fault="it", struck=0, acknowledged=2).holds
    for name in ("lost", "duplicated", "out_of_order", "false_alerts", "missing_alerts"):
        assert not quiet.plus(Outcome(fault="it", struck=1, acknowledged=0, **{name: 1})).holds
