"""What monitoring's API lets be read, over HTTP."""

import asyncio

import httpx
import pytest

from casebus.envelope import Role
from casebus.http import build_app, command_routes
from casebus.identity import DevelopmentIssuer, Verifier, new_key_pair
from services.monitoring import api
from tests.integration.monitoring.world import Case, World
from tests.unit.monitoring.story import LEAD, PARTNER, REGION, day


class Web:
    """Monitoring's pages for whoever asks."""

    def __init__(self, world: World) -> None:
        private, public = new_key_pair()
        self.issuer = DevelopmentIssuer(private, production=False)
        verifier = Verifier(public.decode(), production=False)
        self.app = build_app("monitoring", "", verifier, list, [api.reading(world.desk), command_routes(world.desk)])

    def get(self, path: str, *, params: dict[str, str] | None = None, headers: dict[str, str]) -> httpx.Response:
        async def answer() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://monitoring") as client:
                return await client.get(path, params=params, headers=headers)

        return asyncio.run(answer())

    def headers(self, agency: str = LEAD, role: Role = Role.WORKER, region: str = REGION) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.issuer.token(actor='actor-1', role=role, agency=agency, region=region)}"}


@pytest.fixture
def web(world: World) -> Web:
    return Web(world)


@pytest.fixture
def case(world: World) -> Case:
    """A case whose first follow-up is missed, and that has asked for a shelter in vain."""
    made = Case(world).receive(day(-0.5)).open(day(0))
    made.offer("first", day(0.1))
    world.go(day(1))
    world.go(day(16))
    return made


def test_a_board_that_has_not_changed_is_not_sent_again(world: World, web: Web, case: Case) -> None:
    first = web.get("/api/board", headers=web.headers())
    assert (first.status_code, first.json()["cases"]["total"], first.json()["alerts"]["total"]) == (200, 1, 2)
    known = web.headers() | {"If-None-Match": first.headers["ETag"]}
    again = web.get("/api/board", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    case.hand_over(day(16.1))
    world.go(day(16.5))
    assert web.get("/api/board", headers=known).status_code == 200


def test_lists_are_asked_for_by_what_the_board_counts(web: Web, case: Case) -> None:
    answer = web.get("/api/alerts", params={"rule": "MISSED_FOLLOW_UP", "rung": "WORKER", "state": "open"}, headers=web.headers())
    [alert] = answer.json()["items"]
    assert (answer.json()["total"], alert["case_id"], alert["rule"]) == (1, str(case.id), "MISSED_FOLLOW_UP")
    assert web.get("/api/alerts", params={"case_id": str(case.id)}, headers=web.headers()).json()["total"] == 2
    assert web.get("/api/alerts", params={"age": "OLDER"}, headers=web.headers()).json()["total"] == 0
    assert web.get("/api/cases", params={"holder": LEAD, "stage": "OPENED"}, headers=web.headers()).json()["total"] == 1
    assert web.get("/api/hand-offs", params={"from": LEAD, "to": PARTNER}, headers=web.headers()).json()["total"] == 0


@pytest.mark.parametrize("query", [{"rung": "'; --"}, {"state": "closed"}, {"limit": "0"}, {"limit": "501"}, {"case_id": "x"}])
def test_what_can_not_be_meant_is_refused_and_not_echoed(web: Web, query: dict[str, str]) -> None:
    answer = web.get("/api/alerts", params=query, headers=web.headers())
    assert answer.status_code == 422
    assert "--" not in answer.text


def test_the_timeline_tells_every_event_in_the_order_of_the_record(web: Web, case: Case) -> None:
    items = web.get(f"/api/cases/{case.id}/timeline", headers=web.headers()).json()["items"]
    told = [item["type"] for item in items]
    assert told[:4] == ["intake.CaseReceived", "intake.CaseTriaged", "intake.CaseOpened", "referral.ReferralOffered"]
    assert "monitoring.AlertRaised" in told
    assert [item["recorded_at"] for item in items] == sorted(item["recorded_at"] for item in items)


def test_a_stranger_and_what_does_not_exist_get_one_answer(web: Web, case: Case) -> None:
    [alert] = web.get("/api/alerts", params={"rule": "MISSED_FOLLOW_UP"}, headers=web.headers()).json()["items"]
    stranger, unknown = web.headers("east-school"), "00000000-0000-4000-8000-000000000000"
    for path in ("cases/{}/timeline", "alerts/{}", "follow-ups/{}"):
        answers = [web.get(f"/api/{path.format(one)}", headers=stranger) for one in (case.id, alert["alert_id"], unknown)]
        assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}


def test_who_was_only_asked_reads_its_alert_and_not_the_case(web: Web, case: Case) -> None:
    asked = web.headers(PARTNER)
    [alert] = web.get("/api/alerts", headers=asked).json()["items"]
    shown = web.get(f"/api/alerts/{alert['alert_id']}", headers=asked)
    assert (shown.status_code, shown.headers["ETag"], shown.json()["target_agency"]) == (200, f'"{alert["version"]}"', PARTNER)
    assert web.get(f"/api/cases/{case.id}/timeline", headers=asked).status_code == 404


def test_an_alert_says_why_it_is_there_to_who_takes_part_in_its_case(web: Web, case: Case) -> None:
    listed = web.get("/api/alerts", params={"rule": "REFERRAL_UNANSWERED"}, headers=web.headers()).json()["items"]
    [alert] = listed
    path = f"/api/alerts/{alert['alert_id']}/why"
    said = web.get(path, headers=web.headers()).json()
    assert (said["rule"], said["policy_version"], said["started_by"]["type"]) == (alert["rule"], "test/1", "referral.ReferralOffered")
    assert said["stopped_by"] == ["referral.ReferralAccepted", "referral.ReferralDeclined"]
    assert (said["moved_by"], said["failed"], said["ended_by"]) == ([], [], None)
    assert said["deadline"] < said["watermark"]
    assert web.get(path, headers=web.headers(agency=PARTNER)).status_code == 404, "it sees the alert, and nothing else of the case"
    assert web.get(path, headers=web.headers(agency="regional-office", role=Role.COORDINATOR)).status_code == 200
    assert web.get(f"/api/alerts/{case.id}/why", headers=web.headers()).status_code == 404


def test_the_clocks_of_a_case_are_read_by_who_may_read_the_case(world: World, web: Web, case: Case) -> None:
    answer = web.get(f"/api/cases/{case.id}/clocks", headers=web.headers())
    assert answer.status_code == 200
    clocks = {one["rule"]: one for one in answer.json()["items"]}
    assert clocks["REFERRAL_UNANSWERED"]["state"] == clocks["MISSED_FOLLOW_UP"]["state"] == "BREACHED"
    assert clocks["REFERRAL_UNANSWERED"]["told"][0]["agency"] == PARTNER
    assert clocks["STALLED_CASE"]["state"] == "RUNNING"
    assert web.get(f"/api/cases/{case.id}/clocks", headers=web.headers("somebody-else")).status_code == 404
