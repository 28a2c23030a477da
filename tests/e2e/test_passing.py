"""`continuum pass`: nobody looks at a case for days, and each rung of its alert's ladder is told in turn."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine

from continuum.local.process import LocalFailure
from continuum.passing import in_the_local_run, let_pass, read_span
from tests.e2e.conftest import Platform
from tests.e2e.test_a_case_flows import alerts, opened_case, timeline
from tests.waiting import until


def test_days_that_pass_are_seen_by_every_clock_and_ladder(platform: Platform) -> None:
    nurse = platform.person("passing-clinic")
    case_id, _ = opened_case(nurse, priority="CRITICAL")
    until(lambda: "monitoring.FollowUpScheduled" in timeline(nurse, case_id))
    monitoring = create_engine(platform.run.databases["monitoring"], poolclass=NullPool)
    hours: list[float] = []
    before = platform.clock.now()
    end = let_pass(platform.clock, monitoring, timedelta(days=2, hours=8), lambda done, _: hours.append(done))
    assert timedelta(days=2, hours=8) <= end - before < timedelta(days=2, hours=8, minutes=1)
    assert (len(hours) > 50, hours[-1]) == (True, 56)
    [alert] = until(lambda: [one for one in alerts(nurse, case_id, "MISSED_FOLLOW_UP") if one["rung"] == "DUTY_AUTHORITY"])
    assert alert["escalations"] > 1, "not at once to the top: it climbed while the hours passed"


@pytest.mark.parametrize(("written", "span"), [("4h", timedelta(hours=4)), ("3d", timedelta(days=3)), ("60d", timedelta(days=60))])
def test_how_much_is_hours_or_days(written: str, span: timedelta) -> None:
    assert read_span(written) == span


@pytest.mark.parametrize("written", ["", "0d", "-3d", "3", "61d", "1441h", "9999d", "99999h", "2bd", "three days"])
def test_anything_else_is_refused(written: str) -> None:
    with pytest.raises(LocalFailure, match="as 4h or 14d, 60d at most"):
        read_span(written)


def test_without_a_run_nothing_passes(tmp_path: Path) -> None:
    with pytest.raises(LocalFailure, match="is not running here"):
        in_the_local_run(tmp_path, timedelta(hours=1), lambda *_: None)
