"""The board: its cells are what a recount of the lists gives, whatever happened and in whatever order it was read; and who sees what."""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any
from uuid import uuid5

import pytest
from sqlalchemy import Connection

from casebus.identity import Principal
from services.monitoring import board
from services.monitoring.board import Page
from tests.integration.monitoring.world import Case, World, coordinator, worker
from tests.unit.monitoring.story import LEAD, PARTNER, REGION, day

AGENCIES = (LEAD, PARTNER, "east-school")
Read = Callable[[Connection, Page], dict[str, Any]]


def listed(world: World, read: Read, limit: int = 3) -> list[dict[str, Any]]:
    """The whole list, page by page."""
    items: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        page: dict[str, Any] = world.reading(lambda connection, after=after: read(connection, Page(limit, after)))
        assert len(page["items"]) <= limit
        items.extend(page["items"])
        after = page["next"]
        if after is None:
            assert page["total"] == len(items)
            return items


def live(world: World, dice: Random) -> list[Case]:
    """Cases of two regions, to which anything happens for fifty days, read in any order of the topics and in batches of any size."""
    cases = [Case(world, f"case {n}", lead=dice.choice(AGENCIES), region=dice.choice([REGION, "south"])) for n in range(12)]
    state = dict.fromkeys(cases, "new")
    now = 0.0
    for step in range(60):
        now += 0.8
        case, at = dice.choice(cases), day(now)
        match state[case], dice.choice(["forward", "accept", "hand over", "offer", "close", "visit"]):
            case "new", _:
                case.receive(at)
                state[case] = "received"
            case "received", "forward":
                case.open(at)
                state[case] = "open"
            case "open", "forward":
                dice.choice([case.plan, case.agree])(at)
            case (("received" | "open"), "accept"):
                case.accept(f"referral {step}", at, by=dice.choice(AGENCIES))
            case (("received" | "open"), "hand over"):
                case.hand_over(at, to=dice.choice(AGENCIES))
            case "open", "offer":
                case.offer(f"offer {step}", at, to=dice.choice(AGENCIES))
            case "open", "close":
                case.close(at)
                state[case] = "closed"
            case "closed", _:
                case.reopen(at)
                state[case] = "open"
            case "open", "visit":
                world.step(at)
                world.settle(dice)
                assert case.contact(worker(case.lead)).status in (201, 404)
        if dice.random() < 0.3:
            world.go(day(now + 0.4), dice)
    world.go(day(now + 40), dice)
    return cases


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


OPEN = "SELECT 1 FROM copy.case_view WHERE stage NOT IN ('CLOSED', 'DECLINED', 'REDIRECTED')"


def _alerts_agree(world: World, who: Principal, shown: dict[str, Any]) -> None:
    every = listed(world, lambda c, page: board.alerts(c, who, page, {"state": "any"}))
    open_ones = listed(world, lambda c, page: board.alerts(c, who, page, {"state": "open"}))
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
