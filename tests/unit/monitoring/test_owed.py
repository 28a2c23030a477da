"""UNASSIGNED, ASSESSMENT_OVERDUE, REASSESSMENT_DUE, REFERRAL_NO_FIRST_CONTACT and LOST_CONTACT."""

import pytest

from casebus.contracts.intake import Priority, WorkerAssigned
from casebus.contracts.monitoring import AlertAutoCleared, AlertRaised, AlertResolved, ContactResult, Rung
from casebus.contracts.planning import AssessmentApproved, AssessmentKind, AssessmentReturned, AssessmentSubmitted, ReturnReason
from casebus.contracts.referral import ReferralCompleted, ReferralOutcome, ServiceBegun
from casebus.event import Event
from tests.unit.monitoring.story import CASE, LEAD, PARTNER, Story, day, some, watching

WORKER = WorkerAssigned(case_id=CASE, agency=LEAD, worker_id=some("worker"))


def submitted(kind: AssessmentKind = AssessmentKind.FULL, name: str = "a") -> AssessmentSubmitted:
    return AssessmentSubmitted(case_id=CASE, assessment_id=some(name), kind=kind)


def approved(name: str = "a") -> AssessmentApproved:
    return AssessmentApproved(case_id=CASE, assessment_id=some(name), kind=AssessmentKind.FULL)


def alerts(story: Story, watermark: float) -> list[AlertRaised]:
    return [event for event in story.said(day(watermark), about=AlertRaised) if isinstance(event, AlertRaised)]


def test_a_case_that_no_worker_has_tells_its_lead_and_so_it_does_after_a_hand_over() -> None:
    story = Story(opened=False, policy=watching("UNASSIGNED"))
    story.receive(day(0), priority=Priority.LOW)
    assert alerts(story, 3) == []
    [raised] = alerts(story, 3.1)
    assert (raised.rule, raised.subject_id, raised.agency, raised.due_at) == ("UNASSIGNED", CASE, LEAD, day(3))
    story.tell(WORKER, day(2))
    assert story.said(day(9)) == []
    story.hand_over(day(10))
    [again] = alerts(story, 14)
    assert (again.agency, again.due_at) == (PARTNER, day(13))
    story.tell(WORKER, day(13))
    assert story.said(day(20)) == []


def test_an_opened_case_is_assessed_in_full() -> None:
    story = Story(policy=watching("ASSESSMENT_OVERDUE"))
    story.tell(submitted(AssessmentKind.INITIAL), day(3))
    [raised] = alerts(story, 15)
    assert (raised.rule, raised.due_at) == ("ASSESSMENT_OVERDUE", day(14))
    story.tell(submitted(name="b"), day(12))
    assert story.said(day(15)) == []
    returned = AssessmentReturned(case_id=CASE, assessment_id=some("b"), kind=AssessmentKind.FULL, reason=ReturnReason.INCOMPLETE)
    story.tell(returned, day(16))
    assert [raised.due_at for raised in alerts(story, 40)] == [day(30)]


def test_an_approved_assessment_grows_old() -> None:
    story = Story(policy=watching("REASSESSMENT_DUE"))
    story.tell(submitted(), day(1))
    story.tell(approved(), day(2))
    assert [(raised.rule, raised.due_at) for raised in alerts(story, 70)] == [("REASSESSMENT_DUE", day(62))]
    story.tell(submitted(AssessmentKind.REASSESSMENT, "b"), day(65))
    assert [type(event) for event in story.said(day(100))] == [AlertRaised, AlertResolved]


@pytest.mark.parametrize(
    "answer",
    [
        ServiceBegun(case_id=CASE, referral_id=some("first"), agency=PARTNER),
        ReferralCompleted(case_id=CASE, referral_id=some("first"), agency=PARTNER, outcome=ReferralOutcome.SERVICES_RECEIVED),
    ],
)
def test_an_agency_that_accepted_sees_the_client(answer: Event) -> None:
    story = Story(policy=watching("REFERRAL_NO_FIRST_CONTACT"))
    story.offer("first", day(0.5))
    story.accept("first", day(1))
    [raised] = alerts(story, 7)
    assert (raised.rule, raised.subject_id, raised.agency, raised.due_at) == ("REFERRAL_NO_FIRST_CONTACT", some("first"), PARTNER, day(6))
    story.tell(answer, day(6))
    assert story.said(day(20)) == []


def sought(*days: float) -> Story:
    story = Story(policy=watching("LOST_CONTACT"))
    for at in days:
        story.contact(None, day(at), result=ContactResult.NOT_REACHED)
    return story


def test_who_was_not_reached_three_times_is_lost() -> None:
    assert sought(1, 2).said(day(30)) == []
    [raised] = alerts(sought(1, 2, 4), 30)
    assert (raised.rule, raised.agency, raised.rung, raised.due_at) == ("LOST_CONTACT", LEAD, Rung.WORKER, day(4))


def test_a_closure_begins_the_count_of_attempts_anew() -> None:
    story = sought(1, 2)
    story.close(day(3))
    story.reopen(day(4))
    story.contact(None, day(5), result=ContactResult.NOT_REACHED)
    assert story.said(day(6), about=AlertRaised) == []
    for at in (day(6), day(7)):
        story.contact(None, at, result=ContactResult.NOT_REACHED)
    assert len(story.said(day(8), about=AlertRaised)) == 1


def test_who_was_seen_in_between_or_is_found_is_not_lost() -> None:
    between, found, told_late = sought(1, 2), sought(1, 2, 3), sought(1, 2, 3)
    between.contact(None, day(3), result=ContactResult.REFUSED)
    between.contact(None, day(4), result=ContactResult.NOT_REACHED)
    found.contact(None, day(5))
    told_late.contact(None, day(5), occurred=day(2.5))
    assert between.said(day(30)) == []
    assert [type(event) for event in found.said(day(30))] == [AlertRaised, AlertResolved]
    assert [type(event) for event in told_late.said(day(30))] == [AlertRaised, AlertAutoCleared]
