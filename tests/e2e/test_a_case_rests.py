"""A case is given to a worker, becomes more urgent and rests: what is due moves, over four services and Kafka."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.e2e.conftest import Person, Platform
from tests.e2e.test_a_case_flows import alerts, opened_case, timeline
from tests.waiting import until

ROUGHLY = timedelta(hours=2)
"""Days are counted by the agency's calendar, and summer time may begin between."""


def active_case(who: Person) -> str:
    """A case of MEDIUM priority whose plan is agreed."""
    case_id, seen = opened_case(who, priority="MEDIUM")
    who.tell("planning", f"/plans/{case_id}/goals", {"horizon": "SHORT", "domain": "SAFETY"}, version=1, seen=seen)
    who.tell("planning", f"/plans/{case_id}/steps", {"kind": "DIRECT"}, version=2)
    agreed = who.tell("planning", f"/plans/{case_id}/agreement", {}, version=3)
    assert agreed.status_code == 200, agreed.text
    return case_id


def follow_up(who: Person, case_id: str) -> dict[str, Any]:
    """Its first, once it is there."""

    def scheduled() -> list[str]:
        items = who.ask("monitoring", f"/cases/{case_id}/timeline").json().get("items", [])
        return [item["says"]["follow_up_id"] for item in items if item["type"] == "monitoring.FollowUpScheduled"]

    one = until(scheduled)[0]
    found: dict[str, Any] = who.ask("monitoring", f"/follow-ups/{one}").json()
    return found


def due(who: Person, case_id: str) -> datetime:
    return datetime.fromisoformat(follow_up(who, case_id)["due_at"])


def test_five_days_of_rest_and_a_raised_priority_move_what_is_due(platform: Platform) -> None:
    nurse = platform.person("quiet-clinic")
    case_id = active_case(nurse)
    assigned = nurse.tell("intake", f"/cases/{case_id}/worker", {"worker_id": str(uuid4())}, version=3)
    assert assigned.status_code == 200, assigned.text
    before = due(nurse, case_id)
    review_on = (platform.clock.now() + timedelta(days=20)).date().isoformat()
    rests = nurse.tell("planning", f"/plans/{case_id}/suspension", {"reason": "IN_HOSPITAL", "review_on": review_on}, version=4)
    assert (rests.status_code, rests.json()["state"]) == (200, "SUSPENDED"), rests.text
    until(lambda: due(nurse, case_id) > before + timedelta(days=15))

    platform.clock.step(platform.clock.now() + timedelta(days=5))
    goes_on = nurse.tell("planning", f"/plans/{case_id}/suspension/end", {}, version=5)
    assert (goes_on.status_code, goes_on.json()["state"]) == (200, "ACTIVE"), goes_on.text
    until(lambda: abs(due(nurse, case_id) - (before + timedelta(days=5))) < ROUGHLY)

    urgent = nurse.tell("intake", f"/cases/{case_id}/priority", {"priority": "HIGH", "reason": "CRISIS"}, version=4)
    assert urgent.status_code == 200, urgent.text
    until(lambda: abs(due(nurse, case_id) - (before - timedelta(days=2))) < ROUGHLY)
    assert "intake.WorkerAssigned" in timeline(nurse, case_id)


def test_an_alert_says_why_and_a_stall_asks_its_cause(platform: Platform) -> None:
    nurse = platform.person("stalled-clinic")
    case_id, _ = opened_case(nurse, priority="CRITICAL")
    until(lambda: "intake.CaseOpened" in timeline(nurse, case_id))
    platform.clock.step(platform.clock.now() + timedelta(days=2, minutes=5))
    [stalled] = until(lambda: alerts(nurse, case_id, "STALLED_CASE"))
    why = nurse.ask("monitoring", f"/alerts/{stalled['alert_id']}/why").json()
    assert (why["started_by"]["type"], why["ended_by"]) == ("intake.CaseOpened", None)
    assert why["deadline"] < why["watermark"]
    path, until_on = f"/alerts/{stalled['alert_id']}/cause", (platform.clock.now() + timedelta(days=6)).date().isoformat()

    def version() -> int:
        return int(nurse.ask("monitoring", f"/alerts/{stalled['alert_id']}").json()["version"])

    wrong = nurse.tell("monitoring", path, {"cause": "WAITING_ON"}, version=version())
    assert (wrong.status_code, wrong.headers["Content-Type"]) == (422, "application/problem+json")
    body = {"cause": "WAITING_ON", "party": "AUTHORITY", "until_on": until_on}
    explained = nurse.tell("monitoring", path, body, version=version())
    assert (explained.status_code, explained.json()["state"]) == (200, "RESOLVED"), explained.text
    platform.clock.step(platform.clock.now() + timedelta(days=8))
    again = until(lambda: [a for a in alerts(nurse, case_id, "STALLED_CASE") if a["alert_id"] != stalled["alert_id"]])[0]
    refused = nurse.tell("monitoring", f"/alerts/{again['alert_id']}/cause", body, version=again["version"])
    assert refused.status_code == 409, refused.text
