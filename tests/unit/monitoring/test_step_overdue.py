"""STEP_OVERDUE: due at the end of its day, missed a day later."""

from datetime import timedelta

import pytest

from casebus.contracts.monitoring import AlertAutoCleared, AlertRaised, AlertResolved
from casebus.contracts.planning import SkipReason, StepDone, StepKind, StepPlanned, StepResult, StepSkipped
from tests.unit.monitoring.story import CASE, PARTNER, Story, day, some, watching

MIDNIGHT = timedelta(hours=12)


def planned(*, dated: bool = True) -> Story:
    """For day 3: missed at the end of day 4."""
    story = Story(policy=watching("STEP_OVERDUE"))
    due_on = day(3).date() if dated else None
    story.tell(StepPlanned(case_id=CASE, step_id=some("step"), kind=StepKind.APPLICATION, agency=PARTNER, due_on=due_on), day(1))
    return story


def test_a_step_that_is_not_done_tells_the_agency_that_has_it() -> None:
    assert planned().said(day(4) + MIDNIGHT) == []
    [raised] = planned().said(day(5))
    assert isinstance(raised, AlertRaised)
    assert (raised.rule, raised.subject_id, raised.agency) == ("STEP_OVERDUE", some("step"), PARTNER)
    assert raised.due_at == day(3) + MIDNIGHT


def test_a_step_without_a_day_has_no_clock() -> None:
    assert planned(dated=False).said(day(400)) == []


@pytest.mark.parametrize("how", ["done", "skipped", "closed"])
def test_what_ends_a_step_ends_its_clock(how: str) -> None:
    in_time, late = planned(), planned()
    for story, at in ((in_time, day(4)), (late, day(7))):
        match how:
            case "done":
                story.tell(StepDone(case_id=CASE, step_id=some("step"), result=StepResult.ACHIEVED), at)
            case "skipped":
                story.tell(StepSkipped(case_id=CASE, step_id=some("step"), reason=SkipReason.NO_LONGER_NEEDED), at)
            case _:
                story.close(at)
    assert in_time.said(day(20)) == []
    assert [type(event) for event in late.said(day(20))] == [AlertRaised, AlertAutoCleared if how == "closed" else AlertResolved]


def test_another_step_answers_nothing() -> None:
    story = planned()
    story.tell(StepDone(case_id=CASE, step_id=some("other"), result=StepResult.ACHIEVED), day(2))
    assert [type(event) for event in story.said(day(9))] == [AlertRaised]
