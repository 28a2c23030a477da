"""NO_PROVIDER_LEFT and PING_PONG: the coordinator is told at once."""

import pytest

from casebus.contracts.intake import LeadHandoverRejected
from casebus.contracts.monitoring import AlertAutoCleared, AlertEscalated, AlertRaised, AlertResolved, ContactResult, Rung
from casebus.contracts.planning import StepDone, StepResult
from casebus.contracts.referral import DeclineReason, NoProviderLeft, ReferralAccepted, ReferralDeclined
from tests.unit.monitoring.story import CASE, LEAD, PARTNER, REGION, Story, day, some, watching


def exhausted() -> Story:
    """On day 1 nobody is left who could take the step; another agency had accepted it before, in vain."""
    story = Story(policy=watching("NO_PROVIDER_LEFT"))
    story.tell(ReferralAccepted(case_id=CASE, referral_id=some("first"), agency=PARTNER, step_id=some("step")), day(0.5))
    story.tell(NoProviderLeft(case_id=CASE, step_id=some("step"), service_type="shelter"), day(1))
    return story


def bounced(*refusals: float) -> Story:
    """Declined on these days."""
    story = Story(policy=watching("PING_PONG"))
    for number, at in enumerate(refusals):
        decline(story, number, at)
    return story


def decline(story: Story, number: int, at: float) -> None:
    story.tell(ReferralDeclined(case_id=CASE, referral_id=some(number), agency=PARTNER, reason=DeclineReason.NO_CAPACITY), day(at))


def test_without_a_provider_the_coordinator_is_told_at_once_and_the_alert_climbs_no_higher() -> None:
    story = exhausted()
    assert story.said(day(1)) == []
    [raised] = story.state(day(1.01))
    assert isinstance(raised, AlertRaised)
    assert (raised.rule, raised.subject_id, raised.rung, raised.target_agency) == (
        "NO_PROVIDER_LEFT",
        some("step"),
        Rung.COORDINATOR,
        REGION,
    )
    assert raised.agency == LEAD
    assert story.said(day(300), about=AlertEscalated) == []


def test_who_is_asked_or_the_end_of_the_step_resolves_it() -> None:
    asked, done = exhausted(), exhausted()
    asked.tell(ReferralAccepted(case_id=CASE, referral_id=some("next"), agency=PARTNER, step_id=some("step")), day(3))
    done.tell(StepDone(case_id=CASE, step_id=some("step"), result=StepResult.OTHER), day(3))
    for story in (asked, done):
        assert [type(event) for event in story.said(day(4))] == [AlertRaised, AlertResolved]


def test_the_third_refusal_without_progress_tells_the_coordinator() -> None:
    assert bounced(1, 2).said(day(9)) == []
    [raised] = bounced(1, 2, 3).said(day(9))
    assert isinstance(raised, AlertRaised)
    assert (raised.rule, raised.subject_id, raised.rung, raised.due_at) == ("PING_PONG", CASE, Rung.COORDINATOR, day(3))


def test_a_rejected_lead_is_a_refusal_too() -> None:
    story = bounced(1, 2)
    story.tell(LeadHandoverRejected(case_id=CASE, from_agency=LEAD, to_agency=PARTNER), day(3))
    assert [type(event) for event in story.said(day(9))] == [AlertRaised]


def test_progress_begins_the_count_anew_and_a_contact_without_the_client_does_not() -> None:
    moved, missed = bounced(1, 2), bounced(1, 2)
    moved.contact(None, day(2.5))
    missed.contact(None, day(2.5), result=ContactResult.NO_SHOW)
    for story in (moved, missed):
        decline(story, 7, 3)
    assert moved.said(day(9)) == []
    assert [type(event) for event in missed.said(day(9))] == [AlertRaised]


@pytest.mark.parametrize(("occurred", "ending"), [(2.5, AlertAutoCleared), (5, AlertResolved)])
def test_progress_that_is_told_late_clears_it_and_later_progress_resolves_it(occurred: float, ending: type) -> None:
    story = bounced(1, 2, 3)
    story.contact(None, day(6), occurred=day(occurred))
    assert [type(event) for event in story.said(day(9))] == [AlertRaised, ending]


def test_progress_before_the_first_refusal_that_is_told_late_changes_nothing_of_it() -> None:
    story = bounced(1, 2, 3)
    story.contact(None, day(6), occurred=day(0.5))
    assert [type(event) for event in story.said(day(9))] == [AlertRaised]


@pytest.mark.parametrize("progress", [False, True])
def test_a_case_that_is_back_where_it_came_from_without_progress_is_passed_around(*, progress: bool) -> None:
    story = Story(policy=watching("PING_PONG"))
    story.hand_over(day(1), to=PARTNER)
    if progress:
        story.contact(None, day(2))
    story.hand_over(day(3), to=LEAD)
    assert len(story.said(day(9))) == (not progress)


def test_an_agency_that_accepted_a_referral_has_moved_the_case() -> None:
    """Returns alone are no sign: with an accepted referral in between, the policy sees progress."""
    story = Story(policy=watching("PING_PONG"))
    story.accept("first", day(1))
    story.accept("second", day(2), by="east-school")
    story.accept("third", day(3))
    assert story.said(day(9)) == []
