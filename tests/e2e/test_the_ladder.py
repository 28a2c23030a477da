"""The ladder walked with people absent: whoever is told may act on it, up to the region's duty authority (domain.md, checks 11 and 12)."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from casebus.envelope import Role
from continuum.stack import issuer
from tests.e2e.conftest import Person, Platform
from tests.e2e.test_a_case_flows import alerts, opened_case, timeline
from tests.waiting import until

AGENCY, REGION, OFFICE = "ladder-clinic", "ladder-region", "ladder-office"
PEOPLE: tuple[dict[str, object], ...] = (
    {"person": "l-worker", "agency": AGENCY, "functions": ["WORKER"], "deputy": "l-deputy"},
    {"person": "l-deputy", "agency": AGENCY, "functions": ["WORKER"]},
    {"person": "l-manager", "agency": AGENCY, "functions": ["MANAGER"]},
    {"person": "l-coordinator", "agency": OFFICE, "functions": ["COORDINATOR"]},
    {"person": "l-authority", "agency": OFFICE, "functions": ["DUTY_AUTHORITY"]},
)
"""Nobody is the agency's supervisor."""
EXPECTED = (("WORKER", "l-deputy"), ("MANAGER", "l-manager"), ("DUTY_AUTHORITY", "l-authority"))
"""The worker is away and has a deputy, the supervisor's rung is vacant, the coordinator is away, and so is at last the duty authority."""


def somebody(platform: Platform, name: str, role: Role, agency: str) -> Person:
    return Person(platform.run, issuer(platform.run.home).token(actor=name, role=role, agency=agency, region=REGION))


def role_of(rung: str) -> tuple[Role, str]:
    return (Role.COORDINATOR, OFFICE) if rung in ("COORDINATOR", "DUTY_AUTHORITY") else (Role.WORKER, AGENCY)


@pytest.fixture
def case(platform: Platform) -> tuple[Person, str]:
    """A critical case of an agency whose people are listed and partly away; its worker, and its id."""
    operator = somebody(platform, "operator", Role.OPERATOR, "operations")
    for one in PEOPLE:
        assert operator.tell("monitoring", "/people", {"region": REGION, **one}).status_code == 201
    first, last = platform.clock.now().date(), (platform.clock.now() + timedelta(days=60)).date()
    for person in ("l-worker", "l-coordinator", "l-authority"):
        away = {"person": person, "first": first.isoformat(), "last": last.isoformat()}
        assert operator.tell("monitoring", "/people/absences", away).status_code == 201
    worker = somebody(platform, "l-deputy", Role.WORKER, AGENCY)
    case_id, _ = opened_case(worker, priority="CRITICAL", region=REGION)
    until(lambda: "monitoring.FollowUpScheduled" in timeline(worker, case_id))
    platform.clock.step(platform.clock.now() + timedelta(days=2, minutes=1))
    return worker, case_id


def test_whoever_is_told_may_act_on_it_up_to_the_duty_authority(platform: Platform, case: tuple[Person, str]) -> None:
    reader, case_id = case
    for rung, person in EXPECTED[:-1]:
        _, taken = take(platform, told_on(reader, case_id, rung), person)
        step_past(platform, taken)
    rung, person = EXPECTED[-1]
    alert = told_on(reader, case_id, rung)
    authority, taken = take(platform, alert, person)
    path, done = f"/alerts/{alert['alert_id']}/resolution", {"done": "CLIENT_SEEN"}
    assert authority.tell("monitoring", path, done, version=alert["version"]).status_code == 412
    over = authority.tell("monitoring", path, done, version=taken["version"])
    assert (over.status_code, over.json()["state"]) == (200, "RESOLVED"), over.text
    until(lambda: "monitoring.AlertResolved" in timeline(reader, case_id))
    platform.clock.step(platform.clock.now() + timedelta(hours=3))
    found = alerts(reader, case_id, "MISSED_FOLLOW_UP")
    assert [(one["state"], one["rung"]) for one in found if one["alert_id"] == alert["alert_id"]] == [("RESOLVED", rung)]


def take(platform: Platform, alert: dict[str, Any], person: str) -> tuple[Person, dict[str, Any]]:
    """It names this person, who takes it in work; put off it may not be, for the case is critical."""
    assert alert["targets"] == [person]
    target = somebody(platform, person, *role_of(alert["rung"]))
    path = f"/alerts/{alert['alert_id']}"
    answer = target.tell("monitoring", f"{path}/work", {}, version=alert["version"])
    assert answer.status_code == 200, answer.text
    taken: dict[str, Any] = answer.json()
    assert (taken["state"], taken["worker"]) == ("IN_WORK", person)
    put_off = target.tell("monitoring", f"{path}/suppression", {"reason": "OTHER", "until_at": taken["until"]}, version=taken["version"])
    assert put_off.status_code == 409, put_off.text
    return target, taken


def told_on(who: Person, case_id: str, rung: str) -> dict[str, Any]:
    """The alert of the missed follow-up, once it is this rung's turn."""
    return until(lambda: [one for one in alerts(who, case_id, "MISSED_FOLLOW_UP") if one["rung"] == rung])[0]


def step_past(platform: Platform, taken: dict[str, Any]) -> None:
    """Until the time by which the work should have been done, and a little more."""
    until_at = datetime.fromisoformat(taken["until"])
    platform.clock.step(max(until_at, platform.clock.now()) + timedelta(minutes=1))
