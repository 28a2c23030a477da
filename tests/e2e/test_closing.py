"""A case is closed: what stands against it is said, an alert asks for it, and a second person approves."""

from datetime import timedelta
from typing import Any

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
    body = {"outcome": "GOALS_REACHED"}
    untold = nurse.tell("planning", f"/plans/{case_id}/closure/proposal", body, version=4)
    assert (untold.status_code, [each["field"] for each in untold.json()["errors"]]) == (422, ["told_on"])
    told_on = (platform.clock.now() - timedelta(days=14)).date().isoformat()
    proposed = nurse.tell("planning", f"/plans/{case_id}/closure/proposal", body | {"told_on": told_on}, version=4)
    assert (proposed.status_code, proposed.json()["closing"]["blocked_by"]) == (200, ["OPEN_STEP"]), proposed.text
    blocked = supervisor.tell("planning", f"/plans/{case_id}/closure", body, version=5)
    assert (blocked.status_code, [each["field"] for each in blocked.json()["errors"]]) == (409, ["steps"])

    platform.clock.step(platform.clock.now() + timedelta(days=14, minutes=5))
    [alert] = until(lambda: alerts(nurse, case_id, "CLOSURE_BLOCKED"))
    why = nurse.ask("monitoring", f"/alerts/{alert['alert_id']}/why").json()
    assert (why["started_by"]["type"], why["stopped_by"]) == ("planning.ClosureProposed", ["planning.CaseClosed"])

    [step] = plan(nurse, case_id)["steps"]
    done = nurse.tell("planning", f"/plans/{case_id}/steps/completion", {"step_id": step["step_id"], "result": "ACHIEVED"}, version=5)
    assert done.json()["closing"]["blocked_by"] == []
    closed = supervisor.tell("planning", f"/plans/{case_id}/closure", body, version=6)
    assert (closed.status_code, closed.json()["state"]) == (200, "CLOSED"), closed.text
    until(lambda: [each for each in alerts(nurse, case_id, "CLOSURE_BLOCKED") if each["state"] == "RESOLVED"])
