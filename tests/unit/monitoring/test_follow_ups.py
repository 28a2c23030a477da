"""What monitoring does of itself: while a case is open it is followed up, and each visit asks for the next."""

from datetime import UTC, date, datetime, timedelta

import pytest

from casebus.contracts.monitoring import (
    CancelReason,
    ContactRecorded,
    ContactResult,
    FollowUpCancelled,
    FollowUpRescheduled,
    FollowUpScheduled,
)
from casebus.errors import Absent, Conflict, Invalid, InvalidEvent
from services.monitoring import commands as asked
from services.monitoring import handlers
from tests.unit.monitoring.fake import FakeWork, closed, opened, reopened
from tests.unit.monitoring.story import CASE, REGION, day, some

FORTNIGHT = timedelta(days=14)


def followed() -> FakeWork:
    """A case that was opened on day 0: its first follow-up is due on day 14."""
    work = FakeWork()
    work.hear(opened(), day(0))
    return work


def test_an_opened_case_is_followed_up_from_its_opening() -> None:
    work = FakeWork()
    [scheduled] = work.hear(opened(), day(0))
    assert isinstance(scheduled, FollowUpScheduled)
    assert (scheduled.due_at, scheduled.number) == (day(14), 1)
    assert work.regions == [REGION]


def test_a_visit_answers_the_follow_up_and_asks_for_the_next() -> None:
    work = followed()
    [first] = work.open_follow_ups()
    noted = work.contact(day(10))
    assert (noted.follow_up_id, noted.next_due_at) == (first.id, day(24))
    recorded, scheduled = work.said()
    assert isinstance(recorded, ContactRecorded)
    assert isinstance(scheduled, FollowUpScheduled)
    assert (recorded.follow_up_id, scheduled.due_at, scheduled.number) == (first.id, day(24), 2)
    answered = work.follow_ups.get(first.id)
    assert answered is not None
    assert (answered.state, answered.done_at) == ("DONE", day(10))


@pytest.mark.parametrize("result", [ContactResult.NO_SHOW, ContactResult.NOT_REACHED, ContactResult.OTHER])
def test_a_visit_where_nobody_was_met_leaves_the_follow_up_open(result: ContactResult) -> None:
    work = followed()
    assert work.contact(day(10), result).follow_up_id is None
    [recorded] = work.said()
    assert isinstance(recorded, ContactRecorded)
    assert recorded.follow_up_id is None
    assert len(work.open_follow_ups()) == 1


def test_a_contact_outside_of_any_period_answers_and_schedules_nothing() -> None:
    work = followed()
    assert work.contact(day(5), answers=False).follow_up_id is None
    assert len(work.said()) == 1
    work.hear(closed(), day(6))
    assert work.contact(day(7)).follow_up_id is None
    assert len(work.said()) == 1
    assert work.open_follow_ups() == []


def test_a_visit_entered_late_counts_from_when_it_took_place() -> None:
    work = followed()
    assert work.contact(day(13), occurred=day(9)).next_due_at == day(23)


def test_a_visit_that_took_place_before_the_last_answer_answers_nothing_more() -> None:
    work = followed()
    work.contact(day(10))
    assert work.contact(day(11), occurred=day(8)).follow_up_id is None
    [following] = work.open_follow_ups()
    assert following.due_at == day(24)


def test_a_visit_before_the_case_was_opened_answers_nothing() -> None:
    assert followed().contact(day(1), occurred=day(-3)).follow_up_id is None


def test_a_case_that_was_under_way_is_followed_up_from_its_first_visit() -> None:
    work = FakeWork()
    assert work.hear(opened(under_way=True), day(0)) == []
    noted = work.contact(day(20))
    assert noted.next_due_at == day(34)
    assert [one.due_at for one in work.open_follow_ups()] == [day(34)]


def test_a_closed_case_s_follow_ups_are_cancelled() -> None:
    work = followed()
    [cancelled] = work.hear(closed(), day(5))
    assert isinstance(cancelled, FollowUpCancelled)
    assert cancelled.reason is CancelReason.CASE_CLOSED
    assert work.open_follow_ups() == []


def test_a_reopened_case_is_followed_up_anew() -> None:
    work = followed()
    work.hear(closed(), day(5))
    [scheduled] = work.hear(reopened(), day(50))
    assert isinstance(scheduled, FollowUpScheduled)
    assert (scheduled.due_at, scheduled.number) == (day(64), 1)


def test_an_opening_that_is_heard_after_the_closure_begins_nothing() -> None:
    work = FakeWork()
    assert work.hear(closed(), day(5)) == []
    assert work.hear(opened(), day(0)) == []
    assert work.open_follow_ups() == []


def test_a_reopening_that_is_heard_before_the_opening_waits_for_region_and_priority() -> None:
    work = FakeWork()
    work.hear(closed(), day(5))
    assert work.hear(reopened(), day(50)) == []
    assert work.regions == []
    [scheduled] = work.hear(opened(), day(0))
    assert isinstance(scheduled, FollowUpScheduled)
    assert (scheduled.due_at, scheduled.number) == (day(64), 1)
    assert work.regions == [REGION]


def test_a_visit_while_the_opening_is_not_heard_moves_what_waits() -> None:
    work = FakeWork()
    work.hear(reopened(), day(50))
    assert work.contact(day(55)).next_due_at is None
    work.said()
    [scheduled] = work.hear(opened(), day(0))
    assert isinstance(scheduled, FollowUpScheduled)
    assert scheduled.due_at == day(69)


def test_a_closure_ends_what_waits() -> None:
    work = FakeWork()
    work.hear(reopened(), day(50))
    work.hear(closed(), day(60))
    assert work.hear(opened(), day(0)) == []


def test_in_any_order_of_the_topics_the_same_is_scheduled() -> None:
    told = [(opened(), day(0)), (closed(), day(5)), (reopened(), day(50))]
    due = set()
    for place in range(3):
        work = FakeWork()
        order = [told[1], told[2]]
        order.insert(place, told[0])
        for event, at in order:
            work.hear(event, at)
        due.add(tuple((one.due_at, one.number) for one in work.open_follow_ups()))
    assert due == {((day(64), 1),)}


def test_an_opening_at_a_time_that_no_calendar_has_is_set_aside() -> None:
    with pytest.raises(InvalidEvent):
        FakeWork().hear(opened(), datetime.max.replace(tzinfo=UTC) - timedelta(days=3))


class TestByHand:
    """A follow-up that somebody schedules, beside the policy's."""

    def schedule(self, work: FakeWork, at: datetime, due_on: date) -> None:
        handlers.schedule_follow_up(some("unused"), asked.ScheduleFollowUp(case_id=CASE, due_on=due_on), work.act(at))
        work.said()

    def test_it_is_due_at_the_end_of_its_day(self) -> None:
        work = followed()
        self.schedule(work, day(1), day(3).date())
        assert [one.due_at for one in work.open_follow_ups()] == [day(3.5), day(14)]

    def test_a_visit_answers_it_and_the_policy_s_own_stays(self) -> None:
        work = followed()
        self.schedule(work, day(1), day(3).date())
        assert work.contact(day(3)).next_due_at is None
        assert [one.due_at for one in work.open_follow_ups()] == [day(14)]

    def test_one_that_lies_far_ahead_does_not_take_the_policy_s_place(self) -> None:
        work = followed()
        self.schedule(work, day(1), day(300).date())
        assert work.contact(day(10)).next_due_at == day(24)
        assert [one.due_at for one in work.open_follow_ups()] == [day(24), day(300.5)]

    @pytest.mark.parametrize("due_on", [day(0).date(), date.max, date.min, day(9000).date()])
    def test_a_day_that_has_passed_or_is_beyond_planning_is_refused(self, due_on: date) -> None:
        with pytest.raises(Invalid):
            self.schedule(followed(), day(1), due_on)

    def test_a_case_that_is_not_open_has_none(self) -> None:
        work = followed()
        work.hear(closed(), day(2))
        with pytest.raises(Conflict):
            self.schedule(work, day(3), day(5).date())


def test_a_follow_up_can_be_moved_twice() -> None:
    work = followed()
    [first] = work.open_follow_ups()
    for due in (day(15), day(16)):
        handlers.reschedule_follow_up(first.id, asked.RescheduleFollowUp(due_on=due.date()), work.act(day(2)))
        [moved] = work.said()
        assert isinstance(moved, FollowUpRescheduled)
        assert moved.due_at == due + timedelta(hours=12)
    with pytest.raises(Conflict, match="supervisor"):
        handlers.reschedule_follow_up(first.id, asked.RescheduleFollowUp(due_on=day(17).date()), work)


def test_a_follow_up_whose_time_has_passed_is_not_moved() -> None:
    work = followed()
    [first] = work.open_follow_ups()
    with pytest.raises(Conflict, match="passed"):
        handlers.reschedule_follow_up(first.id, asked.RescheduleFollowUp(due_on=day(20).date()), work.act(day(14)))


def test_the_policy_s_next_takes_the_place_of_a_cancelled_one() -> None:
    work = followed()
    [first] = work.open_follow_ups()
    cancel = asked.CancelFollowUp(reason=CancelReason.CLIENT_DECLINED)
    assert handlers.cancel_follow_up(first.id, cancel, work.act(day(3))).state == "CANCELLED"
    assert [type(event) for event in work.said()] == [FollowUpCancelled, FollowUpScheduled]
    assert [one.due_at for one in work.open_follow_ups()] == [day(17)]


def test_what_was_answered_or_cancelled_can_not_be_cancelled() -> None:
    work = followed()
    [first] = work.open_follow_ups()
    work.contact(day(3))
    with pytest.raises(Conflict, match="DONE"):
        handlers.cancel_follow_up(first.id, asked.CancelFollowUp(reason=CancelReason.OTHER), work)
    with pytest.raises(Absent):
        handlers.cancel_follow_up(some("other"), asked.CancelFollowUp(reason=CancelReason.OTHER), work)
