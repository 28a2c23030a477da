"""Every alert answers why: what started its clock, what moved it, and what failed to stop it."""

from datetime import datetime

from casebus.contracts.monitoring import AlertRaised, ContactResult
from casebus.contracts.planning import CaseResumed, CaseSuspended, SuspendReason
from services.monitoring.domain.fact import History
from services.monitoring.domain.regime import always
from services.monitoring.domain.why import Failing, Why, why
from services.monitoring.rules import RULES
from tests.unit.monitoring.story import CASE, Story, day, watching


def explained(story: Story, watermark: datetime) -> Why:
    """Of its only alert."""
    [raised] = story.said(watermark, about=AlertRaised)
    assert isinstance(raised, AlertRaised)
    found = why(raised.alert_id, History.below(CASE, story.facts, watermark), watermark, always(lambda *_: story.policy), RULES)
    assert found is not None
    return found


def test_it_names_the_start_and_what_failed_to_stop_it_and_for_what_reason() -> None:
    story = Story(opened=False, policy=watching("FIRST_CONTACT_OVERDUE"))
    story.receive(day(0))
    received = story.facts[0]
    missed = story.contact(None, day(2), result=ContactResult.NO_SHOW)
    late = story.contact(None, day(7))
    told_late = story.contact(None, day(8), occurred=day(4))
    found = explained(story, day(9))
    assert (found.started_by, found.due, found.deadline, found.moment) == (received, day(5), day(5), day(5))
    assert found.stopping == ("monitoring.ContactRecorded",)
    assert found.failed == ((missed, Failing.DOES_NOT_COUNT), (late, Failing.TOO_LATE), (told_late, Failing.TOLD_LATE))
    assert found.ended_by == late


def test_it_names_what_moved_it() -> None:
    story = Story(policy=watching("REFERRAL_UNANSWERED"))
    offered = story.offer("first", day(1))
    story.offer("second", day(1.5))
    story.accept("second", day(2))
    rest = story.tell(CaseSuspended(case_id=CASE, reason=SuspendReason.OTHER, review_on=day(20).date()), day(2))
    end = story.tell(CaseResumed(case_id=CASE), day(5))
    found = explained(story, day(30))
    assert (found.started_by, found.due, found.moved_by) == (offered, day(6), (rest, end))
    assert (found.failed, found.ended_by) == ((), None)


def test_a_rule_without_conditions_names_what_came_too_late() -> None:
    story = Story(policy=watching("STALLED_CASE"))
    late = story.contact(None, day(40))
    found = explained(story, day(41))
    assert (found.stopping, found.failed) == ((), ((late, Failing.TOO_LATE),))


def test_nothing_is_said_of_an_alert_that_the_facts_do_not_give() -> None:
    story = Story(policy=watching("STALLED_CASE"))
    assert why(CASE, History.below(CASE, story.facts, day(99)), day(99), always(lambda *_: story.policy), RULES) is None
