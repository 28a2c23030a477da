"""Commands of monitoring as they are asked for: who may, in which version, and beside everything else that goes on."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Event as Signal
from typing import Any
from uuid import UUID, uuid4

import pytest

from casebus.desk import Request
from services.monitoring.blindness import BlindWatch
from tests.integration.monitoring.world import IMPORT, OWNERS, Case, World, coordinator, integrator, worker
from tests.unit.monitoring.story import LEAD, day


@pytest.fixture
def case(world: World) -> Case:
    """Opened on day 0, its follow-up missed on day 15, told on day 16."""
    made = Case(world).receive(day(-0.5)).open(day(0))
    made.plan(day(0.01))
    world.go(day(1))
    return made


def alert_of(world: World, case: Case) -> tuple[UUID, int]:
    [(one, version)] = world.rows("SELECT id, version FROM own.alert WHERE case_id = :case", case=case.id)
    return one, version


def follow_up_of(world: World, case: Case) -> tuple[UUID, int]:
    [(one, version)] = world.rows("SELECT id, version FROM own.follow_up WHERE case_id = :case AND is_open", case=case.id)
    return one, version


class TestAlerts:
    def test_who_takes_part_acknowledges_and_then_resolves_in_the_version_seen(self, world: World, case: Case) -> None:
        world.go(day(16))
        alert, version = alert_of(world, case)
        acknowledged = world.ask("acknowledge-alert", worker(), alert, version=version)
        assert (acknowledged.status, acknowledged.version, acknowledged.body["state"]) == (200, version + 1, "ACKNOWLEDGED")
        assert world.ask("acknowledge-alert", worker(), alert, version=version).status == 412
        assert world.ask("acknowledge-alert", worker(), alert, version=version + 1).status == 409
        assert world.ask("resolve-alert", worker(), alert, version=version + 1).body["state"] == "RESOLVED"
        assert world.ask("resolve-alert", worker(), alert, version=version + 2).status == 409
        world.go(day(60))
        assert ("MISSED_FOLLOW_UP", "RESOLVED", "WORKER") in world.alerts(case.id)

    def test_in_work_and_put_off_it_is_open_and_comes_back_when_the_time_is_over(self, world: World, case: Case) -> None:
        world.go(day(16))
        alert, version = alert_of(world, case)
        taken = world.ask("take-alert", worker(), alert, version=version)
        assert (taken.status, taken.body["state"], taken.body["worker"]) == (200, "IN_WORK", worker().actor), taken.body
        assert world.ask("take-alert", worker(), alert, version=version).status == 412
        world.go(day(17))
        assert ("MISSED_FOLLOW_UP", "IN_WORK", "WORKER") in world.alerts(case.id)
        assert world.board(coordinator())["alerts"]["total"] == 1
        world.go(day(18.1))
        assert ("MISSED_FOLLOW_UP", "RAISED", "SUPERVISOR") in world.alerts(case.id)

        alert, version = alert_of(world, case)
        wrong = world.ask("suppress-alert", worker(), alert, version=version, reason="OTHER", until_at=day(40).isoformat())
        assert (wrong.status, [fix["field"] for fix in wrong.body["errors"]]) == (422, ["until_at"])
        put_off = {"reason": "APPOINTMENT_MADE", "until_at": day(20).isoformat()}
        assert world.ask("suppress-alert", worker(), alert, version=version, **put_off).body["state"] == "SUPPRESSED"
        world.go(day(21))
        assert ("MISSED_FOLLOW_UP", "RAISED", "SUPERVISOR") in world.alerts(case.id)
        assert world.said(case.id)[-3:] == ["AlertEscalated", "AlertSuppressed", "AlertReturned"]

    def test_what_was_resolved_meanwhile_does_not_come_back(self, world: World, case: Case) -> None:
        world.go(day(16))
        alert, version = alert_of(world, case)
        world.ask("take-alert", worker(), alert, version=version)
        assert world.ask("resolve-alert", worker(), alert, version=version + 1, done="CLIENT_SEEN").body["state"] == "RESOLVED"
        world.go(day(40))
        assert "AlertReturned" not in world.said(case.id)

    def test_it_needs_a_version_and_a_part_in_the_case(self, world: World, case: Case) -> None:
        world.go(day(16))
        alert, version = alert_of(world, case)
        assert world.ask("resolve-alert", worker(), alert).status == 428
        for stranger in (worker("east-school"), coordinator("south")):
            assert world.ask("resolve-alert", stranger, alert, version=version).status == 404
        assert world.ask("resolve-alert", coordinator(), alert, version=version).status == 200

    def test_what_has_climbed_meanwhile_is_another_version(self, world: World, case: Case) -> None:
        world.go(day(16))
        alert, version = alert_of(world, case)
        world.go(day(18.5))
        answer = world.ask("resolve-alert", worker(), alert, version=version)
        assert (answer.status, answer.version) == (412, version + 1)


class TestFollowUps:
    def test_a_missed_one_can_not_be_moved_and_is_another_version(self, world: World, case: Case) -> None:
        one, version = follow_up_of(world, case)
        world.go(day(16))
        assert world.ask("reschedule-follow-up", worker(), one, version=version, due_on="2026-02-20").status == 412
        again = world.ask("reschedule-follow-up", worker(), one, version=version + 1, due_on="2026-02-20")
        assert (again.status, again.body["title"]) == (409, "The state it is in does not allow this")

    def test_one_that_was_moved_in_time_is_missed_at_its_new_time(self, world: World, case: Case) -> None:
        one, version = follow_up_of(world, case)
        moved = world.ask("reschedule-follow-up", worker(), one, version=version, due_on="2026-02-01")
        assert (moved.status, moved.body["state"]) == (200, "RESCHEDULED")
        world.go(day(27.9))
        assert world.alerts(case.id) == []
        world.go(day(29))
        assert ("MISSED_FOLLOW_UP", "RAISED", "WORKER") in world.alerts(case.id)

    def test_a_day_beyond_all_planning_is_refused_and_stops_no_clock(self, world: World, case: Case) -> None:
        for due_on in ("9999-12-31", "9999-12-29", "2036-06-01", "0001-01-01"):
            assert world.ask("schedule-follow-up", worker(), case_id=str(case.id), due_on=due_on).status == 422

    def test_an_answered_one_can_not_be_cancelled(self, world: World, case: Case) -> None:
        one, version = follow_up_of(world, case)
        assert case.contact(worker()).body["follow_up_id"] == str(one)
        assert world.ask("cancel-follow-up", worker(), one, version=version + 1, reason="OTHER").status == 409

    def test_a_contact_in_the_future_or_about_an_unknown_case_is_refused(self, world: World, case: Case) -> None:
        on_behalf = {"agency": LEAD, "origin": "OFFLINE", "occurred_at": day(3).isoformat()}
        assert case.contact(integrator(), on_behalf=on_behalf).status == 422
        assert Case(world, "unknown").contact(worker()).status == 404


def test_completing_the_import_of_an_unknown_case_finds_nothing(world: World, case: Case) -> None:
    assert world.ask("complete-import", integrator(), uuid4(), import_id=str(IMPORT)).status == 404
    assert world.ask("complete-import", worker("east-school"), case.id, import_id=str(IMPORT)).status == 404
    assert world.ask("complete-import", worker(), case.id, import_id=str(IMPORT)).status == 200


def test_a_case_that_can_not_be_judged_costs_itself_alone(world: World, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Case(world, "two").receive(day(1)).open(day(1.1))
    world.go(day(2))
    policy = world.policies.by_region["*"]
    judged = type(policy).follow_up_deadline

    def broken(self: Any, due: Any, priority: Any) -> Any:
        if due == day(14):
            raise OverflowError
        return judged(self, due, priority)

    monkeypatch.setattr(type(policy), "follow_up_deadline", broken)
    world.step(day(17))
    world.settle()
    world.state(day(17))
    world.worker.turn()
    world.worker.turn()
    assert (world.alerts(case.id), world.alerts(other.id)) == ([], [("MISSED_FOLLOW_UP", "RAISED", "WORKER")])
    monkeypatch.undo()
    world.go(day(17.5))
    assert world.alerts(case.id) == [("MISSED_FOLLOW_UP", "RAISED", "WORKER")]


class TestEverythingAtOnce:
    """Commands, both tracks and two clock workers over the same few cases."""

    def test_nobody_waits_in_a_ring_and_nothing_is_doubled_or_forgotten(self, world: World) -> None:
        cases = [Case(world, f"case {number}").receive(day(-0.5)).open(day(0)) for number in range(10)]
        Case(world, "left alone").receive(day(-0.5)).open(day(0))  # nobody closes it before it is looked at
        world.go(day(1))
        world.step(day(16))
        world.state(day(16))
        dice, stop = Random(5), Signal()

        def until_stopped(step: Callable[[], object]) -> int:
            done = 0
            while not stop.is_set():
                step()
                done += 1
            return done

        steps = [lambda: self.command(world, cases, dice)] * 2 + [world.worker.turn] * 2 + [lambda: self.flow(world)]
        with ThreadPoolExecutor(6) as pool:
            running = [pool.submit(until_stopped, step) for step in steps]
            for number in range(12):
                for case in cases:
                    (case.close if number % 2 == 0 else case.reopen)(day(2 + number / 10))
                world.read(world.reactions, dice)
            stop.set()
            assert all(done.result(30) > 0 for done in running)
        world.go(day(17))
        raised = [value for (value,) in world.rows("SELECT value FROM own.outbox WHERE attributes ->> 'type' = 'monitoring.AlertRaised'")]
        assert len(raised) == len(set(raised)) > 0
        assert world.rows("SELECT 1 FROM own.held_case") == []
        assert world.rows("SELECT 1 FROM copy.watch w WHERE look_at < :now", now=day(16)) == []

    def command(self, world: World, cases: list[Case], dice: Random) -> None:
        answers = world.desk.run(worker().cause(), [_contact(one) for one in dice.sample(cases, 4)])
        assert {answer.status for answer in answers} == {201}
        rows = world.rows("SELECT id, version FROM own.alert WHERE case_id = :case AND is_open", case=dice.choice(cases).id)
        for alert, version in rows:
            assert world.ask("acknowledge-alert", worker(), alert, version=version).status in (200, 409, 412)

    def flow(self, world: World) -> None:
        world.relay()
        world.read(world.copies)
        world.state(day(16))


def _contact(case: Case) -> Request:
    return Request(key=str(uuid4()), command="record-contact", body={"case_id": str(case.id), "result": "REACHED", "channel": "PHONE"})


class TestBlindness:
    def watch(self, world: World, seconds: list[float]) -> BlindWatch:
        make = world.blueprint.work_on(world.codec)
        return BlindWatch(engine=world.engine, owners=OWNERS, make_work=make, after=30, clock=lambda: seconds[0])

    def said(self, world: World) -> list[str]:
        return [
            kind for (kind,) in world.rows("SELECT attributes ->> 'type' FROM own.outbox WHERE topic = 'monitoring.watch.v1' ORDER BY id")
        ]

    def test_a_silent_owner_is_named_once_and_seen_again_once(self, world: World) -> None:
        seconds = [0.0]
        watches = [self.watch(world, seconds), self.watch(world, seconds)]
        world.state(day(-1))
        for second in range(100):
            seconds[0] = second
            if second < 20 or second > 80:
                world.state(day(second / 10), OWNERS)
            else:
                world.state(day(second / 10), OWNERS[1:])
            for watch in watches:
                watch.turn()
            if second == 60:
                assert self.said(world) == ["monitoring.MonitoringWentBlind"]
                assert world.board(coordinator())["blind"] == [{"owner": "intake", "since": day(1.9)}]
        assert self.said(world) == ["monitoring.MonitoringWentBlind", "monitoring.MonitoringSawAgain"]
        assert world.board(coordinator())["blind"] == []

    def test_a_watch_that_begins_again_while_an_owner_is_silent_says_nothing_new(self, world: World) -> None:
        seconds = [0.0]
        world.state(day(-1))
        first = self.watch(world, seconds)
        for moment in (0.0, 31.0):
            seconds[0] = moment
            world.state(day(moment), OWNERS[1:])
            first.turn()
        second = self.watch(world, seconds)
        for moment in (32.0, 40.0, 70.0):
            seconds[0] = moment
            world.state(day(moment), OWNERS[1:])
            second.turn()
        assert self.said(world) == ["monitoring.MonitoringWentBlind"]

    def test_owners_of_whom_nothing_was_ever_heard_are_named(self, world: World) -> None:
        seconds = [0.0]
        watch = self.watch(world, seconds)
        watch.turn()
        seconds[0] = 31
        watch.turn()
        assert self.said(world) == ["monitoring.MonitoringWentBlind"] * 4
