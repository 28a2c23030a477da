"""An alert lies in the trace of the request that armed its clock."""

from collections import Counter
from datetime import timedelta

import pytest

from services.monitoring import clocks
from tests.integration.monitoring.test_clocks import MISSED
from tests.integration.monitoring.world import Case, World
from tests.spans import Spans, collected, links, trace_of, written
from tests.unit.monitoring.story import day

ASKED = f"00-{'a' * 32}-{'b' * 16}-01"


def asked(number: int) -> str:
    return f"00-{number:032x}-{number:016x}-01"


def carried(world: World, case: Case) -> list[tuple[str, str]]:
    """The types of monitoring's events of the case, in order, each with its context."""
    rows = world.rows(
        "SELECT split_part(attributes ->> 'type', '.', 2), attributes ->> 'traceparent' FROM own.outbox WHERE subject = :id ORDER BY id",
        id=case.id,
    )
    return [(kind, trace) for kind, trace in rows]


def decided(spans: Spans) -> dict[str, str]:
    """The contexts of what was decided, by the event."""
    return {span.name.removeprefix("decide "): written(span.context) for span in spans.all() if span.name.startswith("decide ")}


def test_an_alert_and_its_climb_lie_in_the_trace_of_what_armed_it(world: World) -> None:
    world.asked = ASKED
    case = Case(world).receive(day(-0.5)).open(day(0))
    case.plan(day(0.01))
    world.go(day(1))
    with collected() as spans:
        world.go(day(15.5))
        world.go(day(15.5) + timedelta(days=4))
    made = decided(spans)
    assert carried(world, case) == [
        ("FollowUpScheduled", ASKED),
        *((kind, made[kind]) for kind in ("FollowUpMissed", "AlertRaised", "AlertEscalated")),
    ]
    [raised] = spans.named("decide AlertRaised")
    [climbed] = spans.named("decide AlertEscalated")
    assert {trace_of(raised), trace_of(climbed)} == {ASKED[3:35]}
    assert written(raised.parent) == ASKED
    assert written(climbed.parent) == written(raised.context)
    assert (raised.attributes or {})["continuum.rule"] == "MISSED_FOLLOW_UP"
    assert [ASKED] in [links(span) for span in spans.named("look at clocks")]


def test_after_an_outage_most_alerts_carry_their_cause_without_a_span_each(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "MARKED", 2)
    cases = []
    for number in range(1, 5):
        world.asked = asked(number)
        cases.append(Case(world, f"case {number}").receive(day(-0.5)).open(day(0)))
        cases[-1].plan(day(0.01))
    world.go(day(1))
    with collected() as spans:
        world.go(day(15.5))
    assert [world.said(case.id) for case in cases] == [MISSED] * 4
    marked = Counter(span.name for span in spans.all() if span.name.startswith("decide "))
    assert marked == {"decide FollowUpMissed": 2, "decide AlertRaised": 2}, "of each kind as many"
    for number, case in enumerate(cases, 1):
        assert {trace[3:35] for _, trace in carried(world, case)} == {asked(number)[3:35]}
