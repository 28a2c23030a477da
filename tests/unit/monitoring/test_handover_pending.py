"""HANDOVER_PENDING: to be answered in 3 days, a day of grace."""

from casebus.contracts.intake import LeadHandoverProposed, LeadHandoverRejected
from casebus.contracts.monitoring import AlertRaised
from tests.unit.monitoring.story import CASE, LEAD, PARTNER, Story, day, watching


def proposed() -> Story:
    """On day 1: due on day 4, missed after day 5."""
    story = Story(policy=watching("HANDOVER_PENDING"))
    story.tell(LeadHandoverProposed(case_id=CASE, from_agency=LEAD, to_agency=PARTNER), day(1))
    return story


def test_a_lead_that_nobody_answers_for_tells_the_agency_that_was_asked() -> None:
    assert proposed().said(day(5)) == []
    [raised] = proposed().said(day(6))
    assert isinstance(raised, AlertRaised)
    assert (raised.rule, raised.agency, raised.due_at) == ("HANDOVER_PENDING", PARTNER, day(4))


def test_an_answer_in_time_is_one() -> None:
    accepted, rejected = proposed(), proposed()
    accepted.hand_over(day(4))
    rejected.tell(LeadHandoverRejected(case_id=CASE, from_agency=LEAD, to_agency=PARTNER), day(5))
    assert accepted.said(day(20)) == rejected.said(day(20)) == []


def test_an_earlier_answer_does_not_answer_the_next_proposal() -> None:
    story = Story(policy=watching("HANDOVER_PENDING"))
    story.tell(LeadHandoverRejected(case_id=CASE, from_agency=LEAD, to_agency=PARTNER), day(0.5))
    story.tell(LeadHandoverProposed(case_id=CASE, from_agency=LEAD, to_agency=PARTNER), day(1))
    assert [type(event) for event in story.said(day(6))] == [AlertRaised]
