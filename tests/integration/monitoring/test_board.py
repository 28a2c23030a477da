"""The board: its cells are what a recount of the lists gives, whatever happened and in whatever order it was read; and who sees what."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from random import Random
from runpy import run_path
from typing import Any
from uuid import uuid5

import pytest
from sqlalchemy import Connection, text

from casebus.envelope import Role
from casebus.identity import Principal
from casebus.rebuild import rebuild
from services.monitoring import board
from services.monitoring.board import Page
from services.monitoring.domain.policy import RUNGS
from tests.integration.monitoring.conftest import VERSIONS
from tests.integration.monitoring.world import Case, World, coordinator, worker
from tests.unit.monitoring.story import LEAD, PARTNER, REGION, day

AGENCIES = (LEAD, PARTNER, "east-school")
Read = Callable[[Connection, Page], dict[str, Any]]


def listed(world: World, read: Read, limit: int = 3) -> list[dict[str, Any]]:
    """The whole list, page by page."""
    items: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        with world.engine.begin() as connection:
            page = read(connection, Page(limit, after))
        assert len(page["items"]) <= limit
        items.extend(page["items"])
        after = page["next"]
        if after is None:
            assert page["total"] == len(items)
            return items


class Life:
    """A case to which anything happens that its state allows."""

    def __init__(self, world: World, dice: Random, name: str) -> None:
        self.world, self.dice, self.state = world, dice, "new"
        self.case = Case(world, name, lead=dice.choice(AGENCIES), region=dice.choice([REGION, "south"]))

    def go_on(self, at: datetime) -> None:
        acts = {
            "new": [self.begin],
            "received": [self.open, self.accept, self.hand_over, self.join],
            "open": [self.plan, self.accept, self.accept, self.hand_over, self.offer, self.visit, self.close, self.join, self.leave],
            "closed": [self.reopen],
        }
        self.dice.choice(acts[self.state])(at)

    def begin(self, at: datetime) -> None:
        self.case.receive(at)
        self.state = "received"

    def open(self, at: datetime) -> None:
        self.case.open(at)
        self.state = "open"

    def plan(self, at: datetime) -> None:
        self.dice.choice([self.case.plan, self.case.agree])(at)

    def accept(self, at: datetime) -> None:
        self.case.accept(f"referral {at}", at, by=self.dice.choice(AGENCIES))

    def hand_over(self, at: datetime) -> None:
        self.case.hand_over(at, to=self.dice.choice(AGENCIES))

    def join(self, at: datetime) -> None:
        self.case.join(at, agency=self.dice.choice(AGENCIES))

    def leave(self, at: datetime) -> None:
        """Whoever leads doesn't leave."""
        self.case.leave(at, agency=self.dice.choice([agency for agency in AGENCIES if agency != self.case.lead]))

    def offer(self, at: datetime) -> None:
        self.case.offer(f"offer {at}", at, to=self.dice.choice(AGENCIES))

    def visit(self, at: datetime) -> None:
        self.world.step(at)
        self.world.settle(self.dice)
        assert self.case.contact(worker(self.case.lead)).status == 201

    def close(self, at: datetime) -> None:
        self.case.close(at)
        self.state = "closed"

    def reopen(self, at: datetime) -> None:
        self.case.reopen(at)
        self.state = "open"


def live(world: World, dice: Random) -> None:
    """Cases of two regions for fifty days, read in any order of the topics and in batches of any size."""
    lives = [Life(world, dice, f"case {number}") for number in range(12)]
    for step in range(60):
        dice.choice(lives).go_on(day(step * 0.8))
        if dice.random() < 0.3:
            world.go(day(step * 0.8 + 0.4), dice)
    world.go(day(90), dice)


@pytest.mark.parametrize("seed", range(4))
def test_every_number_is_what_the_lists_give(world: World, seed: int) -> None:
    live(world, Random(seed))
    seen = [coordinator(), coordinator("south"), *(worker(agency) for agency in AGENCIES)]
    for who in seen:
        shown = world.board(who)
        cases = listed(world, lambda c, page, who=who: board.cases(c, who, page, holder=None, stage=None))  # type: ignore[misc]  # bound at once
        assert Counter({(cell["holder"], cell["stage"]): cell["count"] for cell in shown["cases"]["cells"]}) == Counter(
            (case["holder"], case["stage"]) for case in cases
        )
        assert shown["cases"]["total"] == len({case["case_id"] for case in cases}) == len(cases)
        moves = listed(world, lambda c, page, who=who: board.hand_offs(c, who, page, giver=None, taker=None))  # type: ignore[misc]  # bound at once
        assert Counter({(cell["from"], cell["to"]): cell["count"] for cell in shown["flow"]["cells"]}) == Counter(
            (move["from"], move["to"]) for move in moves
        )
        _alerts_agree(world, who, shown)
    assert sum(world.board(who)["cases"]["total"] for who in seen[:2]) == sum(1 for _ in world.rows(OPEN))


CELLS = "SELECT scope, viewer, kind, a, b, c, count FROM copy.board_cell WHERE count <> 0 ORDER BY 1, 2, 3, 4, 5, 6"


@pytest.mark.parametrize("seed", range(3))
def test_cells_are_what_the_rows_give_also_when_all_is_read_again(world: World, seed: int) -> None:
    """The migration counts the rows that it finds, whoever wrote them; a rebuild reads everything anew, in another order."""
    dice = Random(seed + 100)
    live(world, dice)
    kept = world.rows(CELLS)
    kinds = {kind for _, _, kind, *_ in kept}
    assert kinds == {"STOCK", "FLOW", "FOLLOW_UP", "OPEN_ALERT", "RAISED_ALERT", "ESCALATED_ALERT"}
    migration = run_path(str(VERSIONS / "0005_board_cells.py"))
    with world.admin.begin() as connection:
        for statement in ("UPDATE copy.case_view SET body = body - 'tally'", "TRUNCATE copy.board_cell", migration["TALLIES"]):
            connection.execute(text(statement))
        connection.execute(text(migration["CELLS"]))
    assert world.rows(CELLS) == kept
    rebuild(world.admin)
    assert world.rows(CELLS) == []
    world.read(world.copies, dice)
    assert world.rows(CELLS) == kept


OPEN = "SELECT 1 FROM copy.case_view WHERE stage NOT IN ('CLOSED', 'DECLINED', 'REDIRECTED')"


def _alerts_agree(world: World, who: Principal, shown: dict[str, Any]) -> None:
    every = listed(world, lambda c, page: board.alerts(c, who, page, {"state": "any"}))
    open_ones = listed(world, lambda c, page: board.alerts(c, who, page, {"state": "open"}))
    if who.role is Role.COORDINATOR:
        oldest = sorted(open_ones, key=lambda one: (-RUNGS.index(one["rung"]), one["raised_at"], one["alert_id"]))
        assert [one["alert_id"] for one in shown["alerts"]["first"]] == [one["alert_id"] for one in oldest[: board.FIRST]]
    assert (shown["alerts"]["total"], shown["alerts"]["raised"]) == (len(open_ones), len(every))
    assert shown["alerts"]["escalated"] == sum(alert["escalations"] > 0 for alert in every)
    assert sum(cell["count"] for cell in shown["alerts"]["cells"]) == len(open_ones)
    for cell in shown["alerts"]["cells"]:
        wanted = {"rung": cell["rung"], "age": cell["age"]}
        found = listed(world, lambda c, page, wanted=wanted: board.alerts(c, who, page, wanted))  # type: ignore[misc]  # bound at once
        assert len(found) == cell["count"]
        assert {alert["rung"] for alert in found} == {cell["rung"]}
    for rule in shown["alerts"]["by_rule"]:
        assert (rule["open"], rule["raised"]) == tuple(sum(alert["rule"] == rule["rule"] for alert in some) for some in (open_ones, every))


def test_an_unlucky_order_of_the_topics_shows_the_same_board(world: World) -> None:
    """Referral's topic is read first: the case is in no region yet, and its hand-offs don't change when the region is told."""
    case = Case(world)
    case.receive(day(0))
    case.accept("first", day(1), by=LEAD)
    case.accept("second", day(2), by=PARTNER)
    for topic in ("referral.case.v1", "intake.case.v1"):
        [records] = [left for (name, _), left in world.unread(world.copies).items() if name == topic]
        world.copies.apply(world.engine, records)
    assert world.board(coordinator())["flow"]["cells"] == [{"from": LEAD, "to": PARTNER, "count": 1}]
    moves = listed(world, lambda c, page: board.hand_offs(c, coordinator(), page, giver=None, taker=None))
    assert [(move["from"], move["to"]) for move in moves] == [(LEAD, PARTNER)]


def test_nobody_sees_another_region_s_or_agency_s_cases(world: World) -> None:
    case = Case(world).receive(day(0)).open(day(0.1))
    case.offer("first", day(0.2))
    world.go(day(1))
    world.go(day(40))
    mine, south, stranger = world.board(coordinator()), world.board(coordinator("south")), world.board(worker("east-school"))
    assert (mine["cases"]["total"], mine["alerts"]["total"]) == (1, 3)
    for shown in (south, stranger):
        assert [shown[part]["total"] for part in ("cases", "flow", "alerts")] == [0, 0, 0]
        assert shown["follow_ups"] == {"done": 0, "missed": 0, "made_up": 0}
    for who in (coordinator("south"), worker("east-school")):
        assert listed(world, lambda c, page, who=who: board.alerts(c, who, page, {"state": "any"})) == []  # type: ignore[misc]  # bound at once
        assert listed(world, lambda c, page, who=who: board.cases(c, who, page, holder=None, stage=None)) == []  # type: ignore[misc]  # as above


def test_who_was_only_asked_sees_the_alert_that_names_it_and_can_act(world: World) -> None:
    case = Case(world).receive(day(0)).open(day(0.1))
    case.offer("first", day(0.2))
    world.go(day(5))
    asked = worker(PARTNER)
    [alert] = listed(world, lambda c, page: board.alerts(c, asked, page, {}))
    assert (alert["rule"], alert["subject_id"], alert["target_agency"]) == ("REFERRAL_UNANSWERED", uuid5(case.id, "first"), PARTNER)
    assert world.board(asked)["alerts"]["total"] == 1
    assert world.board(asked)["cases"]["total"] == 0
    assert world.ask("acknowledge-alert", asked, alert["alert_id"], version=alert["version"]).status == 200


def test_readers_of_different_topics_keep_one_view_of_a_case(world: World) -> None:
    """Two members of the group: one reads intake's topic, one referral's, at the same time. Each case is passed on eleven times."""
    cases = [Case(world, f"case {number}") for number in range(12)]
    for number in range(12):
        for case in cases:
            at = day(number)
            if number == 0:
                case.receive(at)
            case.hand_over(at + timedelta(hours=1), to=AGENCIES[number % 2])
            case.accept(f"referral {number}", at + timedelta(hours=2), by=AGENCIES[number % 3])
    left = world.unread(world.copies)

    def read(topic: str) -> None:
        for round in range(40):
            for (name, _), records in left.items():
                if name == topic and (some := records[round * 2 : round * 2 + 2]):
                    world.copies.apply(world.engine, some)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(read, ["intake.case.v1", "referral.case.v1"]))
    assert world.unread(world.copies) == {}
    shown = world.board(coordinator())
    assert (shown["cases"]["total"], {cell["holder"] for cell in shown["cases"]["cells"]}) == (12, {AGENCIES[11 % 3]})
    assert shown["flow"]["total"] == 12 * 11
    assert len(listed(world, lambda c, page: board.hand_offs(c, coordinator(), page, giver=None, taker=None), 50)) == 12 * 11
