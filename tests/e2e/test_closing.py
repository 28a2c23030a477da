"""A case is closed: what stands against it is said, an alert asks for it, and a second person approves."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from casebus.envelope import Role
from tests.e2e.conftest import Person, Platform
from tests.e2e.test_a_case_flows import alerts
from tests.e2e.test_a_case_rests import active_case
from tests.waiting import until


def plan(who: Person, case_id: str) -> dict[str, Any]:
    found: dict[str, Any] = who.ask("planning", f"/plans/{case_id}").json()
    return found


def test_a_closing_that_is_blocked_raises_an_alert_until_a_supervisor_can_approve_it(platform: Platform) -> None:
    nurse, supervisor = platform.person("closing-clinic"), platform.person("closing-clinic", Role.SUPERVISOR)
    case_id = active_case(nurse)
    needs = {"need_id": str(uuid4()), "domain": "HOUSING", "need_class": "SURVIVAL"}
    needed = nurse.tell("planning", f"/plans/{case_id}/needs", needs, version=4)
    assert (needed.status_code, needed.json()["needs"][0]["state"]) == (200, "IDENTIFIED"), needed.text
    body = {"outcome": "GOALS_REACHED"}
    untold = nurse.tell("planning", f"/plans/{case_id}/closure/proposal", body, version=5)
    assert (untold.status_code, [each["field"] for each in untold.json()["errors"]]) == (422, ["told_on"])
    told_on = (platform.clock.now() - timedelta(days=14)).date().isoformat()
    proposed = nurse.tell("planning", f"/plans/{case_id}/closure/proposal", body | {"told_on": told_on}, version=5)
    assert (proposed.status_code, proposed.json()["closing"]["blocked_by"]) == (200, ["OPEN_STEP", "UNMET_NEED"]), proposed.text
    blocked = supervisor.tell("planning", f"/plans/{case_id}/closure", body, version=6)
    assert (blocked.status_code, [each["field"] for each in blocked.json()["errors"]]) == (409, ["steps", "needs"])

    platform.clock.step(platform.clock.now() + timedelta(days=14, minutes=5))
    [alert] = until(lambda: alerts(nurse, case_id, "CLOSURE_BLOCKED"))
    why = nurse.ask("monitoring", f"/alerts/{alert['alert_id']}/why").json()
    assert (why["started_by"]["type"], why["stopped_by"]) == ("planning.ClosureProposed", ["planning.CaseClosed"])

    [step] = plan(nurse, case_id)["steps"]
    done = nurse.tell("planning", f"/plans/{case_id}/steps/completion", {"step_id": step["step_id"], "result": "ACHIEVED"}, version=6)
    assert done.json()["closing"]["blocked_by"] == ["UNMET_NEED"]
    [unowned] = until(lambda: alerts(nurse, case_id, "UNOWNED_NEED"))
    assert (unowned["subject_id"], unowned["agency"]) == (needs["need_id"], "closing-clinic")
    judged = {"need_id": needs["need_id"], "result": "UNMET", "referred_to": "regional-office"}
    assert nurse.tell("planning", f"/plans/{case_id}/needs/judgement", judged, version=7).json()["closing"]["blocked_by"] == []
    closed = supervisor.tell("planning", f"/plans/{case_id}/closure", body, version=8)
    assert (closed.status_code, closed.json()["state"]) == (200, "CLOSED"), closed.text
    for rule in ("CLOSURE_BLOCKED", "UNOWNED_NEED"):
        until(lambda rule=rule: [each for each in alerts(nurse, case_id, rule) if each["state"] == "RESOLVED"])  # type: ignore[misc]
