"""STALLED_CASE: 30 days without progress while the case is open."""

from casebus.contracts.monitoring import AlertAutoCleared, AlertRaised, AlertResolved, ContactResult
from casebus.contracts.planning import PlanAgreed, StepBlocked
from tests.unit.monitoring.story import CASE, LEAD, Story, day, some


def test_an_opened_case_without_progress_has_stalled() -> None:
    assert Story().said(day(30)) == []
    [raised] = Story().said(day(30.1))
    assert isinstance(raised, AlertRaised)
    assert (raised.rule, raised.subject_id, raised.agency, raised.due_at) == ("STALLED_CASE", CASE, LEAD, day(30))


def test_progress_begins_the_clock_again() -> None:
    story = Story()
    story.tell(PlanAgreed(case_id=CASE, plan_version=1, goals=1, steps=1), day(20))
    assert story.said(day(50)) == []
    [raised] = story.said(day(51))
    assert isinstance(raised, AlertRaised)
    assert raised.due_at == day(50)


def test_notes_and_handing_over_are_no_progress() -> None:
    story = Story()
    story.hand_over(day(20))
    story.tell(StepBlocked(case_id=CASE, step_id=some("step"), reason="OTHER"), day(21))  # type: ignore[arg-type]  # its symbol will do
    story.contact(None, day(22), result=ContactResult.NOT_REACHED)
    [raised] = story.said(day(31))
    assert isinstance(raised, AlertRaised)
    assert raised.due_at == day(30)


def test_late_progress_resolves_the_alert_and_begins_another_clock() -> None:
    story = Story()
    story.accept("first", day(40))
    assert [type(event) for event in story.said(day(41))] == [AlertRaised, AlertResolved]
    [*_, again] = story.said(day(71))
    assert isinstance(again, AlertRaised)
    assert again.due_at == day(70)


def test_progress_in_time_that_is_told_late_clears_the_alert() -> None:
    story = Story()
    story.contact(None, day(40), occurred=day(29))
    assert [type(event) for event in story.said(day(41))] == [AlertRaised, AlertAutoCleared]


def test_a_closed_case_does_not_stall_and_a_reopened_one_does() -> None:
    story = Story()
    story.close(day(20))
    assert story.said(day(100)) == []
    story.reopen(day(100))
    [raised] = story.said(day(131))
    assert isinstance(raised, AlertRaised)
    assert raised.due_at == day(130)


def test_a_contact_outside_of_any_period_begins_no_clock() -> None:
    story = Story()
    story.close(day(10))
    story.contact(None, day(20))
    story.reopen(day(100))
    story.contact(None, day(101), occurred=day(60))
    [raised] = story.said(day(131))
    assert isinstance(raised, AlertRaised)
    assert raised.due_at == day(130)


def test_a_contact_before_the_opening_begins_no_clock() -> None:
    story = Story(opened=False)
    story.receive(day(0))
    story.contact(None, day(1))
    assert story.said(day(100)) == []


def test_a_closure_that_is_told_late_takes_no_earlier_verdict_back() -> None:
    story = Story()
    story.contact(None, day(20))
    before = story.decisions(day(25))
    story.close(day(31), occurred=day(19))
    assert before == []
    assert story.said(day(200)) == []


def test_a_closure_that_is_told_after_the_alert_clears_it() -> None:
    story = Story()
    story.contact(None, day(20))
    story.close(day(60), occurred=day(19))
    assert [type(event) for event in story.said(day(61))] == [AlertRaised, AlertAutoCleared]
