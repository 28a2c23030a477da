"""What a case's clocks say of themselves."""

from datetime import timedelta

from casebus.contracts.monitoring import Rung
from casebus.contracts.planning import CaseResumed, CaseSuspended, SuspendReason
from services.monitoring.domain.clock import State
from services.monitoring.domain.clock_story import ClockStory, Moved, stories
from services.monitoring.domain.regime import always
from services.monitoring.rules import RULES
from tests.unit.monitoring.story import CASE, PARTNER, POLICY, Story, day


def told(story: Story, number: float, rule: str = "REFERRAL_UNANSWERED") -> list[ClockStory]:
    found = stories(CASE, story.facts, day(number), always(lambda *_: POLICY), RULES)
    return [one for one in found if one.rule == rule]


def offered() -> Story:
    """On day 1: due on day 3, missed after day 4."""
    story = Story()
    story.offer("one", day(1))
    return story


def test_a_clock_that_runs_says_when_it_is_due() -> None:
    [one] = told(offered(), 2)
    assert (one.state, one.agency, one.due, one.deadline) == (State.RUNNING, PARTNER, day(3), day(4))
    assert (one.policy_version, one.ended_by, one.alert_id, one.told) == (POLICY.stamp, None, None, ())


def test_one_that_was_met_names_what_met_it() -> None:
    story = offered()
    accepted = story.accept("one", day(2))
    story.accept("one", day(3.5))
    [one] = told(story, 9)
    assert (one.state, one.ended_by) == (State.MET, accepted)


def test_one_that_was_missed_says_who_was_told_on_each_rung() -> None:
    story = offered()
    for watermark in (4.1, 6.2):
        story.state(day(watermark))
    [one] = told(story, 7)
    assert (one.state, one.alert_id is not None) == (State.BREACHED, True)
    assert [(fact.recorded_at, event.rung) for fact, event in one.told] == [(day(4.1), Rung.WORKER), (day(6.2), Rung.SUPERVISOR)]


def test_what_rested_says_what_moved_it() -> None:
    story = offered()
    story.tell(CaseSuspended(case_id=CASE, reason=SuspendReason.OTHER, review_on=day(10).date()), day(2))
    story.tell(CaseResumed(case_id=CASE), day(5))
    [one] = told(story, 6)
    assert [how for _, how in one.moved_by] == [Moved.PAUSED, Moved.RESUMED]
    assert one.due == day(3) + timedelta(days=3)


def test_a_case_without_its_beginning_has_none() -> None:
    story = Story(opened=False)
    story.offer("one", day(1))
    assert told(story, 9) == []
