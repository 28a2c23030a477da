"""MISSED_FOLLOW_UP: due in 14 days, a day of grace."""

from datetime import datetime, timedelta

import pytest
from pydantic import TypeAdapter

from casebus.contracts.intake import Priority, PriorityChanged, PriorityReason
from casebus.contracts.monitoring import (
    AlertAutoCleared,
    AlertCause,
    AlertRaised,
    AlertResolved,
    CancelReason,
    ContactResult,
    FollowUpCancelled,
    FollowUpMadeUp,
    FollowUpMissed,
    FollowUpRescheduled,
    FollowUpScheduled,
    Rung,
)
from services.monitoring.domain.policy import Policy
from tests import policies
from tests.unit.monitoring.story import CASE, IMPORT, LEAD, PARTNER, WRITTEN, Story, day, some


def followed_up() -> Story:
    """A follow-up due on day 14, missed after day 15; the contacts below keep the case from stalling."""
    story = Story()
    story.follow_up("one", due=day(14), at=day(0.1))
    return story


def test_a_visit_by_the_end_of_the_grace_is_no_miss() -> None:
    story = followed_up()
    story.contact("one", day(15))
    assert story.said(day(16)) == []


def test_without_a_visit_it_is_missed_and_its_lead_is_told() -> None:
    missed, raised = followed_up().said(day(15.1))
    assert missed == FollowUpMissed(case_id=CASE, follow_up_id=some("one"), due_at=day(14), missed_at=day(15))
    assert isinstance(raised, AlertRaised)
    assert (raised.rule, raised.subject_id, raised.due_at) == ("MISSED_FOLLOW_UP", some("one"), day(14))
    assert (raised.agency, raised.rung, raised.target_agency) == (LEAD, Rung.WORKER, LEAD)


def test_it_is_not_missed_while_the_watermark_has_not_passed_the_grace() -> None:
    story = followed_up()
    assert story.said(day(15)) == []
    assert story.look(day(15)) == day(15)


def test_a_late_visit_makes_up_for_it_and_resolves_the_alert() -> None:
    story = followed_up()
    visit = story.contact("one", day(20))
    *_, closing = story.said(day(21))
    assert FollowUpMadeUp(case_id=CASE, follow_up_id=some("one"), due_at=day(14), made_up_at=day(20)) in story.said(day(21))
    assert isinstance(closing, AlertResolved)
    assert (closing.cause, closing.evidence) == (AlertCause.LATE, visit.envelope.event_id)
    [made_up] = [one for one in story.decisions(day(21)) if isinstance(one.event, FollowUpMadeUp)]
    assert made_up.because is visit


def test_a_visit_in_time_that_is_entered_late_clears_the_alert_and_leaves_the_history() -> None:
    story = followed_up()
    visit = story.contact("one", day(20), occurred=day(13))
    assert [type(event) for event in story.said(day(21))] == [FollowUpMissed, AlertRaised, AlertAutoCleared]
    [cleared] = story.said(day(21), about=AlertAutoCleared)
    assert isinstance(cleared, AlertAutoCleared)
    assert cleared.evidence == visit.envelope.event_id


def test_a_visit_where_nobody_was_met_answers_nothing() -> None:
    story = followed_up()
    story.contact(None, day(13), result=ContactResult.NO_SHOW)
    assert story.said(day(16), about=FollowUpMissed)


def test_a_cancelled_follow_up_is_not_missed() -> None:
    story = followed_up()
    story.tell(FollowUpCancelled(case_id=CASE, follow_up_id=some("one"), reason=CancelReason.NO_LONGER_NEEDED), day(10))
    assert story.said(day(20)) == []


def test_the_closure_of_its_case_ends_it() -> None:
    story = followed_up()
    story.close(day(13))
    assert story.said(day(60)) == []


def test_a_closure_that_comes_too_late_clears_its_alert() -> None:
    story = followed_up()
    story.close(day(18))
    assert [type(event) for event in story.said(day(19))] == [FollowUpMissed, AlertRaised, AlertAutoCleared]


def test_a_follow_up_that_was_moved_in_time_is_due_later() -> None:
    story = followed_up()
    story.tell(FollowUpRescheduled(case_id=CASE, follow_up_id=some("one"), due_at=day(20)), day(10))
    assert story.said(day(21)) == []
    [missed] = story.said(day(21.1), about=FollowUpMissed)
    assert isinstance(missed, FollowUpMissed)
    assert (missed.due_at, missed.missed_at) == (day(20), day(21))


def test_the_agency_that_led_when_it_was_missed_answers_for_it_however_late_that_is_decided() -> None:
    story = followed_up()
    story.hand_over(day(17))
    for decided in (day(15.1), day(18)):
        [raised] = story.said(decided, about=AlertRaised)
        assert isinstance(raised, AlertRaised)
        assert raised.agency == LEAD
    earlier = followed_up()
    earlier.hand_over(day(12))
    [raised] = earlier.said(day(18), about=AlertRaised)
    assert isinstance(raised, AlertRaised)
    assert raised.agency == PARTNER


INTERVALS = {"CRITICAL": ["2d"], "HIGH": ["7d"], "MEDIUM": ["14d"], "LOW": ["30d"]}
PRESSING: Policy = TypeAdapter(Policy).validate_python(
    policies.watching(WRITTEN | {"follow_up": {"intervals": INTERVALS, "grace": "1d"}}, "MISSED_FOLLOW_UP")
)

GRACE = {"CRITICAL": "1h", "HIGH": "1d", "MEDIUM": "1d", "LOW": "3d"}
PRESSING_WITH_GRACE: Policy = TypeAdapter(Policy).validate_python(
    policies.watching(WRITTEN | {"follow_up": {"intervals": INTERVALS, "grace": GRACE}}, "MISSED_FOLLOW_UP")
)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.mark.parametrize("told", [day(1), day(4)])
def test_a_case_that_became_critical_before_its_follow_up_was_told_is_due_as_if_it_had_been_from_the_start(told: datetime) -> None:
    """The opening and the rise wait in a relay that stands; the follow-up is scheduled of the opening alone."""
    story = Story(policy=PRESSING)
    story.tell(PriorityChanged(case_id=CASE, priority=Priority.CRITICAL, reason=PriorityReason.CRISIS), told)
    scheduled = FollowUpScheduled(case_id=CASE, follow_up_id=some("one"), due_at=day(14), number=1, counted_from=day(0))
    story.tell(scheduled, day(4.5))
    [raised] = story.said(day(6), about=AlertRaised)
    assert isinstance(raised, AlertRaised)
    assert raised.due_at == day(2)


@pytest.mark.parametrize("due", [day(2), day(30)], ids=["it had not heard", "it had heard"])
@pytest.mark.parametrize("then", [[Priority.LOW], [Priority.LOW, Priority.HIGH]])
def test_a_case_that_was_critical_when_its_follow_up_began_has_no_more_time_by_a_fall(due: datetime, then: list[Priority]) -> None:
    """The fall was told before the follow-up, as where a history is imported: whoever scheduled it had heard of the fall, or hadn't."""
    story = Story(policy=PRESSING_WITH_GRACE)
    story.tell(PriorityChanged(case_id=CASE, priority=Priority.CRITICAL, reason=PriorityReason.CRISIS), day(0.5))
    for number, priority in enumerate(then):
        story.tell(PriorityChanged(case_id=CASE, priority=priority, reason=PriorityReason.CRISIS), day(1.2 + number / 10))
    story.tell(FollowUpScheduled(case_id=CASE, follow_up_id=some("one"), due_at=due + DAY, number=1, counted_from=day(1)), day(1.5))
    [missed] = story.said(day(4), about=FollowUpMissed)
    assert missed == FollowUpMissed(case_id=CASE, follow_up_id=some("one"), due_at=day(3), missed_at=day(3) + HOUR)


def test_what_it_fell_to_before_a_follow_up_began_is_what_it_has() -> None:
    story = Story(policy=PRESSING_WITH_GRACE)
    for at, priority in ((0.5, Priority.CRITICAL), (0.8, Priority.LOW)):
        story.tell(PriorityChanged(case_id=CASE, priority=priority, reason=PriorityReason.CRISIS), day(at))
    story.tell(FollowUpScheduled(case_id=CASE, follow_up_id=some("one"), due_at=day(31), number=1, counted_from=day(1)), day(1.5))
    assert story.said(day(34), about=FollowUpMissed) == []
    assert story.said(day(34.1), about=FollowUpMissed) != []


def test_a_rise_after_a_follow_up_was_missed_changes_nothing_of_it() -> None:
    story = Story(policy=PRESSING)
    story.tell(PriorityChanged(case_id=CASE, priority=Priority.CRITICAL, reason=PriorityReason.CRISIS), day(16))
    story.tell(FollowUpScheduled(case_id=CASE, follow_up_id=some("one"), due_at=day(14), number=1, counted_from=day(0)), day(17))
    [missed] = story.said(day(18), about=FollowUpMissed)
    assert missed == FollowUpMissed(case_id=CASE, follow_up_id=some("one"), due_at=day(14), missed_at=day(15))


def test_a_follow_up_that_was_scheduled_as_critical_keeps_its_day() -> None:
    story = Story(policy=PRESSING)
    story.tell(PriorityChanged(case_id=CASE, priority=Priority.CRITICAL, reason=PriorityReason.CRISIS), day(1))
    scheduled = FollowUpScheduled(case_id=CASE, follow_up_id=some("one"), due_at=day(4), number=2, counted_from=day(2))
    story.tell(scheduled, day(2.1))
    assert story.said(day(5), about=AlertRaised) == []
    assert story.said(day(5.1), about=AlertRaised) != []


class TestImported:
    """A case whose history is imported on day 100: a follow-up due on day 14, and what became of it."""

    def story(self) -> Story:
        story = Story(opened=False)
        story.begin_import(day(100), "intake", "monitoring")
        story.receive(day(100.1))
        story.follow_up("one", due=day(14), at=day(100.2), occurred=day(0), import_id=IMPORT)
        return story

    def test_nothing_is_decided_before_every_owner_has_ended_its_part(self) -> None:
        story = self.story()
        story.complete_import("intake", day(101))
        assert (story.said(day(200)), story.look(day(200))) == ([], None)

    def test_a_miss_that_was_made_up_is_history_and_tells_nobody(self) -> None:
        story = self.story()
        story.contact("one", day(100.3), occurred=day(30), import_id=IMPORT)
        story.complete_import("intake", day(101))
        story.complete_import("monitoring", day(102))
        missed, made_up = story.decisions(day(103))
        assert (missed.event.TYPE, missed.occurred_at) == (FollowUpMissed.TYPE, day(15))
        assert (made_up.event.TYPE, made_up.occurred_at) == (FollowUpMadeUp.TYPE, day(30))

    def test_what_is_open_at_completion_tells_somebody(self) -> None:
        story = self.story()
        story.complete_import("intake", day(101))
        story.complete_import("monitoring", day(102))
        assert story.said(day(102)) == []
        assert [type(event) for event in story.said(day(102.1))] == [FollowUpMissed, AlertRaised]

    def test_completing_it_again_takes_nothing_back(self) -> None:
        story = self.story()
        story.complete_import("intake", day(101))
        story.complete_import("monitoring", day(102))
        before = {one.id for one in story.decisions(day(103))}
        story.contact("one", day(104))
        story.complete_import("monitoring", day(105))
        story.begin_import(day(105.1), "intake", "planning")
        assert before <= {one.id for one in story.decisions(day(106))}
        assert [type(event) for event in story.said(day(106))] == [FollowUpMissed, FollowUpMadeUp, AlertRaised, AlertResolved]

    def test_an_import_that_broke_off_is_complete_with_the_one_that_took_its_place(self) -> None:
        story = self.story()
        story.complete_import("intake", day(101))
        story.begin_import(day(102), "intake", "monitoring", one=some("again"))
        story.complete_import("intake", day(103), one=some("again"))
        assert story.said(day(200)) == []
        story.complete_import("monitoring", day(104), one=some("again"))
        assert [type(event) for event in story.said(day(104.1))] == [FollowUpMissed, AlertRaised]

    def test_an_import_that_is_begun_later_waits_for_itself(self) -> None:
        story = Story(opened=False)
        story.begin_import(day(100), "intake", "monitoring", one=some("first"))
        story.receive(day(100.1))
        story.begin_import(day(101), "intake", "monitoring")
        story.follow_up("one", due=day(14), at=day(101.2), occurred=day(0), import_id=IMPORT)
        story.complete_import("intake", day(102), one=some("first"))
        story.complete_import("monitoring", day(102), one=some("first"))
        assert story.said(day(200)) == []

    def test_what_is_told_after_the_completion_is_decided_from_when_it_is_told(self) -> None:
        story = self.story()
        story.contact("one", day(100.3), occurred=day(10), import_id=IMPORT)
        story.complete_import("intake", day(101))
        story.complete_import("monitoring", day(102))
        story.follow_up("two", due=day(24), at=day(110), occurred=day(10), import_id=IMPORT)
        assert story.said(day(110)) == []
        assert story.look(day(109)) is None
        [missed] = story.said(day(111), about=FollowUpMissed)
        assert isinstance(missed, FollowUpMissed)
        assert missed.follow_up_id == some("two")
