"""A client turns away, and again: each time it is said why and what is tried; then a supervisor has to look at it (S54)."""

from datetime import timedelta
from typing import Any

from casebus.envelope import Role
from tests.e2e.conftest import Person, Platform
from tests.e2e.test_a_case_flows import alerts, opened_case, timeline
from tests.waiting import until

WHY = {"cause": "CLIENT_DISENGAGED", "resistance": "DISTRUST", "approach": "TRUSTED_PERSON"}


def stalls(platform: Platform, who: Person, case_id: str, before: set[str]) -> dict[str, Any]:
    """Two days without progress: the alert that asks why."""
    platform.clock.step(platform.clock.now() + timedelta(days=2, minutes=5))
    found = until(lambda: [each for each in alerts(who, case_id, "STALLED_CASE") if each["alert_id"] not in before])
    return dict(found[0])


def test_a_client_who_turns_away_again_has_a_supervisor_look_at_it(platform: Platform) -> None:
    nurse, supervisor = platform.person("resisted-clinic"), platform.person("resisted-clinic", Role.SUPERVISOR)
    case_id, _ = opened_case(nurse, priority="CRITICAL")
    until(lambda: "intake.CaseOpened" in timeline(nurse, case_id))
    before: set[str] = set()
    for _ in range(2):
        stalled = stalls(platform, nurse, case_id, before)
        before.add(stalled["alert_id"])
        path = f"/alerts/{stalled['alert_id']}/cause"
        untold = nurse.tell("monitoring", path, {"cause": "CLIENT_DISENGAGED"}, version=stalled["version"])
        assert untold.status_code == 422, untold.text
        explained = nurse.tell("monitoring", path, WHY, version=stalled["version"])
        assert (explained.status_code, explained.json()["state"]) == (200, "RESOLVED"), explained.text

    platform.clock.step(platform.clock.now() + timedelta(days=8))
    [alert] = until(lambda: alerts(nurse, case_id, "RESISTANCE_UNREVIEWED"))
    assert (alert["agency"], alert["rung"]) == ("resisted-clinic", "SUPERVISOR")
    by_hand = supervisor.tell("monitoring", f"/alerts/{alert['alert_id']}/resolution", {"done": "OTHER"}, version=alert["version"])
    assert (by_hand.status_code, "/resistance/review" in by_hand.json()["detail"]) == (409, True)
    body = {"capacity": "IN_DOUBT", "approach": "RELATIONSHIP_FIRST"}
    assert nurse.tell("monitoring", f"/cases/{case_id}/resistance/review", body).status_code == 403
    reviewed = supervisor.tell("monitoring", f"/cases/{case_id}/resistance/review", body, version=alert["version"])  # as the console does
    assert (reviewed.status_code, bool(reviewed.json()["next_due_at"])) == (200, True), reviewed.text
    until(lambda: [each for each in alerts(nurse, case_id, "RESISTANCE_UNREVIEWED") if each["state"] == "RESOLVED"])
    said = timeline(nurse, case_id)
    assert said.count("monitoring.StallExplained") == 2
    assert "monitoring.ResistanceReviewed" in said
