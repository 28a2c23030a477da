"""An entry of the directory that nobody makes sure of is an alert to its agency; one whose licence has run out is not offered."""

from datetime import timedelta
from uuid import uuid4

from casebus.envelope import Role
from tests.e2e.conftest import Platform
from tests.e2e.test_a_case_flows import alerts, opened_case, timeline
from tests.waiting import until


def test_an_entry_grows_stale_and_loses_its_licence(platform: Platform) -> None:
    operator, worker = platform.person("fresh-shelter", Role.OPERATOR), platform.person("fresh-shelter")
    coordinator, kind = platform.person("regional-office", Role.COORDINATOR), f"shelter-{uuid4().hex[:8]}"
    licence = (platform.clock.now() + timedelta(days=10)).date().isoformat()
    body = {"service_type": kind, "kind": "NGO", "region": "north", "capacity": {"available": 3, "maximum": 5}, "term": "EMERGENCY"}
    listed = operator.tell("referral", "/services", body | {"licence_until": licence})
    assert (listed.status_code, listed.json()["state"]) == (201, "LISTED"), listed.text
    entry = listed.json()["id"]

    platform.clock.step(platform.clock.now() + timedelta(days=31))
    [alert] = until(lambda: alerts(worker, entry, "RESOURCE_STALE"))
    assert (alert["agency"], alert["rung"], alert["case_id"]) == ("fresh-shelter", "WORKER", entry)
    why = worker.ask("monitoring", f"/alerts/{alert['alert_id']}/why").json()
    assert (why["started_by"]["type"], why["stopped_by"]) == ("referral.ServiceListed", ["referral.ServiceAssured"])
    assert entry not in {each["case_id"] for each in coordinator.ask("monitoring", "/cases").json()["items"]}
    for reads in (worker, coordinator):
        until(lambda reads=reads: timeline(reads, entry) == ["referral.ServiceListed", "monitoring.AlertRaised"])  # type: ignore[misc]
    for stranger in (platform.person("city-hospital"), platform.person("other-office", Role.COORDINATOR, region="south")):
        assert stranger.ask("monitoring", f"/cases/{entry}/timeline").status_code == 404

    assert worker.ask("referral", f"/services/{entry}").json()["state"] == "SUSPENDED"
    nurse = platform.person("city-hospital")
    case_id, seen = opened_case(nurse)
    offer = {"case_id": case_id, "service_type": kind, "service_id": entry}
    refused = nurse.tell("referral", "/referrals", offer, seen=seen)
    assert (refused.status_code, [each["field"] for each in refused.json()["errors"]]) == (422, ["service_id"])
    licence = (platform.clock.now() + timedelta(days=365)).date().isoformat()
    assured = operator.tell("referral", f"/services/{entry}/assurance", {"licence_until": licence}, version=1)
    assert (assured.status_code, assured.json()["state"]) == (200, "VERIFIED"), assured.text
    assert nurse.tell("referral", "/referrals", offer).status_code == 201
    until(lambda: [each for each in alerts(worker, entry, "RESOURCE_STALE") if each["state"] == "RESOLVED"])
