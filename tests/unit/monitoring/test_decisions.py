"""Decisions are the same whenever they are made and however the facts came; their ids are stable, so that each is stated once."""

from datetime import datetime, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from casebus.contracts.monitoring import AlertEscalated
from casebus.event import Event
from services.monitoring.domain.decision import Decision
from services.monitoring.domain.policy import RUNGS
from tests.unit.monitoring.life import stories
from tests.unit.monitoring.story import Story, day

Known = dict[object, tuple[Event, str, datetime | None, object]]


def known(decisions: list[Decision]) -> Known:
    """All but the rungs: of those only the highest is told, so that it matters how often somebody looks."""
    steady = (one for one in decisions if not isinstance(one.event, AlertEscalated))
    return {one.id: (one.event, one.agency, one.occurred_at, one.because.envelope.event_id) for one in steady}


def climbed(story: Story, watermark: datetime) -> dict[object, int]:
    """How high each alert has been told by then."""
    told = (fact.event for fact in story.facts if fact.recorded_at < watermark)
    rungs: dict[object, int] = {}
    for event in (*told, *story.said(watermark)):
        if isinstance(event, AlertEscalated):
            rungs[event.alert_id] = max(RUNGS.index(event.rung), rungs.get(event.alert_id, 0))
    return rungs


@settings(max_examples=150, deadline=None)
@given(stories(), st.lists(st.floats(0, 260), max_size=12), st.randoms(use_true_random=False))
def test_looking_often_or_once_in_any_order_decides_the_same(told: tuple[Story, datetime], looks: list[float], dice: Random) -> None:
    story, end = told
    at_last, highest = known(story.decisions(end)), climbed(story, end)
    for number in sorted(looks):
        dice.shuffle(story.facts)
        if day(number) <= end:
            for one, said in known(story.decisions(day(number))).items():
                assert at_last[one] == said
            assert all(rung <= highest[alert] for alert, rung in climbed(story, day(number)).items())


@settings(max_examples=60, deadline=None)
@given(stories())
def test_following_the_moments_to_look_at_misses_nothing(told: tuple[Story, datetime]) -> None:
    """As the worker does: at each fact and at each moment that the last look named, a moment past it."""
    story, end = told
    made: Known = {}
    rungs: dict[object, int] = {}
    moments = sorted({fact.recorded_at for fact in story.facts})
    now: datetime | None = moments[0]
    while now is not None and now < end:
        watermark = now + timedelta.resolution
        made |= known(story.decisions(watermark))
        rungs |= climbed(story, watermark)
        look = story.look(watermark)
        now = min((moment for moment in (look, *moments) if moment is not None and moment > now), default=None)
    assert made == known(story.decisions(end))
    assert rungs == climbed(story, end)


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
