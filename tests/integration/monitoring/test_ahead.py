"""What was prepared is what would have been decided; and it counts only while nothing that it rests on has changed."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from cryptography.fernet import Fernet

from casebus.contracts.intake import Priority, PriorityChanged, PriorityReason
from casebus.contracts.monitoring import AlertRaised
from services.monitoring import ahead as ahead_module
from services.monitoring.addresses import Offer
from services.monitoring.ahead import Ahead
from services.monitoring.domain.reach import Channel
from services.monitoring.listings import Listings
from services.monitoring.sealing import Seal
from services.monitoring.telling.carriers import Telling
from tests.integration.monitoring.conftest import own_world
from tests.integration.monitoring.telling import listed
from tests.integration.monitoring.world import Case, World, worker
from tests.unit.monitoring.story import PARTNER, day

MISSED = ["FollowUpScheduled", "FollowUpMissed", "AlertRaised"]
ahead = pytest.mark.parametrize("world", ["ahead"], indirect=True)


def opened(world: World, name: str = "one") -> Case:
    """To be followed up by day 14, with a day of grace; that it will be missed is prepared."""
    case = Case(world, name).receive(day(-0.5)).open(day(0))
    case.plan(day(0.01))
    world.go(day(1))
    return case


def arrive(world: World, at: float) -> None:
    """It is that day, and everything is known; nobody has decided yet."""
    know(world, day(at))


def know(world: World, moment: datetime) -> None:
    world.step(moment)
    world.settle()
    world.state(moment)


def fire(world: World) -> int:
    assert isinstance(world.worker.ahead, Ahead)
    return world.worker.ahead.fire()


def prepared(world: World) -> int:
    return len(world.rows("SELECT FROM own.prepared"))


@ahead
def test_what_was_prepared_is_stated_without_a_look(world: World) -> None:
    case = opened(world)
    assert (prepared(world), world.said(case.id)) == (1, MISSED[:1])
    arrive(world, 15.5)
    assert (fire(world), world.said(case.id), prepared(world)) == (1, MISSED, 0)
    [(missed, raised_at, told_at, decided_below)] = world.rows(
        "SELECT f.body ->> 'missed_at' IS NOT NULL, CAST(a.body ->> 'raised_at' AS timestamptz), CAST(a.body ->> 'told_at' AS timestamptz),"
        " CAST(a.body ->> 'decided_below' AS timestamptz) FROM own.follow_up f JOIN own.alert a USING (case_id)"
    )
    assert (missed, decided_below) == (True, day(15.5))
    assert told_at == raised_at >= day(15.5)
    world.go(day(15.6))
    assert world.said(case.id) == MISSED


def three(world: World) -> tuple[list[Case], datetime]:
    """Three cases that will be missed a quarter of an hour after each other, and when the first of them will be."""
    cases = [Case(world, name).receive(day(-0.5)).open(day(n / 96)) for n, name in enumerate(("one", "two", "three"))]
    for case in cases:
        case.plan(day(0.1))
    world.go(day(1))
    [(first, last)] = world.rows("SELECT min(look_at), max(look_at) FROM copy.watch WHERE ahead")
    assert (prepared(world), last - first) == (3, timedelta(minutes=30))
    return cases, first


@ahead
@pytest.mark.parametrize(
    ("crowd", "last", "fired"),
    [
        pytest.param(3, 1, [0, 0, 3], id="they wait for all of it"),
        pytest.param(3, 2, [0, 2, 1], id="but not for the last of it"),
        pytest.param(4, 1, [1, 1, 1], id="three are no crowd"),
    ],
)
def test_the_first_of_a_crowd_wait_for_it(world: World, monkeypatch: pytest.MonkeyPatch, crowd: int, last: int, fired: list[int]) -> None:
    monkeypatch.setattr(ahead_module, "CROWD", crowd)
    monkeypatch.setattr(ahead_module, "LAST", last)
    monkeypatch.setattr(ahead_module, "GATHERED", timedelta(hours=1))
    cases, first = three(world)
    found = []
    for minutes in (5, 20, 40):
        know(world, first + timedelta(minutes=minutes))
        found.append(fire(world))
    assert found == fired
    assert [world.said(case.id) for case in cases] == [MISSED] * 3


@ahead
def test_none_waits_for_a_crowd_for_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead_module, "CROWD", 2)
    monkeypatch.setattr(ahead_module, "LAST", 1)
    monkeypatch.setattr(ahead_module, "GATHERED", timedelta(minutes=18))
    cases, first = three(world)
    know(world, first + timedelta(minutes=10))
    assert fire(world) == 0
    know(world, first + timedelta(minutes=19))
    assert fire(world) == 2, "the first has waited long enough, though the third follows soon"
    assert world.said(cases[2].id) == MISSED[:1]


@ahead
def test_none_waits_while_the_watermark_stands_still(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner that states nothing for an hour holds nothing that is known to be due."""
    seconds = [0.0]
    monkeypatch.setattr(ahead_module, "monotonic", lambda: seconds[0])
    monkeypatch.setattr(ahead_module, "CROWD", 3)
    monkeypatch.setattr(ahead_module, "LAST", 1)
    monkeypatch.setattr(ahead_module, "GATHERED", timedelta(hours=1))
    _, first = three(world)
    know(world, first + timedelta(minutes=5))
    fired = []
    for seconds[0] in (10.0, 3_600.0, 3_611.0):
        fired.append(fire(world))
    assert fired == [0, 0, 1]


@ahead
def test_a_fact_that_comes_takes_it_back(world: World) -> None:
    case = opened(world)
    world.step(day(13))
    assert case.contact(worker()).status == 201
    arrive(world, 15.5)
    assert fire(world) == 0
    world.decide()
    assert "AlertRaised" not in world.said(case.id)


@ahead
def test_a_fact_recorded_after_the_moment_and_known_before_it_is_decided_is_not_passed_over(world: World) -> None:
    case = opened(world)
    arrive(world, 15.2)
    assert case.contact(worker()).status == 201
    arrive(world, 15.5)
    assert fire(world) == 0
    world.decide()
    assert {*MISSED, "FollowUpMadeUp", "AlertResolved"} <= set(world.said(case.id))


@ahead
def test_a_policy_that_was_stated_since_has_it_looked_at_anew(world: World) -> None:
    case = opened(world)
    world.do(
        "INSERT INTO own.head (topic, subject, seq, recorded_at) VALUES ('monitoring.policy.v1', gen_random_uuid(), 1, own.system_time())"
    )
    arrive(world, 15.5)
    assert (fire(world), world.said(case.id)) == (1, MISSED[:1])
    assert world.decide() == 1
    assert world.said(case.id) == MISSED


@ahead
def test_after_an_outage_that_lasted_past_the_next_moment_it_is_looked_at_anew(world: World) -> None:
    """Two are missed, the later of which was not foreseen with the first."""
    case = opened(world)
    case.offer("offer", day(1.5))
    world.go(day(2))
    assert prepared(world) == 1
    arrive(world, 30)
    fire(world)
    assert world.said(case.id) == MISSED[:1]
    world.decide()
    assert sorted(rule for rule, _, _ in world.alerts(case.id)) == ["MISSED_FOLLOW_UP", "REFERRAL_UNANSWERED"]


@ahead
def test_a_held_case_is_not_stated(world: World) -> None:
    case = opened(world)
    world.do(
        "INSERT INTO copy.parked (topic, subject, seq, part, log_offset, value, headers)"
        f" VALUES ('intake.case.v1', '{case.id}', 99, 0, 0, '', '')"
    )
    arrive(world, 15.5)
    assert (fire(world), world.decide(), world.said(case.id)) == (0, 0, MISSED[:1])


@pytest.mark.parametrize("far", [False, True])
def test_whoever_is_on_the_rung_is_told_either_way(database_server: str, template: str, *, far: bool) -> None:
    offer = Offer(channels=frozenset(Channel), seal=Seal((Fernet.generate_key().decode(),)), private=True)
    with own_world(database_server, template, Telling(offer=offer), ahead=far) as world:
        for each in (world.worker, world.worker.ahead):
            if each is not None:
                each.__dict__["directory"] = Listings().known
        listed(world)
        case = opened(world)
        assert prepared(world) == far
        arrive(world, 15.5)
        assert far == (fire(world) if far else 0)
        world.decide()
        assert world.said(case.id) == MISSED
        query = "SELECT recipient, alert_id = a.id, critical, due_at > :now, state FROM own.notification, own.alert a"
        rows = world.rows(query, now=day(15.5))
        assert [tuple(row) for row in rows] == [("me:w1", True, False, True, "WAITING")]


@pytest.fixture
def both(database_server: str, template: str) -> Iterator[tuple[World, World]]:
    """One that looks, and one that prepares."""
    with own_world(database_server, template) as looking, own_world(database_server, template, ahead=True) as far:
        yield looking, far


@pytest.mark.parametrize("seed", range(4))
def test_random_lives_are_told_the_same_prepared_or_not(both: tuple[World, World], seed: int) -> None:
    said = [lived(world, Random(seed)) for world in both]
    assert said[0] == said[1]
    assert any(kind == AlertRaised.TYPE for each in said[0] for kind, *_ in each)


def lived(world: World, dice: Random) -> list[list[tuple[Any, ...]]]:
    """Some cases to which anything happens, in any order; what monitoring said of each."""
    cases = [opened(world, f"case {number}") for number in range(3)]
    now, offers, order = 1.0, 0, Random(dice.random())
    for _ in range(14):
        now += dice.choice([0.2, 0.9, 2.5, 7])
        case = dice.choice(cases)
        match dice.randrange(6):
            case 0:
                case.contact(worker())
            case 1:
                offers += 1
                case.offer(f"offer {offers}", day(now))
            case 2:
                case.accept(f"offer {dice.randint(1, offers + 1)}", day(now))
            case 3:
                case.hand_over(day(now), to=PARTNER)
            case 4:
                priority = dice.choice([Priority.HIGH, Priority.LOW])
                world.tell(PriorityChanged(case_id=case.id, priority=priority, reason=PriorityReason.OTHER), day(now))
            case _:
                case.plan(day(now))
        world.go(day(now + 0.1), order)
        world.catch_up()
    world.go(day(now + 60), order)
    world.catch_up()
    world.go(day(now + 61), order)
    return [told(world, case) for case in cases]


def told(world: World, case: Case) -> list[tuple[Any, ...]]:
    """Its events without ids, which are drawn, and with times to the hour, as the rest of them is real."""
    rows = world.rows(
        "SELECT value, attributes ->> 'policy_version', attributes ->> 'agency' FROM own.outbox WHERE subject = :id", id=case.id
    )
    found = []
    for value, *attributes in rows:
        event = world.codec.decode(value)
        due = getattr(event, "due_at", None)
        names = ("rule", "rung", "target_agency", "targets", "cause")
        hour = due.replace(minute=0, second=0, microsecond=0) if due else None
        found.append((event.TYPE, hour, *(getattr(event, name, None) for name in names), *attributes))
    return sorted(found, key=str)
