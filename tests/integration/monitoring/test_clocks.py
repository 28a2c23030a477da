"""The clock worker on a real database: what is due is stated once, whoever looks and however often; and nothing that can't be known is."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random
from threading import Event as Signal
from threading import Thread

import pytest
from sqlalchemy import text

from casebus.contracts.monitoring import FollowUpMissed
from casebus.partition import partition_of
from casebus.rebuild import rebuild
from tests.integration.monitoring.world import IMPORT, Case, World, coordinator, imported, integrator, worker
from tests.unit.monitoring.story import day
from tests.waiting import until

pytestmark = pytest.mark.parametrize("world", ["looking", "ahead"], indirect=True)
MISSED = ["FollowUpScheduled", "FollowUpMissed", "AlertRaised"]


def opened(world: World, name: str = "one") -> Case:
    """Opened on day 0: to be followed up by day 14, with a day of grace."""
    case = Case(world, name).receive(day(-0.5)).open(day(0))
    case.plan(day(0.01))
    world.go(day(1))
    return case


def test_a_missed_follow_up_is_stated_once_however_often_one_looks(world: World) -> None:
    case = opened(world)
    for _ in range(3):
        world.go(day(15.5))
        world.do("UPDATE copy.watch SET look_at = now() - interval '99 years'")
    assert world.said(case.id) == MISSED
    assert world.alerts(case.id) == [("MISSED_FOLLOW_UP", "RAISED", "WORKER")]


def test_many_workers_state_it_once(world: World) -> None:
    cases = [opened(world, f"case {number}") for number in range(8)]
    world.step(day(15.5))
    world.settle()
    world.state(day(15.5))
    with ThreadPoolExecutor(6) as pool:
        for _ in range(4):
            list(pool.map(lambda _: world.worker.turn(), range(6)))
            world.do("UPDATE copy.watch SET look_at = now() - interval '99 years'")
    assert [world.said(case.id) for case in cases] == [MISSED] * 8


def test_who_hears_of_a_watermark_wakes_the_worker(world: World) -> None:
    """It would look by itself in five minutes."""
    case = opened(world)
    stop, sleepy = Signal(), replace(world.worker, tick=300, told=Signal())
    thread = Thread(target=sleepy.run, args=(stop,), daemon=True)
    thread.start()
    try:
        world.step(day(15.5))
        world.settle()
        world.state(day(15.5))
        sleepy.told.set()
        until(lambda: world.alerts(case.id) == [("MISSED_FOLLOW_UP", "RAISED", "WORKER")])
    finally:
        stop.set()
        sleepy.told.set()
        thread.join(30)
    assert not thread.is_alive()


def test_nothing_is_said_before_every_owner_s_watermark_has_passed(world: World) -> None:
    case = opened(world)
    world.step(day(20))
    world.settle()
    world.state(day(20), owners=("intake", "planning", "monitoring"))
    assert world.decide() == 0
    world.state(day(15), owners=("referral",))
    world.decide()
    assert world.said(case.id) == MISSED[:1]
    world.state(day(20), owners=("referral",))
    world.decide()
    assert world.said(case.id) == MISSED


def test_a_statement_that_is_not_reached_in_the_log_says_nothing(world: World) -> None:
    case = opened(world)
    world.step(day(20))
    contact = case.contact(worker())
    assert contact.status == 201
    world.relay()
    world.state(day(20.1))
    assert world.decide() == 0
    world.settle()
    world.decide()
    assert "AlertRaised" in world.said(case.id)


def test_a_held_case_is_not_judged_until_it_is_settled(world: World) -> None:
    case, other = opened(world), opened(world, "two")
    case.agree(day(2))
    log = world.logs["planning.case.v1"][partition_of(str(case.id).encode(), 6)]
    gap = log.pop()
    case.close(day(3))
    early = log.pop()
    log.append(early._replace(offset=gap.offset))
    world.go(day(16))
    assert (world.said(case.id), world.said(other.id)) == (MISSED[:1], MISSED)
    assert world.board(coordinator())["held"] == 1
    log.append(gap._replace(offset=gap.offset + 1))
    world.go(day(17))
    assert world.said(case.id) == ["FollowUpScheduled", "FollowUpCancelled"]
    assert world.board(coordinator())["held"] == 0


@pytest.mark.parametrize("schema", ["copy", "own"])
def test_an_event_in_quarantine_holds_its_case(world: World, schema: str) -> None:
    case = opened(world)
    with world.engine.begin() as connection:
        connection.execute(
            text(
                f"INSERT INTO {schema}.quarantine (topic, part, log_offset, subject, seq, reason, headers)"
                " VALUES ('planning.case.v1', 0, 99, :case, 2, 'unreadable', '')"
            ),
            {"case": case.id},
        )
    world.go(day(16))
    assert world.said(case.id) == MISSED[:1]
    assert world.board(coordinator())["held"] == 1
    world.do(f"UPDATE {schema}.quarantine SET state = 'DISCARDED'")
    world.go(day(17))
    assert world.said(case.id) == MISSED


def test_a_late_visit_makes_up_for_it_and_a_late_entry_clears_it(world: World) -> None:
    late, entered = opened(world), opened(world, "two")
    world.go(day(16))
    world.step(day(18))
    assert late.contact(worker()).status == 201
    on_behalf = {"agency": late.lead, "origin": "OFFLINE", "occurred_at": day(13).isoformat()}
    assert entered.contact(integrator(), on_behalf=on_behalf).status == 201
    world.go(day(18.1))
    assert world.said(late.id) == [*MISSED, "ContactRecorded", "FollowUpScheduled", "FollowUpMadeUp", "AlertResolved"]
    assert world.alerts(late.id) == [("MISSED_FOLLOW_UP", "RESOLVED", "WORKER")]
    assert world.said(entered.id) == [*MISSED, "ContactRecorded", "FollowUpScheduled", "AlertAutoCleared"]
    assert world.alerts(entered.id) == [("MISSED_FOLLOW_UP", "AUTO_CLEARED", "WORKER")]


def test_replays_duplicates_and_rebuilt_copies_say_nothing_twice(world: World) -> None:
    case = opened(world)
    world.go(day(16))
    world.go(day(19))
    world.go(day(23))
    before, alerts = world.said(case.id), world.alerts(case.id)
    assert before == [*MISSED, "AlertEscalated", "AlertEscalated"]
    rebuild(world.admin)
    assert world.decide() == 0
    world.go(day(24), Random(3))
    assert (world.said(case.id), world.alerts(case.id)) == (before, alerts)
    world.do("UPDATE copy.position SET next = 0")
    world.do("UPDATE own.position SET next = 0")
    assert world.read(world.copies).applied == 0
    world.go(day(24.5))
    assert (world.said(case.id), world.alerts(case.id)) == (before, alerts)


def test_an_alert_climbs_a_rung_a_window_to_the_region_and_an_act_stops_it(world: World) -> None:
    case, other = opened(world), opened(world, "two")
    world.go(day(16))
    [(alert, version)] = world.rows("SELECT id, version FROM own.alert WHERE case_id = :case", case=other.id)
    assert world.ask("resolve-alert", worker(), alert, version=version).status == 200
    world.go(day(18.1))
    world.go(day(21.2))
    world.go(day(29))
    assert world.alerts(case.id) == [("MISSED_FOLLOW_UP", "RAISED", "COORDINATOR")]
    assert world.alerts(other.id) == [("MISSED_FOLLOW_UP", "RESOLVED", "WORKER")]
    assert world.rows("SELECT body ->> 'target_agency' FROM own.alert WHERE case_id = :case", case=case.id) == [(case.region,)]


def test_after_a_blind_month_the_highest_rung_is_told_alone(world: World) -> None:
    case = opened(world)
    world.go(day(16))
    world.go(day(29))
    assert world.alerts(case.id) == [("MISSED_FOLLOW_UP", "RAISED", "COORDINATOR")]
    assert world.rows("SELECT count(*) FROM own.outbox WHERE attributes ->> 'type' = 'monitoring.AlertEscalated'") == [(1,)]


class TestImported:
    """On day 100 a case of long ago is imported."""

    def begun(self, world: World, *owners: str) -> Case:
        case = Case(world)
        case.begin_import(day(100), *owners)
        case.receive(day(100.01), imported(day(-1)))
        case.open(day(100.02), imported(day(0)))
        world.go(day(100.1))
        return case

    def visit(self, world: World, case: Case, at: float) -> None:
        on_behalf = {"agency": case.lead, "origin": "IMPORT", "occurred_at": day(at).isoformat(), "import_id": str(IMPORT)}
        assert case.contact(integrator(), on_behalf=on_behalf).status == 201
        world.settle()

    def complete(self, world: World, case: Case, at: float) -> None:
        world.step(day(at))
        case.complete_import(day(at), "intake", "referral")
        on_behalf = {"agency": case.lead, "origin": "IMPORT", "occurred_at": day(at).isoformat(), "import_id": str(IMPORT)}
        answer = world.ask("complete-import", integrator(), case.id, import_id=str(IMPORT), on_behalf=on_behalf)
        assert answer.status == 200, answer.body

    def test_what_was_missed_and_made_up_is_history_and_what_is_open_is_told(self, world: World) -> None:
        case = self.begun(world, "intake", "referral", "monitoring")
        world.step(day(100.2))
        self.visit(world, case, 20)
        self.visit(world, case, 30)
        world.go(day(100.3))
        assert "FollowUpMissed" not in world.said(case.id)
        self.complete(world, case, 100.25)
        world.go(day(101))
        stated = world.said(case.id)
        assert stated.count("FollowUpMissed") == 2
        assert stated.count("FollowUpMadeUp") == 1
        assert sorted(world.alerts(case.id)) == [("MISSED_FOLLOW_UP", "RAISED", "WORKER"), ("STALLED_CASE", "RAISED", "WORKER")]
        assert {key: world.board(coordinator())["follow_ups"][key] for key in ("done", "missed", "made_up")} == {
            "done": 2,
            "missed": 2,
            "made_up": 1,
        }
        told = {
            moment for (moment,) in world.rows("SELECT occurred_at FROM own.outbox WHERE attributes ->> 'type' = :t", t=FollowUpMissed.TYPE)
        }
        assert day(15) in told

    def test_a_history_without_gaps_tells_nobody(self, world: World) -> None:
        case = self.begun(world, "intake", "referral", "monitoring")
        world.step(day(100.2))
        for at in range(10, 100, 10):
            self.visit(world, case, at)
        self.complete(world, case, 100.25)
        world.go(day(101))
        assert world.alerts(case.id) == []
        assert "FollowUpMissed" not in world.said(case.id)

    def test_what_monitoring_adds_after_an_import_without_it_is_watched_too(self, world: World) -> None:
        case = Case(world)
        case.begin_import(day(100), "intake")
        case.receive(day(100.01), imported(day(99)))
        case.open(day(100.02), imported(day(100)))
        case.complete_import(day(100.03), "intake")
        world.step(day(100.5))
        world.read(world.copies)
        world.state(day(100.5))
        world.decide()
        world.go(day(101))
        world.go(day(116))
        assert world.said(case.id) == MISSED
