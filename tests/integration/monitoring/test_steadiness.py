"""A clock that jumps: nothing falls due by a time that has not come; it is said; and it goes on by itself."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from casebus.timebase import system_time
from services.monitoring.blindness import SYSTEM_TIME, BlindWatch
from services.monitoring.steadiness import Steadiness
from services.monitoring.storage import Work
from tests.integration.monitoring.world import OWNERS, Case, World
from tests.unit.monitoring.story import day

MISSED = ["FollowUpScheduled", "FollowUpMissed", "AlertRaised"]
HOUR = timedelta(hours=1)


@dataclass
class Unset:
    """The clock that nobody sets, as the test has it go."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds

    def pass_by(self, time: timedelta) -> None:
        self.seconds += time.total_seconds()


@pytest.fixture
def clock() -> Unset:
    return Unset()


@pytest.fixture
def watch(world: World, clock: Unset) -> BlindWatch:
    """Worker and watch have the test's clock; a follow-up is missed on day 15, an hour from now."""
    world.worker = replace(world.worker, known=Steadiness(clock=clock).known)
    Case(world).receive(day(-0.5)).open(day(0))
    world.go(day(1))
    world.go(day(15) - HOUR)

    def work(connection: Connection) -> Work:
        return Work(connection, world.codec, world.policies)

    made = BlindWatch(engine=world.engine, owners=OWNERS, make_work=work, steadiness=Steadiness(clock=clock), clock=lambda: 0.0)
    made.turn()
    return made


def jump(world: World, by: timedelta) -> None:
    """All servers' clocks go ahead, and relays promise it: from here on that is the system time."""
    with world.admin.begin() as connection:
        connection.exec_driver_sql("UPDATE own.timebase SET floor = own.system_time() + %(by)s", {"by": by})
    world.settle()
    world.state(world.reading(system_time))


def said(world: World) -> list[str]:
    rows = world.rows("SELECT attributes ->> 'type' FROM own.outbox WHERE topic = 'monitoring.watch.v1' ORDER BY id")
    return [kind.partition(".")[2] for (kind,) in rows]


def test_a_time_that_jumped_ahead_accuses_nobody_and_is_named_until_it_has_come(world: World, clock: Unset, watch: BlindWatch) -> None:
    [(case,)] = world.rows("SELECT DISTINCT case_id FROM copy.watch")
    jump(world, 2 * HOUR)
    for _ in range(2):
        assert world.decide() == 0
        watch.turn()
    assert (world.said(case), said(world)) == (MISSED[:1], ["MonitoringWentBlind"])
    assert world.rows("SELECT owner FROM own.blindness") == [(SYSTEM_TIME,)]
    clock.pass_by(HOUR)
    assert world.decide() == 0
    clock.pass_by(HOUR)
    assert world.decide() == 1
    watch.turn()
    assert (world.said(case), said(world)) == (MISSED, ["MonitoringWentBlind", "MonitoringSawAgain"])


def test_a_step_by_the_databases_owner_is_no_jump(world: World, watch: BlindWatch) -> None:
    world.go(day(15.1))
    watch.turn()
    assert (world.rows("SELECT count(*) FROM own.alert"), said(world)) == ([(1,)], [])


def test_a_clock_that_is_set_right_again_after_it_stood_holds_nothing(world: World, clock: Unset, watch: BlindWatch) -> None:
    """The servers' clocks went back: system time stood still for an hour, and then they were set right."""
    for _ in range(360):
        clock.pass_by(timedelta(seconds=10))
        world.decide()
    jump(world, HOUR)
    assert world.decide() == 1
    watch.turn()
    assert said(world) == []


@pytest.mark.parametrize("drift", [timedelta(0), timedelta(microseconds=400), timedelta(microseconds=-400)])
def test_clocks_that_drift_apart_hold_nothing(world: World, clock: Unset, watch: BlindWatch, drift: timedelta) -> None:
    """Each hour by more than a second, for so long that it adds up to more than the limit."""
    for _ in range(60):
        clock.pass_by(HOUR)
        jump(world, HOUR + drift * 3600)
        watch.turn()
    assert said(world) == []
