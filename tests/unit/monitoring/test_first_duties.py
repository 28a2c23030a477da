"""INTAKE_OVERDUE, FIRST_CONTACT_OVERDUE, PLAN_OVERDUE: what a new case is owed."""

from datetime import datetime, timedelta

import pytest

from casebus.contracts.intake import CaseDeclined, CaseOpened, CaseRedirected, CaseTriaged, DeclineReason, Nature, Priority
from casebus.contracts.monitoring import AlertAutoCleared, AlertRaised, AlertResolved, ContactResult
from casebus.contracts.planning import PlanAgreed
from casebus.event import Event
from tests.unit.monitoring.story import CASE, LEAD, REGION, Story, day, watching


def received(rule: str) -> Story:
    """On day 0, and nothing more."""
    story = Story(opened=False, policy=watching(rule))
    story.receive(day(0))
    return story


def untriaged() -> Story:
    story = received("INTAKE_OVERDUE")
    story.facts.pop()
    return story


def triaged(priority: Priority) -> CaseTriaged:
    return CaseTriaged(case_id=CASE, priority=priority, nature=Nature.HOUSING, crisis=False)


def opened(*, under_way: bool = False) -> CaseOpened:
    return CaseOpened(case_id=CASE, agency=LEAD, region=REGION, priority=Priority.MEDIUM, under_way=under_way)


def the_alert(story: Story, watermark: datetime) -> AlertRaised:
    [raised] = story.said(watermark, about=AlertRaised)
    assert isinstance(raised, AlertRaised)
    return raised


def test_a_case_that_nobody_triages_tells_who_received_it() -> None:
    assert untriaged().said(day(1)) == []
    raised = the_alert(untriaged(), day(1.1))
    assert (raised.rule, raised.subject_id, raised.agency, raised.due_at) == ("INTAKE_OVERDUE", CASE, LEAD, day(1))


@pytest.mark.parametrize(
    "answer",
    [
        triaged(Priority.LOW),
        CaseDeclined(case_id=CASE, reason=DeclineReason.OUT_OF_SCOPE),
        CaseRedirected(case_id=CASE, target_agency="east-school", reason=DeclineReason.NO_CAPACITY),
    ],
)
def test_triage_decline_and_redirection_answer_a_new_case(answer: Event) -> None:
    in_time, late = untriaged(), untriaged()
    in_time.tell(answer, day(1))
    late.tell(answer, day(2))
    assert in_time.said(day(9)) == []
    assert [type(event) for event in late.said(day(9))] == [AlertRaised, AlertResolved]


@pytest.mark.parametrize(("priority", "days"), [(Priority.CRITICAL, 1), (Priority.HIGH, 2), (Priority.MEDIUM, 5), (Priority.LOW, 14)])
def test_the_first_contact_is_due_by_the_priority_of_the_triage_from_the_receipt(priority: Priority, days: int) -> None:
    story = Story(opened=False, policy=watching("FIRST_CONTACT_OVERDUE"))
    story.receive(day(0), priority=priority)
    raised = the_alert(story, day(20))
    assert (raised.rule, raised.agency, raised.due_at) == ("FIRST_CONTACT_OVERDUE", LEAD, day(days))


def test_only_seeing_the_client_is_a_contact() -> None:
    story = received("FIRST_CONTACT_OVERDUE")
    story.contact(None, day(1), result=ContactResult.NO_SHOW)
    assert the_alert(story, day(6)).due_at == day(5)
    story.contact(None, day(7), occurred=day(4))
    assert [type(event) for event in story.said(day(8))] == [AlertRaised, AlertAutoCleared]


def test_who_was_seen_before_the_case_came_to_us_needs_no_first_contact() -> None:
    story = received("FIRST_CONTACT_OVERDUE")
    story.tell(opened(under_way=True), day(1))
    assert story.said(day(30)) == []


def test_a_priority_that_is_raised_later_counts_from_the_receipt_too_and_one_that_falls_changes_nothing() -> None:
    story = received("FIRST_CONTACT_OVERDUE")
    story.tell(triaged(Priority.LOW), day(1))
    assert story.said(day(5)) == []
    story.tell(triaged(Priority.HIGH), day(1.5))
    assert the_alert(story, day(2.1)).due_at == day(2)


def test_nobody_is_late_before_the_priority_that_makes_it_so_was_known() -> None:
    story = received("FIRST_CONTACT_OVERDUE")
    story.tell(triaged(Priority.CRITICAL), day(3))
    assert story.said(day(3)) == []
    assert the_alert(story, day(3.1)).due_at == day(1)
    story.contact(None, day(4), occurred=day(2))
    assert [type(event) for event in story.said(day(5))] == [AlertRaised, AlertAutoCleared]


def test_an_opened_case_needs_a_plan_and_so_does_a_reopened_one() -> None:
    story = Story(policy=watching("PLAN_OVERDUE"))
    story.tell(PlanAgreed(case_id=CASE, plan_version=1, goals=1, steps=1), day(29))
    story.close(day(40))
    story.reopen(day(50))
    assert story.said(day(80)) == []
    raised = the_alert(story, day(80) + timedelta(hours=1))
    assert (raised.rule, raised.agency, raised.due_at) == ("PLAN_OVERDUE", LEAD, day(80))
    story.tell(PlanAgreed(case_id=CASE, plan_version=2, goals=1, steps=1), day(81))
    assert [type(event) for event in story.said(day(90))] == [AlertRaised, AlertResolved]
