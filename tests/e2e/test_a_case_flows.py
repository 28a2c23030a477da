"""One case, from the first command in one agency to an alert that climbs to the coordinator, through four services and Kafka."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx

from casebus.envelope import Role
from tests.e2e.conftest import REGION, Person, Platform
from tests.waiting import until


def opened_case(who: Person, *, region: str = REGION, **triage: object) -> tuple[str, str]:
    """A case of the person's agency, opened; its id and what has been seen of it."""
    case = who.tell("intake", "/cases", {"region": region, "source": "CLIENT", "agency_kind": "HOSPITAL"}).json()
    about = {"priority": "HIGH", "nature": "SAFETY", **triage}
    assert who.tell("intake", f"/cases/{case['id']}/triage", about, version=1).status_code == 200
    answer = who.tell("intake", f"/cases/{case['id']}/opening", {}, version=2)
    assert answer.status_code == 200, answer.text
    return case["id"], answer.headers["Case-Seen"]


def listed_service(platform: Platform, agency: str, service_type: str) -> str:
    operator = platform.person(agency, Role.OPERATOR)
    room = {"available": 3, "maximum": 5}
    body = {"service_type": service_type, "kind": "NGO", "region": "north", "capacity": room}
    answer = operator.tell("referral", "/services", body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def timeline(who: Person, case_id: str) -> list[str]:
    answer = who.ask("monitoring", f"/cases/{case_id}/timeline")
    return [item["type"] for item in answer.json()["items"]] if answer.status_code == 200 else []


def alerts(who: Person, case_id: str, rule: str) -> list[dict[str, Any]]:
    found = who.ask("monitoring", f"/alerts?state=any&case_id={case_id}&rule={rule}").json()["items"]
    assert isinstance(found, list)
    return found


def test_a_referral_crosses_agencies_and_its_answer_reaches_the_plan(platform: Platform) -> None:
    """S45–S49: a declined offer goes to the next candidate by itself; the acceptance and the outcome reach the plan's step."""
    nurse, kind = platform.person("city-hospital"), f"shelter-{uuid4().hex[:8]}"
    full, roomy = listed_service(platform, "full-house", kind), listed_service(platform, "safe-house", kind)
    case_id, seen = opened_case(nurse)
    goal = nurse.tell("planning", f"/plans/{case_id}/goals", {"horizon": "SHORT", "domain": "SAFETY"}, version=1, seen=seen)
    assert goal.status_code == 200, goal.text
    step = {"kind": "REFERRAL", "service_type": kind, "candidates": [full, roomy]}
    planned = nurse.tell("planning", f"/plans/{case_id}/steps", step, version=2)
    agreed = nurse.tell("planning", f"/plans/{case_id}/agreement", {}, version=planned.json()["version"])
    assert agreed.status_code == 200, agreed.text

    def offers() -> list[dict[str, Any]]:
        return list(nurse.ask("referral", f"/referrals?case_id={case_id}").json().get("items", []))

    first = until(offers)[0]
    assert (first["agency"], first["state"]) == ("full-house", "OFFERED")
    assert platform.person("safe-house").ask("referral", f"/referrals/{first['id']}").status_code == 404
    declined = platform.person("full-house").tell("referral", f"/referrals/{first['id']}/decline", {"reason": "NO_CAPACITY"}, version=1)
    assert declined.status_code == 200, declined.text
    second = until(lambda: [o for o in offers() if o["agency"] == "safe-house"])[0]
    shelter = platform.person("safe-house")
    accepted = shelter.tell("referral", f"/referrals/{second['id']}/acceptance", {}, version=1)
    assert accepted.status_code == 200, accepted.text
    done = shelter.tell("referral", f"/referrals/{second['id']}/completion", {"outcome": "SERVICES_RECEIVED"}, version=2)
    assert done.status_code == 200, done.text

    until(lambda: [s for s in nurse.ask("planning", f"/plans/{case_id}").json()["steps"] if s["state"] == "DONE"])
    until(lambda: "intake.AgencyJoined" in timeline(nurse, case_id))
    until(lambda: {"planning.StepDone", "referral.ReferralDeclined"} <= set(timeline(nurse, case_id)))
    assert until(lambda: shelter.ask("monitoring", f"/cases/{case_id}/timeline").status_code == 200)
    coordinator = platform.person("regional-office", Role.COORDINATOR)
    held = until(lambda: [c for c in coordinator.ask("monitoring", "/cases?holder=safe-house").json()["items"] if c["case_id"] == case_id])
    assert held[0]["stage"] == "ACTIVE"


def test_a_missed_follow_up_climbs_until_somebody_acts(platform: Platform) -> None:
    """S50: nobody sees the client: the worker's agency is told, then the supervisor, its manager, the coordinator; resolving stops it."""
    nurse = platform.person("river-clinic")
    case_id, _ = opened_case(nurse, priority="CRITICAL")
    until(lambda: "monitoring.FollowUpScheduled" in timeline(nurse, case_id))
    platform.clock.step(platform.clock.now() + timedelta(days=2, minutes=1))
    raised = until(lambda: alerts(nurse, case_id, "MISSED_FOLLOW_UP"))
    assert [(a["rung"], a["target_agency"]) for a in raised] == [("WORKER", "river-clinic")]
    platform.clock.step(platform.clock.now() + timedelta(hours=1, minutes=1))
    until(lambda: [a for a in alerts(nurse, case_id, "MISSED_FOLLOW_UP") if a["rung"] == "SUPERVISOR"])
    platform.clock.step(platform.clock.now() + timedelta(hours=1, minutes=1))
    until(lambda: [a for a in alerts(nurse, case_id, "MISSED_FOLLOW_UP") if a["rung"] == "MANAGER"])
    platform.clock.step(platform.clock.now() + timedelta(hours=1, minutes=1))
    top = until(lambda: [a for a in alerts(nurse, case_id, "MISSED_FOLLOW_UP") if a["rung"] == "COORDINATOR"])[0]
    assert top["target_agency"] == "north"

    coordinator = platform.person("regional-office", Role.COORDINATOR)
    stale = coordinator.tell("monitoring", f"/alerts/{top['alert_id']}/resolution", {}, version=1)
    assert (stale.status_code, stale.json()["version"]) == (412, top["version"])
    assert coordinator.tell("monitoring", f"/alerts/{top['alert_id']}/resolution", {}, version=top["version"]).status_code == 200
    until(lambda: "monitoring.AlertResolved" in timeline(nurse, case_id))
    assert len(alerts(nurse, case_id, "MISSED_FOLLOW_UP")) == 1


def test_a_contact_in_time_raises_nothing_and_schedules_the_next(platform: Platform) -> None:
    nurse = platform.person("hill-clinic")
    case_id, seen = opened_case(nurse, priority="CRITICAL")
    answer = nurse.tell("monitoring", "/contacts", {"case_id": case_id, "result": "REACHED", "channel": "VISIT"}, seen=seen)
    assert answer.status_code == 201, answer.text
    assert answer.json()["follow_up_id"]
    platform.clock.step(platform.clock.now() + timedelta(days=1))
    again = nurse.tell("monitoring", "/contacts", {"case_id": case_id, "result": "REACHED", "channel": "PHONE"})
    moment = platform.clock.now() + timedelta(days=1, hours=12)
    platform.clock.step(moment)
    coordinator = platform.person("regional-office", Role.COORDINATOR)
    until(lambda: coordinator.ask("monitoring", "/board").json()["watermark"] > moment.isoformat())
    assert alerts(nurse, case_id, "MISSED_FOLLOW_UP") == []
    assert again.json()["next_due_at"] > moment.isoformat()


def test_an_offer_that_nobody_answers_accuses_the_agency_that_was_asked(platform: Platform) -> None:
    nurse = platform.person("lake-hospital")
    case_id, seen = opened_case(nurse, priority="CRITICAL")
    offered = nurse.tell("referral", "/referrals", {"case_id": case_id, "service_type": "legal-aid", "agency": "law-office"}, seen=seen)
    assert offered.status_code == 201, offered.text
    platform.clock.step(platform.clock.now() + timedelta(hours=4, minutes=1))
    found = until(lambda: alerts(nurse, case_id, "REFERRAL_UNANSWERED"))
    assert [(a["agency"], a["rung"]) for a in found] == [("law-office", "WORKER")]
    late = platform.person("law-office").tell("referral", f"/referrals/{offered.json()['id']}/acceptance", {}, version=1)
    assert late.status_code == 200, late.text
    until(lambda: [a for a in alerts(nurse, case_id, "REFERRAL_UNANSWERED") if a["state"] == "RESOLVED"])


def test_to_a_stranger_a_case_is_as_absent_as_one_that_does_not_exist(platform: Platform) -> None:
    case_id, _ = opened_case(platform.person("city-hospital"))
    stranger = platform.person("other-office")
    for service, path in (("intake", "/cases/{}"), ("planning", "/plans/{}"), ("monitoring", "/cases/{}/timeline")):
        there, nowhere = stranger.ask(service, path.format(case_id)), stranger.ask(service, path.format(uuid4()))
        assert (there.status_code, there.content) == (404, nowhere.content)


def test_the_page_shows_the_board(platform: Platform) -> None:
    coordinator = platform.person("regional-office", Role.COORDINATOR)

    def shows_the_open_cases() -> bool:
        total = coordinator.ask("monitoring", "/board").json()["cases"]["total"]
        page = httpx.get(platform.run.page, trust_env=False)
        return total > 0 and page.status_code == 200 and f">{total}<" in page.text and "demo" in page.text.lower()

    until(shows_the_open_cases)


def test_who_says_what_they_have_seen_reads_no_older_state_elsewhere(platform: Platform) -> None:
    """Read your writes across services: the plan is there for whoever saw the case opened."""
    nurse = platform.person("city-hospital")
    case_id, seen = opened_case(nurse)
    plan = nurse.ask("planning", f"/plans/{case_id}", **{"Case-Seen": seen})
    assert (plan.status_code, plan.json()["state"]) == (200, "PLANNING")
    told = nurse.ask("monitoring", f"/cases/{case_id}/timeline", **{"Case-Seen": seen}).json()["items"]
    assert [item["type"] for item in told if item["owner"] == "intake"] == [
        "intake.CaseReceived",
        "intake.CaseTriaged",
        "intake.CaseOpened",
    ]
