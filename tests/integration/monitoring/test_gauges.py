"""What monitoring tells of its clocks, its alerts and its blindness."""

from datetime import timedelta

import pytest

from services.monitoring import gauges
from services.monitoring.gauges import States
from tests.integration.monitoring.test_clocks import opened
from tests.integration.monitoring.world import OWNERS, World, worker
from tests.readings import reading
from tests.unit.monitoring.story import day


def alerts(rung: str) -> float | None:
    return reading("continuum_alerts_open", rule="MISSED_FOLLOW_UP", rung=rung)


def test_clocks_and_open_alerts_are_told_by_rule_and_rung(world: World) -> None:
    states = States(OWNERS)
    opened(world, "one")
    case = opened(world, "two")
    world.reading(states.look_up)
    assert (reading("continuum_clocks_armed"), reading("continuum_clocks_due")) == (2, 0)
    late = reading("continuum_clock_lateness_seconds_count") or 0
    world.step(day(15.5))
    world.settle()
    world.state(day(15.5))
    world.reading(states.look_up)
    assert reading("continuum_clocks_due") == 2
    world.go(day(15.5))
    world.reading(states.look_up)
    assert (alerts("WORKER"), reading("continuum_clocks_due")) == (2, 0)
    assert (reading("continuum_clock_lateness_seconds_count") or 0) - late == 4, "two follow-ups were missed, two alerts raised"
    case.contact(worker())
    world.go(day(15.5) + timedelta(minutes=1))
    world.reading(states.look_up)
    assert alerts("WORKER") == 1
    world.go(day(15.5) + timedelta(days=4))
    world.reading(states.look_up)
    assert (alerts("WORKER"), alerts("SUPERVISOR")) == (0, 1)


def test_a_crowd_of_open_alerts_is_counted_so_far_and_no_farther(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it costs does not grow with what is open (casebus/gauges.py)."""
    for name in ("one", "two", "three"):
        opened(world, name)
    world.go(day(15.5))
    states = States(OWNERS)
    world.reading(states.look_up)
    assert alerts("WORKER") == 3
    monkeypatch.setattr(gauges, "COUNTED", 2)
    world.reading(states.look_up)
    assert alerts("WORKER") == 2


def test_an_owner_for_whom_monitoring_is_blind_is_told(world: World) -> None:
    states = States(OWNERS)
    world.do("INSERT INTO own.blindness VALUES ('planning', now())")
    world.reading(states.look_up)
    assert [reading("continuum_blind", owner=owner) for owner in ("intake", "planning")] == [0, 1]
    world.do("DELETE FROM own.blindness")
    world.reading(states.look_up)
    assert reading("continuum_blind", owner="planning") == 0
