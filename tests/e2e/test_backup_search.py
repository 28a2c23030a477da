"""A case stands still because nobody gives the service: who is asked why says so, and the search goes on by itself, over Kafka alone."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from casebus.envelope import Role
from tests.e2e.conftest import Person, Platform
from tests.e2e.test_a_case_flows import alerts, listed_service, opened_case, timeline
from tests.waiting import until


def test_a_stall_for_want_of_a_service_asks_the_next_candidate_and_at_last_the_coordinator(platform: Platform) -> None:
    nurse, kind = platform.person("waiting-clinic"), f"shelter-{uuid4().hex[:8]}"
    case_id, seen = opened_case(nurse, priority="CRITICAL")
    nurse.tell("planning", f"/plans/{case_id}/goals", {"horizon": "SHORT", "domain": "HOUSING"}, version=1, seen=seen)
    nurse.tell("planning", f"/plans/{case_id}/steps", {"kind": "REFERRAL", "service_type": kind}, version=2)
    agreed = nurse.tell("planning", f"/plans/{case_id}/agreement", {}, version=3)
    assert agreed.status_code == 200, agreed.text
    until(lambda: steps(nurse, case_id) == ["BLOCKED"])
    coordinator = platform.person("regional-office", Role.COORDINATOR)
    assert [one["rung"] for one in until(lambda: alerts(coordinator, case_id, "NO_PROVIDER_LEFT"))] == ["COORDINATOR"]

    listed_service(platform, f"house-{kind}", kind)
    explain(platform, nurse, case_id)
    [offer] = until(lambda: offers(nurse, case_id))
    assert (offer["agency"], offer["state"], steps(nurse, case_id)) == (f"house-{kind}", "OFFERED", ["REQUESTED"])
    until(lambda: [one["state"] for one in alerts(coordinator, case_id, "NO_PROVIDER_LEFT")] == ["RESOLVED"])
    declined = platform.person(f"house-{kind}").tell("referral", f"/referrals/{offer['id']}/decline", {"reason": "OUT_OF_AREA"}, version=1)
    assert declined.status_code == 200, declined.text
    until(lambda: len(alerts(coordinator, case_id, "NO_PROVIDER_LEFT")) == 2)


def explain(platform: Platform, who: Person, case_id: str) -> None:
    """The case stalls, and its worker says why."""
    until(lambda: "planning.PlanAgreed" in timeline(who, case_id))
    platform.clock.step(platform.clock.now() + timedelta(days=2, minutes=5))
    [stalled] = until(lambda: alerts(who, case_id, "STALLED_CASE"))
    answer = who.tell("monitoring", f"/alerts/{stalled['alert_id']}/cause", {"cause": "NO_RESOURCE"}, version=stalled["version"])
    assert answer.status_code == 200, answer.text


def offers(who: Person, case_id: str) -> list[dict[str, Any]]:
    return list(who.ask("referral", f"/referrals?case_id={case_id}").json().get("items", []))


def steps(who: Person, case_id: str) -> list[str]:
    return [step["state"] for step in who.ask("planning", f"/plans/{case_id}").json()["steps"]]
