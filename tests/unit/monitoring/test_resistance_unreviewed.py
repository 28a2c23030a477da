"""RESISTANCE_UNREVIEWED: a client turns away again without progress in between; a supervisor looks at it within 5 days."""

from dataclasses import replace
from datetime import timedelta

import pytest

from casebus.contracts.monitoring import (
    AlertAutoCleared,
    AlertRaised,
    AlertResolved,
    Approach,
    Capacity,
    ContactResult,
    FollowUpScheduled,
    Resistance,
    ResistanceReviewed,
    Rung,
    StallCause,
    StallExplained,
)
from casebus.contracts.planning import AssessmentKind, AssessmentSubmitted, CaseSuspended, SuspendReason
from casebus.envelope import Role
from casebus.errors import Conflict, Forbidden
from casebus.testing import cause
from services.monitoring import commands as asked
from services.monitoring import handlers
from tests.unit.monitoring.fake import FakeWork, closed, opened
from tests.unit.monitoring.story import CASE, LEAD, Story, day, some, watching

RULE = "RESISTANCE_UNREVIEWED"


def turn_away(story: Story, at: float, why: StallCause = StallCause.CLIENT_DISENGAGED) -> None:
    resistance = Resistance.DISTRUST if why is StallCause.CLIENT_DISENGAGED else None
    approach = Approach.OTHER_MANNER if resistance else None
    event = StallExplained(case_id=CASE, alert_id=some(f"stall {at}"), cause=why, resistance=resistance, approach=approach)
    story.tell(event, day(at))


def review(story: Story, at: float, capacity: Capacity = Capacity.NOT_IN_DOUBT) -> None:
    story.tell(ResistanceReviewed(case_id=CASE, capacity=capacity, approach=Approach.RELATIONSHIP_FIRST), day(at))


def resisting(*rules: str) -> Story:
    """Turned away on days 31 and 62, with no progress in between."""
    story = Story(policy=watching(*(rules or (RULE,))))
    turn_away(story, 31)
    turn_away(story, 62)
    return story


def raised(story: Story, watermark: float) -> list[float]:
    found = [event for event in story.said(day(watermark), about=AlertRaised) if isinstance(event, AlertRaised)]
    return [(event.due_at - day(0)) / timedelta(days=1) for event in found]


def test_a_client_who_turns_away_again_is_looked_at_by_the_supervisor() -> None:
    story = resisting()
    assert story.said(day(67)) == []
    [alert] = story.said(day(67.1))
    assert isinstance(alert, AlertRaised)
    assert (alert.rule, alert.subject_id, alert.agency, alert.rung, alert.due_at) == (RULE, CASE, LEAD, Rung.SUPERVISOR, day(67))


def test_once_is_not_long_and_another_cause_is_no_resistance() -> None:
    story = Story(policy=watching(RULE))
    turn_away(story, 31)
    turn_away(story, 62, StallCause.FORGOTTEN)
    assert story.said(day(200)) == []


def test_refused_contacts_say_no_cause_and_the_stall_asks_for_it() -> None:
    """They are no progress either, so that a client who refuses every visit is not forgotten."""
    story = Story(policy=watching(RULE, "STALLED_CASE"))
    for at in (10, 20, 25):
        story.contact(None, day(at), result=ContactResult.REFUSED)
    turn_away(story, 31)
    story.contact(None, day(35), result=ContactResult.REFUSED)
    alerts = [event.rule for event in story.said(day(60)) if isinstance(event, AlertRaised)]
    assert alerts == ["STALLED_CASE"]


def test_who_came_back_in_between_turns_away_for_the_first_time() -> None:
    story = Story(policy=watching(RULE))
    turn_away(story, 31)
    story.contact(None, day(40))
    turn_away(story, 71)
    assert story.said(day(200)) == []
    turn_away(story, 102)
    assert raised(story, 108) == [107]


def test_a_review_in_time_is_one_and_a_late_one_resolves_it() -> None:
    story = resisting()
    review(story, 66)
    assert story.said(day(200)) == []
    late = resisting()
    review(late, 70)
    assert [type(event) for event in late.said(day(71))] == [AlertRaised, AlertResolved]


def test_after_a_review_it_takes_two_more_answers() -> None:
    story = resisting()
    review(story, 66)
    turn_away(story, 93)
    assert story.said(day(123)) == []
    turn_away(story, 124)
    assert raised(story, 130) == [129]


def test_progress_is_the_end_of_it() -> None:
    story = resisting()
    story.contact(None, day(64))
    assert story.said(day(200)) == []
    late = resisting()
    late.contact(None, day(70))
    assert [type(event) for event in late.said(day(71))] == [AlertRaised, AlertAutoCleared]


def test_what_is_told_later_takes_nothing_back() -> None:
    """A contact before the first answer is no end of the second; one between the two, told late, is."""
    story = resisting()
    story.contact(None, day(70), occurred=day(20))
    assert [type(event) for event in story.said(day(71))] == [AlertRaised]
    story.contact(None, day(72), occurred=day(50))
    assert [type(event) for event in story.said(day(73))] == [AlertRaised, AlertAutoCleared]


def test_a_rest_of_the_case_moves_it_and_its_end_cancels_it() -> None:
    story = resisting()
    story.tell(CaseSuspended(case_id=CASE, reason=SuspendReason.OTHER, review_on=day(80).date()), day(63))
    assert story.said(day(80)) == []
    over = resisting()
    over.close(day(64))
    assert over.said(day(200)) == []


def test_a_capacity_in_doubt_asks_for_a_full_assessment() -> None:
    story = resisting("ASSESSMENT_OVERDUE")
    story.tell(AssessmentSubmitted(case_id=CASE, assessment_id=some("first"), kind=AssessmentKind.FULL), day(10))
    review(story, 63)
    assert story.said(day(200)) == []
    review(story, 64, Capacity.IN_DOUBT)
    assert raised(story, 79) == [78]


def by(role: Role, work: FakeWork, at: float = 66) -> handlers.Noted:
    command = asked.ReviewResistance(capacity=Capacity.NOT_IN_DOUBT, approach=Approach.LOWER_GOALS)
    return handlers.review_resistance(CASE, command, work.act(day(at), by=replace(cause(LEAD), actor_role=role)))


def test_a_supervisor_says_what_is_tried_and_the_client_is_seen_again() -> None:
    work = FakeWork()
    work.hear(opened(), day(0))
    noted = by(Role.SUPERVISOR, work)
    review, scheduled = work.said()
    assert review == ResistanceReviewed(case_id=CASE, capacity=Capacity.NOT_IN_DOUBT, approach=Approach.LOWER_GOALS)
    assert isinstance(scheduled, FollowUpScheduled)
    assert noted.next_due_at == scheduled.due_at == day(80)


def test_a_worker_does_not_review_and_nobody_reviews_what_is_closed() -> None:
    work = FakeWork()
    work.hear(opened(), day(0))
    with pytest.raises(Forbidden):
        by(Role.WORKER, work)
    work.hear(closed(), day(10))
    with pytest.raises(Conflict):
        by(Role.COORDINATOR, work)
