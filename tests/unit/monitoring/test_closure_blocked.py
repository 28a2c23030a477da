"""CLOSURE_BLOCKED: to be closed within 7 days, counted from the day on which that is allowed."""

from datetime import timedelta

from casebus.contracts.monitoring import AlertAutoCleared, AlertRaised, AlertResolved
from casebus.contracts.planning import CaseOutcome, ClosureBlocker, ClosureProposed, ClosureWithdrawn
from tests.unit.monitoring.story import CASE, LEAD, Story, day, watching

MIDNIGHT = timedelta(hours=12)


def proposed() -> Story:
    """On day 1; the client was told on day 0, so that it may be closed from day 14 on."""
    story = Story(policy=watching("CLOSURE_BLOCKED"))
    closes_from, blockers = day(14).date(), (ClosureBlocker.OPEN_STEP,)
    story.tell(ClosureProposed(case_id=CASE, outcome=CaseOutcome.GOALS_REACHED, closes_from=closes_from, blockers=blockers), day(1))
    return story


def test_a_closing_that_does_not_come_about_tells_the_lead() -> None:
    due = day(21) - MIDNIGHT
    assert proposed().said(due) == []
    [raised] = proposed().said(due + timedelta.resolution)
    assert isinstance(raised, AlertRaised)
    assert (raised.rule, raised.agency, raised.due_at) == ("CLOSURE_BLOCKED", LEAD, due)


def test_one_without_notice_counts_from_its_proposal() -> None:
    story = Story(policy=watching("CLOSURE_BLOCKED"))
    story.tell(ClosureProposed(case_id=CASE, outcome=CaseOutcome.DIED, closes_from=day(1).date(), blockers=()), day(1))
    assert story.said(day(8)) == []
    assert len(story.said(day(9))) == 1


def test_closed_in_time_is_one_and_too_late_resolves_it() -> None:
    story = proposed()
    story.close(day(16))
    assert story.said(day(40)) == []
    late = proposed()
    late.close(day(30))
    assert [type(event) for event in late.said(day(40))] == [AlertRaised, AlertResolved]


def test_what_is_not_to_be_closed_any_more_waits_for_nothing() -> None:
    story = proposed()
    story.tell(ClosureWithdrawn(case_id=CASE), day(3))
    assert story.said(day(40)) == []
    late = proposed()
    late.tell(ClosureWithdrawn(case_id=CASE), day(30))
    assert [type(event) for event in late.said(day(40))] == [AlertRaised, AlertAutoCleared]
