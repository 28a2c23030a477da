"""A command is done once, by whoever may, on the version that was seen."""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from casebus.cause import Cause
from casebus.desk import Answer, Request
from casebus.envelope import Role
from tests.integration.bus.office import CASE, LEAD, STRANGER, Office
from tests.waiting import until

TRIAGE = {"priority": "HIGH", "nature": "SAFETY"}
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def events_of(intake: Office, case: str) -> int:
    return intake.count("SELECT count(*) FROM own.outbox WHERE subject = :case", case=case)


def test_the_same_key_is_done_once_and_gets_the_same_answer(intake: Office) -> None:
    key = str(uuid4())
    first = intake.tell("/cases", CASE, Idempotency_Key=key)
    again = intake.tell("/cases", CASE, Idempotency_Key=key)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    for name in ("ETag", "Case-Seen", "Location"):
        assert first.headers[name] == again.headers[name]
    assert events_of(intake, first.json()["id"]) == 1


def test_the_same_key_for_another_request_is_refused(intake: Office) -> None:
    key = str(uuid4())
    intake.tell("/cases", CASE, Idempotency_Key=key)
    other = intake.tell("/cases", {**CASE, "region": "south"}, Idempotency_Key=key)
    assert other.status_code == 422
    assert other.json()["errors"][0]["field"] == "Idempotency-Key"


def test_a_key_belongs_to_its_agency(intake: Office) -> None:
    """Even if an issuer gave two agencies' people the same name."""
    key = str(uuid4())
    tokens = [intake.issuer.token(actor="same-name", role=Role.WORKER, agency=a, region="north") for a in (LEAD, STRANGER)]
    cases = {intake.tell("/cases", CASE, token=token, Idempotency_Key=key).json()["id"] for token in tokens}
    assert len(cases) == 2


def test_a_refused_command_can_be_mended_and_sent_with_its_key(intake: Office) -> None:
    case, key = intake.received(), str(uuid4())
    assert intake.tell(f"/cases/{case}/opening", {}, version=1, Idempotency_Key=key).status_code == 409
    intake.tell(f"/cases/{case}/triage", TRIAGE, version=1)
    assert intake.tell(f"/cases/{case}/opening", {}, version=2, Idempotency_Key=key).status_code == 200


def test_the_same_key_in_parallel_is_done_once(intake: Office) -> None:
    desk, who, key = intake.desk(), _worker(), str(uuid4())
    together, answers = threading.Barrier(6), list[Answer]()

    def ask() -> None:
        together.wait()
        answers.extend(desk.run(who, [Request(key=key, command="receive-case", body=CASE)]))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({(a.status, str(a.body["id"])) for a in answers}) == 1
    assert len(answers) == 6


def test_the_same_key_on_what_is_held_is_done_once_and_the_other_is_not_told_that_it_is_stale(intake: Office) -> None:
    case, desk, who = intake.received(), intake.desk(), _worker()
    request = Request(key=str(uuid4()), command="triage-case", id=UUID(case), version=1, body=TRIAGE)
    with ThreadPoolExecutor(2) as callers:
        with intake.engine.begin() as connection:
            connection.execute(text("SELECT 1 FROM own.case WHERE id = :case FOR UPDATE"), {"case": case})
            asked = [callers.submit(desk.run, who, [request]) for _ in range(2)]
            until(lambda: intake.count(WAITING) == 2)
        answers = [answer for each in asked for answer in each.result(20)]
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0] == answers[1]
    assert events_of(intake, case) == 2


def test_the_same_key_twice_in_a_batch_is_done_once(intake: Office) -> None:
    command = {"key": str(uuid4()), "command": "receive-case", "body": CASE}
    first, again, other = intake.batch(command, command, {**command, "body": {**CASE, "region": "south"}})
    assert first == again
    assert first["status"] == 201
    assert other["status"] == 422
    assert events_of(intake, first["body"]["id"]) == 1


def test_a_batch_and_a_single_request_share_their_keys(intake: Office) -> None:
    key = str(uuid4())
    single = intake.tell("/cases", {"source": "CLIENT", "region": "north"}, Idempotency_Key=key)
    [batched] = intake.batch({"key": key, "command": "receive-case", "body": CASE})
    assert batched["body"] == single.json()


def test_what_changes_needs_the_version_that_was_seen(intake: Office) -> None:
    case = intake.received()
    without = intake.tell(f"/cases/{case}/triage", TRIAGE)
    assert (without.status_code, without.json()["version"]) == (428, 1)
    stale = intake.tell(f"/cases/{case}/triage", TRIAGE, version=7)
    assert (stale.status_code, stale.json()["version"], stale.headers["ETag"]) == (412, 1, '"1"')
    done = intake.tell(f"/cases/{case}/triage", TRIAGE, version=1)
    assert (done.status_code, done.headers["ETag"], done.headers["Case-Seen"]) == (200, '"2"', "intake=2")
    for wrong in ("2", '"two"', 'W/"2"', "*", '"2", "3"'):
        assert intake.tell(f"/cases/{case}/triage", TRIAGE, If_Match=wrong).status_code == 422


def test_of_two_at_once_one_is_stale(intake: Office) -> None:
    case, desk, who = intake.received(), intake.desk(), _worker()
    together, statuses = threading.Barrier(4), list[int]()

    def ask() -> None:
        together.wait()
        request = Request(key=str(uuid4()), command="triage-case", id=UUID(case), version=1, body=TRIAGE)
        statuses.extend(a.status for a in desk.run(who, [request]))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 412, 412, 412]


def test_to_a_stranger_a_case_is_as_absent_as_one_that_does_not_exist(intake: Office) -> None:
    case, stranger = intake.received(), intake.token(STRANGER)
    for path, body in ((f"/cases/{case}/triage", TRIAGE), (f"/cases/{case}/opening", {}), (f"/cases/{case}/lead/acceptance", {})):
        for version in (1, 9, None):
            known = intake.tell(path, body, token=stranger, version=version)
            absent = intake.tell(path.replace(case, str(uuid4())), body, token=stranger, version=version)
            assert known.status_code == absent.status_code == 404
            assert known.content == absent.content
            assert {k: v for k, v in known.headers.items() if k != "date"} == {k: v for k, v in absent.headers.items() if k != "date"}
    known, absent = (intake.client.get(f"/api/cases/{i}", headers=intake.headers(stranger)) for i in (case, uuid4()))
    assert known.status_code == 404
    assert known.content == absent.content
    [one, other] = intake.batch(*({"command": "triage-case", "id": str(i), "body": TRIAGE} for i in (case, uuid4())), token=stranger)
    assert one["body"] == other["body"]


def test_a_batch_answers_each_command_and_does_what_can_be_done(intake: Office) -> None:
    case, other = intake.received(), intake.received()
    answers = intake.batch(
        {"command": "triage-case", "id": case, "version": 1, "body": TRIAGE},
        {"command": "triage-case", "id": case, "version": 1, "body": TRIAGE},
        {"command": "open-case", "id": case, "version": 2},
        {"command": "open-case", "id": other, "version": 1},
        {"command": "open-case", "id": other},
        {"command": "triage-case", "id": other, "version": 1, "body": {"priority": "URGENT", "nature": "SAFETY"}},
        {"command": "open-case", "version": 1},
        {"command": "no-such-command"},
        {"command": "receive-case", "body": CASE, "key": "not visible: \n"},
        {"command": "open-case", "id": str(uuid4()), "version": 1},
        {"command": "receive-case", "body": CASE},
    )
    assert [a["status"] for a in answers] == [200, 412, 200, 409, 428, 422, 422, 422, 422, 404, 201]
    assert answers[2]["body"]["state"] == "OPENED"
    assert answers[1]["version"] == 2
    assert answers[5]["body"]["errors"][0]["field"] == "priority"
    assert events_of(intake, case) == 3
    assert events_of(intake, other) == 1, "what was refused left nothing behind"


@pytest.mark.parametrize("count", [0, 201])
def test_a_batch_has_its_limits(intake: Office, count: int) -> None:
    command = {"key": "k", "command": "receive-case", "body": CASE}
    response = intake.client.post("/api/commands/batch", json={"commands": [command] * count}, headers=intake.headers())
    assert response.status_code == 422


def test_a_command_waits_until_its_service_has_seen_what_its_caller_saw(intake: Office) -> None:
    case = intake.received()

    def arrive() -> None:
        with intake.engine.begin() as connection:
            connection.execute(text("INSERT INTO own.inbox VALUES ('referral.case.v1', :case, 2)"), {"case": case})

    timer = threading.Timer(0.3, arrive)
    timer.start()
    done = intake.tell(f"/cases/{case}/triage", TRIAGE, version=1, Case_Seen="referral=2, planning=9,intake=1")
    assert done.status_code == 200
    timer.join()


def test_a_command_that_would_wait_too_long_is_told_to_come_again(intake: Office) -> None:
    case, key = intake.received(), str(uuid4())
    late = intake.tell(f"/cases/{case}/triage", TRIAGE, version=1, Case_Seen="referral=2", Idempotency_Key=key)
    assert (late.status_code, late.headers["Retry-After"]) == (503, "1")
    assert late.headers["content-type"] == "application/problem+json"
    assert intake.tell(f"/cases/{case}/triage", TRIAGE, version=1, Idempotency_Key=key).status_code == 200
    for wrong in ("referral", "referral=-1", "referral=two", "Referral=1", "a=1,b=2,c=3,d=4,e=5,f=6,g=7,h=8,i=9"):
        assert intake.tell(f"/cases/{case}/triage", TRIAGE, version=1, Case_Seen=wrong).status_code == 422


def test_only_an_integrator_acts_on_behalf_of_others(intake: Office) -> None:
    behalf = {"agency": "small-charity", "origin": "OFFLINE", "occurred_at": "2026-01-05T09:00:00Z"}
    for role in (Role.WORKER, Role.SUPERVISOR, Role.COORDINATOR, Role.OPERATOR):
        refused = intake.tell("/cases", CASE | {"on_behalf": behalf}, token=intake.token(role=role))
        assert refused.status_code == 403
    integrator = intake.token(role=Role.INTEGRATOR)
    done = intake.tell("/cases", CASE | {"on_behalf": behalf}, token=integrator)
    assert (done.status_code, done.json()["lead"]) == (201, "small-charity")
    for wrong in (
        {"agency": "small-charity", "origin": "IMPORT"},
        {"agency": "small-charity", "occurred_at": "2026-01-05T09:00:00Z"},
        {"agency": "small-charity", "origin": "SYSTEM"},
        {"agency": "small-charity", "origin": "OFFLINE", "occurred_at": "2026-01-05T09:00:00"},
        {"agency": "small-charity", "origin": "OFFLINE", "occurred_at": "2999-01-05T09:00:00Z"},
        {"agency": "Small Charity"},
    ):
        assert intake.tell("/cases", CASE | {"on_behalf": wrong}, token=integrator).status_code == 422


def test_the_same_fact_brought_by_another_import_is_the_same_request(intake: Office) -> None:
    integrator, key = intake.token(role=Role.INTEGRATOR), str(uuid4())

    def bring() -> str:
        behalf = {"agency": LEAD, "origin": "IMPORT", "occurred_at": "2026-01-05T09:00:00Z", "import_id": str(uuid4())}
        body = CASE | {"import": {"owners": ["intake"]}, "on_behalf": behalf}
        return str(intake.tell("/cases", body, token=integrator, Idempotency_Key=key).json()["id"])

    assert bring() == bring()


def _worker() -> Cause:
    return Cause(agency=LEAD, actor="worker-1", actor_role=Role.WORKER, actor_agency=LEAD, region="north")
