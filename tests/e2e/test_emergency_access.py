"""In an emergency a stranger reads a case in every service, for some hours; nobody's review is an alert."""

from datetime import timedelta

from casebus.envelope import Role
from tests.e2e.conftest import Person, Platform
from tests.e2e.test_a_case_flows import alerts, opened_case, timeline
from tests.waiting import until

READ = (("intake", "/cases/{}"), ("planning", "/plans/{}"), ("monitoring", "/cases/{}/timeline"))


def reads(who: Person, case_id: str, seen: str = "") -> set[int]:
    """How every service answers."""
    headers = {"Case-Seen": seen} if seen else {}
    return {who.ask(service, path.format(case_id), **headers).status_code for service, path in READ}


def test_it_opens_the_case_for_three_hours_and_asks_for_a_review(platform: Platform) -> None:
    nurse, supervisor = platform.person("emergency-clinic"), platform.person("emergency-clinic", Role.SUPERVISOR)
    case_id, _ = opened_case(nurse)
    stranger, words = platform.person("night-shelter"), "The client stands at our door, hurt."
    until(lambda: reads(nurse, case_id) == {200})
    assert reads(stranger, case_id) == {404}

    short = stranger.tell("intake", f"/cases/{case_id}/emergency-access", {"words": "help", "minutes": 999})
    assert (short.status_code, {each["field"] for each in short.json()["errors"]}) == (422, {"words", "minutes"})
    opened = stranger.tell("intake", f"/cases/{case_id}/emergency-access", {"words": words})
    assert (opened.status_code, opened.json()["version"]) == (200, 4), opened.text
    assert reads(stranger, case_id, opened.headers["Case-Seen"]) == {200}
    assert stranger.tell("planning", f"/plans/{case_id}/closure/proposal", {"outcome": "DIED"}, version=1).status_code == 403
    assert stranger.ask("intake", f"/cases/{case_id}/emergency-access").status_code == 403
    assert "intake.EmergencyAccessGranted" in timeline(nurse, case_id)
    [access] = supervisor.ask("intake", f"/cases/{case_id}/emergency-access").json()["items"]
    assert access["words"] == words

    platform.clock.step(platform.clock.now() + timedelta(hours=3, minutes=1))
    assert reads(stranger, case_id) == {404}
    platform.clock.step(platform.clock.now() + timedelta(days=8))
    [alert] = until(lambda: alerts(nurse, case_id, "EMERGENCY_ACCESS_UNREVIEWED"))
    assert alert["agency"] == "emergency-clinic"
    why = nurse.ask("monitoring", f"/alerts/{alert['alert_id']}/why").json()
    assert (why["started_by"]["type"], why["stopped_by"]) == ("intake.EmergencyAccessGranted", ["intake.EmergencyAccessReviewed"])
    body = {"access_id": access["access_id"], "result": "JUSTIFIED"}
    reviewed = supervisor.tell("intake", f"/cases/{case_id}/emergency-access/review", body, version=4)
    assert reviewed.status_code == 200, reviewed.text
    until(lambda: [each for each in alerts(nurse, case_id, "EMERGENCY_ACCESS_UNREVIEWED") if each["state"] == "RESOLVED"])
