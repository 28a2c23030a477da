"""The verdict is a pure function of the facts below the watermark: order changes nothing, and what was said stays said."""

from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casebus.contracts.monitoring import CancelReason, FollowUpCancelled, FollowUpRescheduled
from services.monitoring.domain.clock import Clock, Ending, State, Verdict, judge
from services.monitoring.domain.course import Retime
from services.monitoring.domain.fact import Fact
from tests.unit.monitoring.story import CASE, IMPORT, MONDAY, Story, some

seconds = st.integers(0, 12)


def at(second: int) -> datetime:
    return MONDAY + timedelta(seconds=second)


class Told(NamedTuple):
    """A clock's facts, all that will ever be recorded, and when its import is complete (None: it is live)."""

    start: Fact
    deadline: datetime
    stops: list[Fact]
    ends: list[Fact]
    retimes: list[Retime]
    complete: datetime | None

    def below(self, watermark: datetime, order: Random) -> Clock:
        def known(facts: list[Fact]) -> tuple[Fact, ...]:
            found = [fact for fact in facts if fact.recorded_at < watermark]
            return tuple(order.sample(found, len(found)))

        moved = [retime for retime in self.retimes if retime.fact.recorded_at < watermark]
        retimes = tuple(order.sample(moved, len(moved)))
        return Clock(
            subject=CASE,
            start=self.start,
            due=self.deadline,
            deadline=self.deadline,
            stops=known(self.stops),
            ends=known(self.ends),
            retimes=retimes,
        )

    def judged(self, watermark: datetime, order: Random) -> Verdict:
        if self.complete is None:
            decidable: datetime | None = self.start.recorded_at
        else:
            decidable = self.complete if self.complete < watermark else None
        return judge(self.below(watermark, order), watermark, decidable)


@st.composite
def told(draw: st.DrawFn) -> Told:
    story = Story(opened=False)
    begun = draw(seconds)
    imported = draw(st.booleans())
    start = story.follow_up("one", due=at(0), at=at(begun), occurred=at(0) if imported else None, import_id=IMPORT if imported else None)
    facts = Told(start, at(draw(seconds)), [], [], [], at(begun + draw(seconds)) if imported else None)
    for second in sorted(draw(st.lists(seconds, max_size=5))):
        late = draw(st.integers(0, 6))
        occurred = at(max(0, begun + second - late)) if late else None
        match draw(st.sampled_from(["stop", "stop", "end", "retime"])):
            case "stop":
                facts.stops.append(story.contact("one", at(begun + second), occurred=occurred))
            case "end":
                facts.ends.append(story.close(at(begun + second), occurred=occurred))
            case _:
                moved = at(draw(seconds))
                event = FollowUpRescheduled(case_id=CASE, follow_up_id=some("one"), due_at=moved)
                facts.retimes.append(Retime(fact=story.tell(event, at(begun + second)), due=moved, deadline=moved))
    return facts


@settings(max_examples=400, deadline=None)
@given(told(), st.randoms(use_true_random=False))
def test_what_was_said_stays_said_in_any_order_of_arrival(facts: Told, dice: Random) -> None:
    said: Verdict | None = None
    for second in range(30):
        verdict = facts.judged(at(second), dice)
        assert verdict == facts.judged(at(second), Random(0))
        assert verdict.look is None or verdict.look >= at(second)
        if said is not None:
            assert (verdict.state, verdict.due, verdict.deadline, verdict.history) == (said.state, said.due, said.deadline, said.history)
            assert said.evidence is None or (verdict.evidence, verdict.ending) == (said.evidence, said.ending)
        said = verdict if verdict.state is not State.RUNNING else None


@settings(max_examples=400, deadline=None)
@given(told(), st.integers(0, 28), st.integers(1, 10))
def test_without_a_new_fact_nothing_is_decided_before_the_moment_to_look_at(facts: Told, second: int, later: int) -> None:
    before, after = at(second), at(second + later)
    moments = [fact.recorded_at for fact in (*facts.stops, *facts.ends, *(r.fact for r in facts.retimes))]
    if any(before <= moment < after for moment in (*moments, *([facts.complete] if facts.complete else []))):
        return
    verdict = facts.judged(before, Random(0))
    if verdict.look is None or verdict.look >= after:
        assert facts.judged(after, Random(0)) == verdict


class TestOneClock:
    """Due at second 10, unless told otherwise."""

    def clock(self, *stops: Fact, ends: tuple[Fact, ...] = (), retimes: tuple[Retime, ...] = ()) -> Clock:
        start = Story(opened=False).follow_up("one", due=at(10), at=at(0))
        return Clock(subject=CASE, start=start, due=at(10), deadline=at(10), stops=stops, ends=ends, retimes=retimes)

    def test_it_runs_until_the_watermark_is_greater_than_its_deadline(self) -> None:
        assert judge(self.clock(), at(10), at(0)).look == at(10)
        assert judge(self.clock(), at(10), at(0)).state is State.RUNNING
        assert judge(self.clock(), at(11), at(0)).state is State.BREACHED

    def test_a_stop_in_time_meets_it(self) -> None:
        assert judge(self.clock(Story(opened=False).contact("one", at(10))), at(11), at(0)).state is State.MET

    def test_a_late_stop_makes_up_for_it(self) -> None:
        verdict = judge(self.clock(Story(opened=False).contact("one", at(12))), at(13), at(0))
        assert (verdict.state, verdict.ending, verdict.history) == (State.BREACHED, Ending.MADE_UP, False)

    def test_a_stop_in_time_that_is_told_late_clears_it(self) -> None:
        verdict = judge(self.clock(Story(opened=False).contact("one", at(20), occurred=at(9))), at(21), at(0))
        assert (verdict.state, verdict.ending, verdict.history) == (State.BREACHED, Ending.CLEARED, False)

    def test_the_end_of_its_subject_cancels_it_in_time_and_ends_the_breach_later(self) -> None:
        assert judge(self.clock(ends=(Story(opened=False).close(at(5)),)), at(6), at(0)).state is State.CANCELLED
        assert judge(self.clock(ends=(Story(opened=False).close(at(15)),)), at(16), at(0)).ending is Ending.ENDED

    def test_history_is_not_decided_before_its_import_is_complete(self) -> None:
        assert judge(self.clock(), at(100), None) == Verdict(state=State.RUNNING, due=at(10), deadline=at(10))
        assert judge(self.clock(), at(50), at(50)).look == at(50)
        assert judge(self.clock(), at(51), at(50)).state is State.BREACHED

    @pytest.mark.parametrize(("recorded", "history"), [(49, True), (50, True), (51, False)])
    def test_a_late_stop_that_is_known_at_completion_is_history(self, recorded: int, *, history: bool) -> None:
        stop = Story(opened=False).contact("one", at(recorded), occurred=at(12), import_id=IMPORT)
        verdict = judge(self.clock(stop), at(60), at(50))
        assert (verdict.ending, verdict.history) == (Ending.MADE_UP, history)

    def test_a_retime_counts_if_it_is_recorded_by_the_deadline_that_it_changes(self) -> None:
        moved = FollowUpRescheduled(case_id=CASE, follow_up_id=some("one"), due_at=at(20))
        in_time, late = Story(opened=False).tell(moved, at(10)), Story(opened=False).tell(moved, at(11))
        assert judge(self.clock(retimes=(Retime(fact=in_time, due=at(20), deadline=at(20)),)), at(12), at(0)).look == at(20)
        assert judge(self.clock(retimes=(Retime(fact=late, due=at(20), deadline=at(20)),)), at(12), at(0)).state is State.BREACHED

    def test_what_was_met_cannot_be_moved_into_a_breach(self) -> None:
        story = Story(opened=False)
        stop = story.contact("one", at(8))
        moved = story.tell(FollowUpRescheduled(case_id=CASE, follow_up_id=some("one"), due_at=at(5)), at(9))
        assert judge(self.clock(stop, retimes=(Retime(fact=moved, due=at(5), deadline=at(5)),)), at(30), at(0)).state is State.MET

    def test_what_is_told_first_ends_a_breach_for_good(self) -> None:
        story = Story(opened=False)
        late = story.contact("one", at(12))
        cancelled = story.tell(FollowUpCancelled(case_id=CASE, follow_up_id=some("one"), reason=CancelReason.OTHER), at(13))
        verdict = judge(self.clock(late, ends=(cancelled,)), at(30), at(0))
        assert (verdict.ending, verdict.evidence) == (Ending.MADE_UP, late)
