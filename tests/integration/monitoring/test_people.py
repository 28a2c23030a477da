"""The directory: who may change it, and that an alert names who is there."""

from datetime import timedelta
from typing import Any

import pytest

from casebus.envelope import Role
from casebus.identity import Principal
from services.monitoring import board
from services.monitoring.board import Page
from services.monitoring.listings import Listings
from tests.integration.monitoring.world import Case, World, coordinator, worker
from tests.unit.monitoring.story import LEAD, PARTNER, REGION, day


def somebody(role: Role, agency: str = LEAD, region: str = REGION, actor: str = "actor-9") -> Principal:
    return Principal(actor=actor, role=role, agency=agency, region=region, reads_only=False)


SUPERVISOR = somebody(Role.SUPERVISOR)
OPERATOR = somebody(Role.OPERATOR, "operations")


def entry(person: str, *functions: str, **more: object) -> dict[str, Any]:
    return {"person": person, "agency": LEAD, "region": REGION, "functions": list(functions)} | more


@pytest.mark.parametrize(
    ("who", "body", "status"),
    [
        (SUPERVISOR, entry("w1", "WORKER"), 201),
        (SUPERVISOR, entry("w1", "MANAGER"), 403),
        (SUPERVISOR, entry("w1", "WORKER", agency=PARTNER), 403),
        (worker(), entry("w1", "WORKER"), 403),
        (coordinator(), entry("w1", "MANAGER"), 201),
        (coordinator(), entry("w1", "MANAGER", region="south"), 403),
        (OPERATOR, entry("w1", "DUTY_AUTHORITY", region="south"), 201),
        (OPERATOR, entry("w1"), 422),
        (OPERATOR, entry("w1", "OTHER"), 422),
        (OPERATOR, entry("somebody@example.org", "WORKER"), 422),
        (OPERATOR, entry("w1", "WORKER", deputy="w2"), 201),
        (OPERATOR, entry("w1", "WORKER", deputy="w1"), 422),
    ],
)
def test_who_may_list_whom(world: World, who: Principal, body: dict[str, Any], status: int) -> None:
    assert world.ask("list-person", who, **body).status == status


def test_one_who_is_above_is_not_taken_away_from_below(world: World) -> None:
    assert world.ask("list-person", coordinator(), **entry("m1", "MANAGER")).is_done
    assert world.ask("list-person", SUPERVISOR, **entry("m1", "WORKER")).status == 403
    assert world.ask("unlist-person", SUPERVISOR, person="m1").status == 403
    assert world.ask("note-absence", SUPERVISOR, person="m1", first="2026-01-05", last="2026-01-06").status == 403


def test_a_person_notes_her_own_absence_and_takes_it_back(world: World) -> None:
    world.ask("list-person", OPERATOR, **entry("m1", "MANAGER"))
    herself = somebody(Role.WORKER, actor="m1")
    noted = world.ask("note-absence", herself, person="m1", first="2026-01-05", last="2026-01-06")
    assert noted.body["absences"] == [{"from": "2026-01-05T00:00:00+00:00", "until": "2026-01-07T00:00:00+00:00"}]
    assert world.ask("note-absence", herself, person="m1", first="2026-01-05").body["absences"] == []
    assert world.ask("note-absence", herself, person="m1", first="2026-01-05", last="2026-01-04").status == 422
    assert world.ask("note-absence", herself, person="nobody", first="2026-01-05").status == 404


def test_the_same_again_is_said_once(world: World) -> None:
    for _ in range(2):
        assert world.ask("list-person", OPERATOR, **entry("w1", "WORKER")).is_done
    assert world.rows("SELECT count(*) FROM own.outbox WHERE topic = 'monitoring.directory.v1'") == [(1,)]


def test_the_directory_is_read_by_agency_or_region(world: World) -> None:
    world.ask("list-person", OPERATOR, **entry("w1", "WORKER"))
    world.ask("list-person", OPERATOR, **entry("w2", "WORKER", agency=PARTNER))
    world.ask("list-person", OPERATOR, **entry("w3", "WORKER", region="south", agency="other"))

    def read(who: Principal) -> list[str]:
        found = world.reading(lambda connection: board.people(connection, who, Page(10, None)))
        return [item["person"] for item in found["items"]]

    assert (read(worker()), read(coordinator())) == (["w1"], ["w1", "w2"])
    world.ask("unlist-person", OPERATOR, person="w1")
    assert read(coordinator()) == ["w2"]


def test_an_alert_names_who_is_there(world: World) -> None:
    world.worker.__dict__["directory"] = Listings().known
    for person, function in (("w1", "WORKER"), ("s1", "SUPERVISOR"), ("m1", "MANAGER"), ("c1", "COORDINATOR")):
        assert world.ask("list-person", OPERATOR, **entry(person, function)).is_done
    case = Case(world).receive(day(0)).open(day(0))
    world.go(day(1))
    world.go(day(15.1))
    assert told(world, case) == [("MISSED_FOLLOW_UP", "WORKER", ["w1"])]
    first = (day(16)).date()
    assert world.ask("note-absence", OPERATOR, person="s1", first=str(first), last=str(first + timedelta(days=9))).is_done
    world.go(day(17.6))
    assert told(world, case) == [("MISSED_FOLLOW_UP", "COORDINATOR", ["c1"])]


def told(world: World, case: Case) -> list[tuple[str, str, list[str]]]:
    rows = world.rows("SELECT rule, rung, body -> 'targets' FROM own.alert WHERE case_id = :case ORDER BY 1", case=case.id)
    return [(rule, rung, targets) for rule, rung, targets in rows]
