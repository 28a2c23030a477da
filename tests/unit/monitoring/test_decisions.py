"""Decisions are the same whenever they are made and however the facts came; their ids are stable, so that each is stated once."""

from datetime import datetime, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from casebus.contracts.monitoring import CancelReason, FollowUpCancelled, FollowUpRescheduled
from casebus.contracts.planning import PlanAgreed
from casebus.contracts.referral import ReferralWithdrawn, WithdrawReason
from casebus.event import Event
from services.monitoring.domain.decision import Decision
from tests.unit.monitoring.story import CASE, IMPORT, PARTNER, Story, day, some

Known = dict[object, tuple[Event, str, datetime | None, object]]


def known(decisions: list[Decision]) -> Known:
    return {one.id: (one.event, one.agency, one.occurred_at, one.because.envelope.event_id) for one in decisions}


ACTS = ("schedule", "visit", "late visit", "miss", "move", "cancel", "offer", "accept", "withdraw", "agree", "close", "late close", "hand over")


@st.composite
def stories(draw: st.DrawFn) -> tuple[Story, datetime]:
    """A case in which anything happens, perhaps begun by an import; and the end of what is known of it."""
    story, now = (_imported(draw), 3.0) if draw(st.booleans()) else (Story(), 0.0)
    closed, number, offers = False, 0, 0
    for act in draw(st.lists(st.sampled_from(ACTS), max_size=14)):
        now += draw(st.sampled_from([0.5, 2, 5, 13, 40]))
        at, before = day(now), day(max(0.1, now - draw(st.sampled_from([1, 6, 20]))))
        name = f"follow-up {draw(st.integers(0, number))}"
        match act:
            case "schedule":
                number += 1
                story.follow_up(f"follow-up {number}", due=at + timedelta(days=draw(st.integers(0, 20))), at=at)
            case "visit" | "late visit":
                story.contact(name, at, **({"occurred": before} if act == "late visit" else {}))
            case "move":
                moved = FollowUpRescheduled(case_id=CASE, follow_up_id=some(name), due_at=at + timedelta(days=draw(st.integers(-3, 20))))
                story.tell(moved, at)
            case "cancel":
                story.tell(FollowUpCancelled(case_id=CASE, follow_up_id=some(name), reason=CancelReason.OTHER), at)
            case "offer":
                offers += 1
                story.offer(f"offer {offers}", at)
            case "accept":
                story.accept(f"offer {draw(st.integers(0, offers))}", at)
            case "withdraw":
                one = some(f"offer {draw(st.integers(0, offers))}")
                story.tell(ReferralWithdrawn(case_id=CASE, referral_id=one, agency=PARTNER, reason=WithdrawReason.OTHER), at)
            case "agree":
                story.tell(PlanAgreed(case_id=CASE, plan_version=1, goals=1, steps=1), at)
            case "close" | "late close" if not closed:
                story.close(at, **({"occurred": before} if act == "late close" else {}))
                closed = True
            case "close":
                story.reopen(at)
                closed = False
            case "hand over":
                story.hand_over(at)
    return story, day(now + 60)


def _imported(draw: st.DrawFn) -> Story:
    """Received, opened and followed up long ago, imported on days 1 to 3."""
    story = Story(opened=False)
    story.begin_import(day(1), "intake", "monitoring")
    story.receive(day(1.1))
    due = day(draw(st.integers(-90, 10)))
    story.follow_up("follow-up 0", due=due, at=day(1.2), occurred=day(-100), import_id=IMPORT)
    for number in range(draw(st.integers(0, 2))):
        story.contact("follow-up 0", day(1.3 + number / 10), occurred=day(-80 + 40 * number), import_id=IMPORT)
    if draw(st.booleans()):
        story.close(day(1.6), occurred=day(-20), import_id=IMPORT)
        story.reopen(day(1.7))
    story.complete_import("intake", day(2))
    story.complete_import("monitoring", day(2.5))
    return story


@settings(max_examples=150, deadline=None)
@given(stories(), st.lists(st.floats(0, 260), max_size=12), st.randoms(use_true_random=False))
def test_looking_often_or_once_in_any_order_of_arrival_decides_the_same(told: tuple[Story, datetime], looks: list[float], dice: Random) -> None:
    story, end = told
    at_last = known(story.decisions(end))
    for number in sorted(looks):
        dice.shuffle(story.facts)
        if day(number) <= end:
            for one, said in known(story.decisions(day(number))).items():
                assert at_last[one] == said


@settings(max_examples=60, deadline=None)
@given(stories())
def test_following_the_moments_to_look_at_misses_nothing(told: tuple[Story, datetime]) -> None:
    """As the worker does: at each fact and at each moment that the last look named, a moment past it."""
    story, end = told
    made: Known = {}
    moments = sorted({fact.recorded_at for fact in story.facts})
    now: datetime | None = moments[0]
    while now is not None and now < end:
        watermark = now + timedelta.resolution
        made |= known(story.decisions(watermark))
        look = story.look(watermark)
        now = min((moment for moment in (look, *moments) if moment is not None and moment > now), default=None)
    assert made == known(story.decisions(end))


@settings(max_examples=40, deadline=None)
@given(stories())
def test_no_decision_has_two_meanings(told: tuple[Story, datetime]) -> None:
    story, end = told
    decisions = story.decisions(end)
    assert len({one.id for one in decisions}) == len(decisions)
    assert all(one.agency for one in decisions)


def test_a_case_without_its_beginning_accuses_nobody() -> None:
    story = Story(opened=False)
    story.follow_up("one", due=day(1), at=day(0))
    assert (story.decisions(day(100)), story.look(day(100))) == ([], None)
