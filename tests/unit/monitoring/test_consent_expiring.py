"""CONSENT_EXPIRING: 14 days before the end of its last day."""

from datetime import timedelta

from casebus.contracts.intake import ConsentGiven, ConsentPurpose, ConsentSuperseded, ConsentWithdrawn
from casebus.contracts.monitoring import AlertAutoCleared, AlertRaised, AlertResolved
from casebus.contracts.planning import CaseSuspended, SuspendReason
from tests.unit.monitoring.story import CASE, LEAD, PARTNER, Story, day, some, watching

MIDNIGHT = timedelta(hours=12)


def given(until: float = 60) -> Story:
    """On day 1, until the end of a day: 60.5 is its midnight."""
    story = Story(policy=watching("CONSENT_EXPIRING"))
    event = ConsentGiven(
        case_id=CASE,
        consent_id=some("consent"),
        purpose=ConsentPurpose.REFERRAL,
        recipient=PARTNER,
        from_on=day(1).date(),
        until_on=day(until).date(),
    )
    story.tell(event, day(1))
    return story


def supersede(story: Story, at: float) -> None:
    story.tell(ConsentSuperseded(case_id=CASE, consent_id=some("consent"), successor=some("another")), day(at))


def test_a_consent_that_ends_soon_tells_the_lead() -> None:
    due = day(46) + MIDNIGHT
    assert given().said(due) == []
    [raised] = given().said(due + timedelta.resolution)
    assert isinstance(raised, AlertRaised)
    assert (raised.rule, raised.subject_id, raised.agency, raised.due_at) == ("CONSENT_EXPIRING", some("consent"), LEAD, due)


def test_one_that_is_given_for_less_is_told_when_it_ends() -> None:
    story = given(until=9)
    assert story.said(day(9) + MIDNIGHT) == []
    assert len(story.said(day(10))) == 1


def test_given_anew_in_time_is_enough_and_later_resolves_it() -> None:
    story = given()
    supersede(story, 40)
    assert story.said(day(99)) == []
    late = given()
    supersede(late, 55)
    assert [type(event) for event in late.said(day(99))] == [AlertRaised, AlertResolved]


def test_what_is_withdrawn_does_not_expire() -> None:
    story = given()
    story.tell(ConsentWithdrawn(case_id=CASE, consent_id=some("consent")), day(50))
    assert [type(event) for event in story.said(day(99))] == [AlertRaised, AlertAutoCleared]


def test_it_ends_on_its_day_whether_the_case_rests_or_not() -> None:
    story = given()
    story.tell(CaseSuspended(case_id=CASE, reason=SuspendReason.OTHER, review_on=day(30).date()), day(2))
    assert len(story.said(day(47))) == 1
