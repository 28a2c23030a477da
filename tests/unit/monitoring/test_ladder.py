"""How an alert climbs: two days with the worker, three with the supervisor, then to the region."""

import pytest
from pydantic import TypeAdapter

from casebus.contracts.intake import Priority, PriorityChanged, PriorityReason
from casebus.contracts.monitoring import (
    AlertAcknowledged,
    AlertCause,
    AlertEscalated,
    AlertRaised,
    AlertResolved,
    Rung,
)
from casebus.event import Event
from services.monitoring.domain.policy import Policy
from tests import policies
from tests.unit.monitoring.story import CASE, LEAD, PARTNER, POLICY, REGION, WRITTEN, Story, day


def raised(*, told: float = 31, policy: Policy = POLICY) -> Story:
    """A case that stalled on day 30; the alert was told on the day that `told` says."""
    story = Story(policy=policy)
    [alert] = story.state(day(told))
    assert isinstance(alert, AlertRaised)
    return story


def alert_of(story: Story) -> AlertRaised:
    [alert] = [fact.event for fact in story.facts if isinstance(fact.event, AlertRaised)]
    return alert


def acknowledge(story: Story, at: float) -> None:
    story.tell(AlertAcknowledged(case_id=CASE, alert_id=alert_of(story).alert_id, rule="STALLED_CASE"), day(at))


def rungs(events: list[Event]) -> list[Rung]:
    return [event.rung for event in events if isinstance(event, AlertEscalated)]


def test_it_climbs_a_rung_a_window_from_when_it_was_told() -> None:
    story = raised()
    assert (story.state(day(33)), story.look(day(33))) == ([], day(33))
    assert rungs(story.state(day(33.5))) == [Rung.SUPERVISOR]
    assert (story.state(day(36)), story.look(day(36))) == ([], day(36))
    assert rungs(story.state(day(36.1))) == [Rung.COORDINATOR]
    assert (story.state(day(300)), story.look(day(300))) == ([], None)


URGENT = {"CRITICAL": "1d", "HIGH": "2d", "MEDIUM": "5d", "LOW": "9d"}
PRESSING: Policy = TypeAdapter(Policy).validate_python(
    policies.watching(WRITTEN | {"ladder": {"WORKER": URGENT, "SUPERVISOR": "3d", "COORDINATOR": {"CRITICAL": "1d"}}}, "STALLED_CASE")
)


@pytest.mark.parametrize(
    ("at", "to", "climbs"),
    [
        (31.5, Priority.CRITICAL, 32),  # counted from when the worker was told
        (34, Priority.CRITICAL, 34),  # nobody climbs before it was known
        (31.5, Priority.HIGH, 33),
        (31.5, Priority.LOW, 36),  # what falls lengthens nothing
        (36.5, Priority.CRITICAL, 36),
    ],
)
def test_a_window_is_shortened_by_a_priority_that_rises(at: float, to: Priority, climbs: float) -> None:
    story = raised(policy=PRESSING)
    story.tell(PriorityChanged(case_id=CASE, priority=to, reason=PriorityReason.OTHER), day(at))
    assert rungs(story.said(day(climbs))) == []
    assert rungs(story.said(day(climbs + 0.01))) == [Rung.SUPERVISOR]


def test_the_top_has_a_window_once_the_case_is_critical() -> None:
    story = raised(policy=PRESSING)
    for at in (36.1, 39.1):
        story.state(day(at))
    assert story.look(day(50)) is None
    story.tell(PriorityChanged(case_id=CASE, priority=Priority.CRITICAL, reason=PriorityReason.OTHER), day(50))
    assert rungs(story.said(day(50.1)))[-1] is Rung.DUTY_AUTHORITY


def test_the_top_is_the_regions_coordinator() -> None:
    story = raised()
    [first] = story.state(day(34))
    [second] = story.state(day(38))
    assert isinstance(first, AlertEscalated)
    assert isinstance(second, AlertEscalated)
    assert (first.target_agency, second.target_agency) == (LEAD, REGION)


def test_what_was_told_late_begins_with_the_worker() -> None:
    story = raised(told=60)
    assert (story.state(day(62)), story.look(day(62))) == ([], day(62))


def test_after_a_blind_month_only_the_highest_rung_is_told() -> None:
    story = raised()
    assert rungs(story.state(day(60))) == [Rung.COORDINATOR]
    assert story.state(day(90)) == []


def test_an_acknowledgement_holds_it_for_one_window() -> None:
    story = raised()
    acknowledge(story, 32)
    assert (story.state(day(33.5)), story.look(day(33.5))) == ([], day(34))
    assert rungs(story.state(day(34.1))) == [Rung.SUPERVISOR]


def test_a_second_acknowledgement_on_a_rung_holds_it_no_longer() -> None:
    story = raised()
    acknowledge(story, 32)
    acknowledge(story, 33.9)
    assert rungs(story.state(day(34.1))) == [Rung.SUPERVISOR]


def test_an_acknowledgement_that_comes_after_the_window_holds_nothing() -> None:
    story = raised()
    acknowledge(story, 33.1)
    assert rungs(story.state(day(33.5))) == [Rung.SUPERVISOR]


def test_each_rung_may_be_acknowledged_anew() -> None:
    story = raised()
    acknowledge(story, 32)
    story.state(day(34.1))
    acknowledge(story, 36)
    assert rungs(story.state(day(38.9))) == []
    assert rungs(story.state(day(39.1))) == [Rung.COORDINATOR]


def test_it_climbs_no_further_once_somebody_has_acted() -> None:
    story = raised()
    event = AlertResolved(case_id=CASE, alert_id=alert_of(story).alert_id, rule="STALLED_CASE", cause=AlertCause.ACTED, evidence=None)
    story.tell(event, day(32))
    assert story.state(day(62)) == []  # then the stall, which nobody explained, had its time again


def test_it_climbs_no_further_once_its_reason_is_gone() -> None:
    story = raised()
    story.contact(None, day(32))
    assert [type(event) for event in story.state(day(32.5))] == [AlertResolved]
    assert rungs(story.state(day(61))) == []


def test_it_climbs_to_whoever_leads_then() -> None:
    story = raised()
    story.hand_over(day(32))
    [step] = story.state(day(34))
    assert isinstance(step, AlertEscalated)
    assert step.target_agency == PARTNER
