"""A suspended case rests, and so do its clocks; a raised priority keeps the time that has passed (domain.md, checks 5 and 6)."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casebus.contracts.intake import Priority, PriorityChanged, PriorityReason
from casebus.contracts.monitoring import AlertAutoCleared, AlertRaised, FollowUpMissed, FollowUpScheduled
from casebus.contracts.planning import CaseResumed, CaseSuspended, StepKind, StepPlanned, SuspendReason
from casebus.envelope import Origin
from casebus.errors import Conflict
from casebus.event import Event
from services.monitoring import commands as asked
from services.monitoring import handlers
from tests.unit.monitoring.fake import FakeWork, opened
from tests.unit.monitoring.story import CASE, PARTNER, Story, day, some, watching

RULES = ("STALLED_CASE", "MISSED_FOLLOW_UP", "REFERRAL_UNANSWERED", "STEP_OVERDUE", "PLAN_OVERDUE")


def suspended(review: float = 30) -> CaseSuspended:
    return CaseSuspended(case_id=CASE, reason=SuspendReason.CLIENT_AWAY, review_on=day(review).date())


def resumed() -> CaseResumed:
    return CaseResumed(case_id=CASE)


def busy(rule: str) -> Story:
    """On day 0 a clock of each of the rules starts; one is watched."""
    story = Story(policy=watching(rule))
    story.follow_up("one", due=day(14), at=day(0.01))
    story.offer("first", day(0.02))
    story.tell(StepPlanned(case_id=CASE, step_id=some("s"), kind=StepKind.DIRECT, agency=PARTNER, due_on=day(6).date()), day(0.03))
    return story


def due(story: Story, watermark: float = 200) -> datetime:
    [raised] = story.said(day(watermark), about=AlertRaised)
    assert isinstance(raised, AlertRaised)
    return raised.due_at


@pytest.mark.parametrize("rule", RULES)
def test_five_days_of_rest_move_what_is_due_by_five_days(rule: str) -> None:
    plain, rested = busy(rule), busy(rule)
    rested.tell(suspended(), day(1))
    rested.tell(resumed(), day(6))
    assert due(rested) == due(plain) + timedelta(days=5)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(RULES), st.floats(0.1, 2), st.floats(0, 40), st.integers(3, 30))
def test_any_rest_moves_by_as_long_as_it_lasted_or_to_its_review(rule: str, begin: float, length: float, review: int) -> None:
    plain, rested = busy(rule), busy(rule)
    rested.tell(suspended(review), day(begin))
    rested.tell(resumed(), day(begin + length))
    until = day(review) + timedelta(hours=12)  # the end of that day
    assert due(rested) - due(plain) == min(day(begin + length), until) - day(begin)


def test_nobody_who_resumes_it_is_needed_for_the_clocks_to_run_on() -> None:
    story = busy("STALLED_CASE")
    story.tell(suspended(10), day(1))
    assert story.said(day(39)) == []
    assert due(story, 41) == day(30) + timedelta(days=9, hours=12)


def test_a_rest_that_begins_when_it_was_missed_already_changes_nothing() -> None:
    story = busy("REFERRAL_UNANSWERED")
    story.tell(suspended(), day(3.5))
    assert [type(event) for event in story.said(day(4))] == [AlertRaised]


def test_what_begins_during_a_rest_begins_with_its_end() -> None:
    story = Story(policy=watching("REFERRAL_UNANSWERED"))
    story.tell(suspended(), day(1))
    story.offer("first", day(2))
    story.tell(resumed(), day(10))
    assert due(story) == day(12)


def test_two_rests_add_up_and_the_end_of_the_case_ends_one() -> None:
    story = busy("STALLED_CASE")
    for begin, end in ((1, 3), (10, 14)):
        story.tell(suspended(), day(begin))
        story.tell(resumed(), day(end))
    assert due(story) == day(36)
    story.tell(suspended(), day(20))
    story.close(day(21))
    story.reopen(day(22))
    assert due(story) == day(52)


def test_what_was_done_during_a_rest_is_done() -> None:
    story = busy("REFERRAL_UNANSWERED")
    story.tell(suspended(), day(1))
    story.accept("first", day(9))
    story.tell(resumed(), day(10))
    assert story.said(day(100)) == []


def test_a_rest_that_ended_earlier_than_was_told_makes_nobody_late_before_that_was_known() -> None:
    story = busy("REFERRAL_UNANSWERED")
    story.tell(suspended(), day(1))
    story.tell(resumed(), day(20), occurred=day(2))
    assert due(story, 21) == day(3) + timedelta(hours=0.48)
    story.accept("first", day(22), occurred=day(15))
    assert [type(event) for event in story.said(day(23))] == [AlertRaised, AlertAutoCleared]


def test_a_raised_priority_keeps_the_time_that_has_passed_and_the_rests() -> None:
    story = Story(policy=watching("PLAN_OVERDUE"))
    story.tell(suspended(), day(1))
    story.tell(resumed(), day(3))
    story.tell(PriorityChanged(case_id=CASE, priority=Priority.HIGH, reason=PriorityReason.CRISIS), day(8))
    story.tell(PriorityChanged(case_id=CASE, priority=Priority.LOW, reason=PriorityReason.RISK_FELL), day(9))
    assert due(story) == day(16)


def scheduled(work: FakeWork, event: Event) -> FollowUpScheduled:
    """The follow-up that follows from this."""
    [said] = work.hear(event, day(0))
    assert isinstance(said, FollowUpScheduled)
    return said


def test_a_rest_that_began_after_something_was_due_moves_only_when_it_is_missed() -> None:
    """Due on day 14, missed a day later: while the case rests nobody becomes late, but it was due before."""
    story = busy("MISSED_FOLLOW_UP")
    story.tell(suspended(), day(14.5))
    story.tell(resumed(), day(18.5))
    assert story.said(day(19)) == []
    assert due(story, 19.1) == day(14)
    [missed] = story.said(day(19.1), about=FollowUpMissed)
    assert isinstance(missed, FollowUpMissed)
    assert (missed.due_at, missed.missed_at) == (day(14), day(19))


def test_a_raised_priority_may_make_it_due_before_the_rest_began() -> None:
    """By HIGH it was due on day 14; the rest came on day 16, when 30 days were left."""
    story = busy("PLAN_OVERDUE")
    story.tell(suspended(), day(16))
    story.tell(resumed(), day(20))
    story.tell(PriorityChanged(case_id=CASE, priority=Priority.HIGH, reason=PriorityReason.OTHER), day(21))
    assert story.said(day(21)) == []
    assert due(story, 21.1) == day(14)


def test_a_follow_up_shows_the_time_that_its_clock_has() -> None:
    """The API's due time and the clock's move by the same, at the beginning of a rest and at its end."""
    work, story = FakeWork(), Story(policy=watching("MISSED_FOLLOW_UP"))
    story.tell(scheduled(work, opened()), day(0))
    for event, at, shown in ((suspended(10), 2, day(22.5)), (resumed(), 7, day(19))):
        assert work.hear(event, day(at)) == []
        story.tell(event, day(at))
        [one] = work.open_follow_ups()
        assert one.due_at == shown
        assert due_of_follow_up(story) == shown


def test_a_follow_up_that_was_due_before_the_rest_shows_that() -> None:
    """In the day of its grace: the rest moves when it is missed, not when it was due."""
    work = FakeWork()
    scheduled(work, opened())
    for event, at in ((suspended(20), 14.5), (resumed(), 16)):
        work.hear(event, day(at))
        [one] = work.open_follow_ups()
        assert one.due_at == day(14)


def due_of_follow_up(story: Story) -> datetime:
    [missed] = story.said(day(200), about=FollowUpMissed)
    assert isinstance(missed, FollowUpMissed)
    return missed.due_at


def test_a_follow_up_that_is_scheduled_during_a_rest_is_due_after_it() -> None:
    work = FakeWork()
    work.hear(opened(), day(0))
    work.hear(suspended(10), day(2))
    assert work.contact(day(5)).next_due_at == day(19) + timedelta(days=5, hours=12)
    work.hear(resumed(), day(6))
    [one] = work.open_follow_ups()
    assert one.due_at == day(20)


def test_a_follow_up_that_is_told_late_keeps_the_rest_that_lay_before_it_was_told() -> None:
    """Counted from day 0. The case rests from day 2, and monitoring hears of the opening half a day after that."""
    work, story = FakeWork(), Story(policy=watching("MISSED_FOLLOW_UP"))
    work.hear(suspended(10), day(2))
    story.tell(suspended(10), day(2))
    story.tell(scheduled(work, opened()), day(2.5), origin=Origin.SYSTEM)
    work.hear(resumed(), day(7))
    story.tell(resumed(), day(7))
    [one] = work.open_follow_ups()
    assert one.due_at == due_of_follow_up(story) == day(19)


def test_a_visit_that_is_entered_after_a_rest_was_made_before_it() -> None:
    """Of day 1, entered on day 8: the next one is counted from day 1, and the case rested from day 2 to day 6."""
    work, story = FakeWork(), Story(policy=watching("MISSED_FOLLOW_UP"))
    work.hear(opened(), day(0))
    for event, at in ((suspended(10), 2), (resumed(), 6)):
        work.hear(event, day(at))
        story.tell(event, day(at))
    shown = work.contact(day(8), occurred=day(1)).next_due_at
    [_, following] = work.said()
    story.tell(following, day(8), occurred=day(1))
    assert shown == due_of_follow_up(story) == day(19)


def test_what_was_due_before_a_rest_that_is_over_is_not_moved_by_it() -> None:
    work = FakeWork()
    work.hear(opened(), day(0))
    for event, at in ((suspended(25), 16), (resumed(), 20)):
        work.hear(event, day(at))
    assert work.contact(day(21), occurred=day(1)).next_due_at == day(15)


@settings(max_examples=200, deadline=None)
@given(st.floats(0, 12), st.floats(0, 12), st.floats(0, 12), st.floats(0, 12))
def test_whenever_a_rest_and_a_visit_are_told_the_next_is_due_by_both(begin: float, length: float, made: float, entered: float) -> None:
    """The API's due time is the clock's."""
    work, story = FakeWork(), Story(policy=watching("MISSED_FOLLOW_UP"))
    work.hear(opened(), day(0))
    told: list[tuple[float, Event | None]] = [(begin, suspended()), (begin + length, resumed()), (made + entered, None)]
    for at, event in sorted(told, key=lambda one: one[0]):
        if event is not None:
            work.hear(event, day(at))
            story.tell(event, day(at))
        else:
            work.contact(day(at), occurred=day(made))
            [_, following] = work.said()
            story.tell(following, day(at), occurred=day(made))
    [one] = work.open_follow_ups()
    assert one.due_at == due_of_follow_up(story)


def test_no_day_is_chosen_while_the_case_rests() -> None:
    work = FakeWork()
    work.hear(opened(), day(0))
    work.hear(suspended(10), day(2))
    [one] = work.open_follow_ups()
    with pytest.raises(Conflict, match="resume it first"):
        handlers.reschedule_follow_up(one.id, asked.RescheduleFollowUp(due_on=date(2026, 1, 12)), work.act(day(3)))
    with pytest.raises(Conflict, match="resume it first"):
        handlers.schedule_follow_up(CASE, asked.ScheduleFollowUp(case_id=CASE, due_on=date(2026, 1, 12)), work)
    handlers.schedule_follow_up(CASE, asked.ScheduleFollowUp(case_id=CASE, due_on=date(2026, 1, 30)), work.act(day(12)))
