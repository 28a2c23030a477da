"""A backtest's summing up, and the policy files that it refuses; what is decided is in test_backtest.py of monitoring."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from casebus.contracts.monitoring import Rung
from continuum.backtest import Found, _since, _with
from continuum.stack import CLONE
from services.monitoring.backtests import EXAMPLES, Compared, Question
from services.monitoring.domain.backtest import Raised
from services.monitoring.policies import BadPolicy, read_policies

FOLDER = CLONE / "deploy" / "policies"
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def one(number: int, rung: Rung = Rung.WORKER, case: int = 1) -> Raised:
    return Raised(
        alert_id=UUID(int=number), case_id=UUID(int=case), rule="PLAN_OVERDUE", agency="clinic", due_at=NOW, raised_at=NOW, rung=rung
    )


def test_what_differs_is_told_by_how_and_counted_by_rung() -> None:
    found = Compared()
    found.compare([one(1), one(2, Rung.MANAGER), one(3)], [one(1), one(2, Rung.SUPERVISOR), one(4, Rung.COORDINATOR)])
    line = found.lines["clinic", "PLAN_OVERDUE"]
    assert (line.today, line.new) == (
        Counter({Rung.WORKER: 2, Rung.MANAGER: 1}),
        Counter({Rung.WORKER: 1, Rung.SUPERVISOR: 1, Rung.COORDINATOR: 1}),
    )
    assert line.differ == {"added": [UUID(int=1)], "gone": [UUID(int=1)], "lower": [UUID(int=1)]}


def test_parts_add_up_and_name_a_few_cases() -> None:
    whole = Compared()
    for number in range(20):
        part = Compared(cases=1, facts=7)
        part.compare([], [one(number, case=number)])
        whole.add(part)
    assert (whole.cases, whole.facts) == (20, 140)
    [line] = whole.lines.values()
    assert (line.new.total(), len(line.differ["added"])) == (20, EXAMPLES)
    found = Found(question=Question(region="*", since=None, until=NOW), stamps={"today": "a/1", "new": "a/2"}, compared=whole)
    [row] = found.rows()
    assert row["new"] == {"alerts": 20, "rungs": {"WORKER": 20}}
    assert row["today"] == {"alerts": 0, "rungs": {}}
    assert found.table().row_count == 2


def test_a_day_begins_in_the_zone_of_the_policy() -> None:
    assert _since("2026-06-01", "Asia/Bangkok") == datetime(2026, 5, 31, 17, tzinfo=UTC)
    assert _since(None, "Asia/Bangkok") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("within: 5bd", "within: 6bd"), "version: another policy has this version; raise it"),
        (("within: 5bd", "within: 5 days"), "write a duration"),
        (("region: ssda903", "region: [1]"), "region"),
        (("STALLED_CASE:", "STALED_CASE:"), r"line \d+: duties.STALED_CASE: .* write STALLED_CASE"),
    ],
)
def test_a_file_that_is_not_right_is_refused(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    path = tmp_path / "new.yaml"
    text = (FOLDER / "ssda903.yaml").read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))
    with pytest.raises(BadPolicy, match=said):
        _with(read_policies(FOLDER).documents, path)


def test_the_file_that_is_in_force_and_one_with_a_new_version_are_taken(tmp_path: Path) -> None:
    today = read_policies(FOLDER).documents
    scope, same = _with(today, FOLDER / "ssda903.yaml")
    assert (scope, same) == (("ssda903", ""), today)
    path = tmp_path / "new.yaml"
    path.write_text("policy: valley\nversion: '1'\nregion: valley\nduties: {PLAN_OVERDUE: off}\n")
    scope, new = _with(today, path)
    assert (scope, len(new)) == (("valley", ""), len(today) + 1)
