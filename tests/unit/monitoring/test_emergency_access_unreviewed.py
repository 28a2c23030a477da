"""EMERGENCY_ACCESS_UNREVIEWED: another person looks at it within 5 days, whatever becomes of the case."""

from datetime import timedelta

from casebus.contracts.intake import EmergencyAccessGranted, EmergencyAccessReviewed, ReviewResult
from casebus.contracts.monitoring import AlertRaised, AlertResolved, Rung
from casebus.contracts.planning import CaseSuspended, SuspendReason
from tests.unit.monitoring.story import CASE, LEAD, PARTNER, Story, day, some, watching


def granted() -> Story:
    """On day 1."""
    story = Story(policy=watching("EMERGENCY_ACCESS_UNREVIEWED"))
    until = day(1) + timedelta(hours=3)
    story.tell(EmergencyAccessGranted(case_id=CASE, access_id=some("access"), agency=PARTNER, actor="actor-2", until=until), day(1))
    return story


def review(story: Story, at: float, access: str = "access") -> None:
    story.tell(EmergencyAccessReviewed(case_id=CASE, access_id=some(access), result=ReviewResult.JUSTIFIED), day(at))


def test_an_access_that_nobody_looked_at_tells_the_supervisor_of_the_lead() -> None:
    assert granted().said(day(6)) == []
    [raised] = granted().said(day(6.1))
    assert isinstance(raised, AlertRaised)
    assert (raised.rule, raised.subject_id) == ("EMERGENCY_ACCESS_UNREVIEWED", some("access"))
    assert (raised.agency, raised.rung, raised.due_at) == (LEAD, Rung.SUPERVISOR, day(6))


def test_a_review_in_time_is_one_and_that_of_another_access_is_not() -> None:
    story = granted()
    review(story, 5)
    assert story.said(day(40)) == []
    other = granted()
    review(other, 5, "other")
    assert len(other.said(day(40))) == 1
    review(other, 41)
    assert [type(event) for event in other.said(day(50))] == [AlertRaised, AlertResolved]


def test_neither_a_rest_nor_the_end_of_the_case_stops_the_clock() -> None:
    story = granted()
    story.tell(CaseSuspended(case_id=CASE, reason=SuspendReason.OTHER, review_on=day(20).date()), day(2))
    story.close(day(3))
    [raised] = story.said(day(6.1))
    assert isinstance(raised, AlertRaised)
