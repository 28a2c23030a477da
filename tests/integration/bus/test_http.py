"""Whatever is sent, the answer is a problem that says what to do, and never repeats what was sent."""

import io
import json
import re
import socket
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest
import structlog
from httpx import Response

from casebus import http
from casebus.assembly import UnknownPart, build
from casebus.desk import Desk
from casebus.envelope import Role
from casebus.errors import Unauthenticated
from casebus.identity import AUDIENCE, DEVELOPMENT_ISSUER, DevelopmentIssuer, Verifier, new_key_pair
from casebus.registry import RegistryAway
from services.intake.main import BLUEPRINT
from tests.integration.bus.office import CASE, LEAD, Office

MARK = "janedoe"
PROBLEM = "application/problem+json"


def is_problem(response: Response, *statuses: int) -> dict[str, object]:
    """Its body, after the checks that every refusal passes."""
    assert response.status_code in statuses, response.text
    assert response.headers["content-type"] == PROBLEM
    said: dict[str, object] = response.json()
    assert {"type", "title", "status", "detail"} <= said.keys()
    assert said["status"] == response.status_code
    assert MARK not in response.text.lower()
    return said


BODIES = {
    "nothing": b"",
    "no JSON": b"janedoe",
    "half of it": b'{"region": "janedoe',
    "an array": b'["janedoe"]',
    "a string": b'"janedoe"',
    "a number": b"17",
    "null": b"null",
    "not a number": b'{"region": NaN}',
    "nested objects": b'{"region":' * 100_000 + b"1" + b"}" * 100_000,
    "brackets": b"[" * 100_000,
    "brackets within": b'{"region": ' + b"[" * 900 + b"]" * 900 + b"}",
    "NUL": b'{"region": "north\\u0000janedoe", "source": "CLIENT"}',
    "bare NUL": b'{"region": "north\0janedoe", "source": "CLIENT"}',
    "half a surrogate": b'{"region": "\\ud800janedoe", "source": "CLIENT"}',
    "invalid UTF-8": b'{"region": "\xff\xfejanedoe", "source": "CLIENT"}',
    "UTF-16": '{"region": "janedoe"}'.encode("utf-16"),
    "a huge number": b'{"region": ' + b"9" * 5000 + b"}",
    "a huge float": b'{"region": 1e999, "source": "CLIENT"}',
    "wrong types": b'{"region": {"janedoe": 1}, "source": ["janedoe"]}',
    "an unknown word": b'{"region": "north", "source": "janedoe"}',
    "an unknown field": b'{"region": "north", "source": "CLIENT", "janedoe": "janedoe"}',
    "a field within": b'{"region": "north", "source": "CLIENT", "on_behalf": {"janedoe": 1}}',
    "a bad UUID": b'{"region": "north", "source": "CLIENT", "on_behalf": {"agency": "a-b", "import_id": "janedoe"}}',
    "a bad time": b'{"region": "north", "source": "CLIENT", "on_behalf": {"agency": "a-b", "occurred_at": "janedoe"}}',
    "a long text": b'{"region": "' + b"janedoe" * 10_000 + b'", "source": "CLIENT"}',
    "twice": b'{"region": "janedoe!", "region": "janedoe?", "source": "CLIENT"}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_rubbish_body_gets_a_problem_that_repeats_nothing(intake: Office, body: bytes) -> None:
    headers = intake.headers() | {"Content-Type": "application/json"}
    is_problem(intake.client.post("/api/cases", content=body, headers=headers), 400, 422)
    is_problem(intake.client.post("/api/commands/batch", content=body, headers=headers), 400, 422)
    inside = b'{"commands": [{"key": "k", "command": "receive-case", "body": ' + body + b"}]}"
    response = intake.client.post("/api/commands/batch", content=inside, headers=headers)
    if response.status_code == 200:
        [answer] = response.json()["answers"]
        assert answer["status"] == 422
        assert MARK not in response.text.lower()
    else:
        is_problem(response, 400, 422)


@pytest.mark.parametrize(
    "item",
    [
        {"janedoe": 1},
        {"id": "janedoe"},
        {"version": "janedoe"},
        {"version": 10**400},
        {"case_seen": {"janedoe": "janedoe"}},
        {"case_seen": {"janedoe": -1}},
        {"case_seen": ["janedoe"]},
        {"case_seen": {f"janedoe{n}": 1 for n in range(50)}},
        {"command": ["janedoe"]},
        {"body": "janedoe"},
        {"key": None},
        {"key": "\ud800"},
    ],
)
def test_a_rubbish_item_of_a_batch_is_named_by_its_place(intake: Office, item: dict[str, object]) -> None:
    good = {"key": str(uuid4()), "command": "receive-case", "body": CASE}
    content = json.dumps({"commands": [good, good | item]})  # as ASCII: a lone surrogate, too
    headers = intake.headers() | {"Content-Type": "application/json"}
    response = intake.client.post("/api/commands/batch", content=content, headers=headers)
    said = is_problem(response, 422)
    assert "commands.1" in str(said["errors"])


def test_what_is_wrong_is_told_by_field_and_fix(intake: Office) -> None:
    body = {"region": "North", "source": "FRIEND", "surname": MARK}
    said = is_problem(intake.tell("/cases", body), 422)
    errors = said["errors"]
    assert isinstance(errors, list)
    assert {e["field"] for e in errors} == {"region", "source", "body"}
    assert all(e["fix"] for e in errors)


def test_a_key_is_needed_and_visible(intake: Office) -> None:
    for key in ("", "a b", "x" * 129):
        said = is_problem(intake.tell("/cases", CASE, Idempotency_Key=key), 422)
        assert "Idempotency-Key" in str(said)


def test_what_is_too_large_or_of_unknown_length_is_refused_unread(intake: Office) -> None:
    headers = intake.headers() | {"Content-Type": "application/json"}
    is_problem(intake.client.post("/api/cases", content=b" " * 2_000_001, headers=headers), 413)
    is_problem(intake.client.post("/api/cases", content=iter([b"{}"]), headers=headers), 413)


def test_paths_and_methods_that_are_not_there(intake: Office) -> None:
    headers = intake.headers()
    is_problem(intake.client.get(f"/api/{MARK}", headers=headers), 404)
    is_problem(intake.client.get(f"/api/cases/{MARK}", headers=headers), 422)
    is_problem(intake.tell(f"/cases/{MARK}/triage", {}, version=1), 422)
    is_problem(intake.client.delete(f"/api/cases/{uuid4()}", headers=headers), 405)
    assert intake.client.put("/api/cases", headers=headers, json={}).headers["allow"]
    is_problem(intake.client.get("/api/cases", params={"reference": f"{MARK}\0"}, headers=headers), 422)


def test_a_request_that_is_no_http_does_no_harm(intake: Office) -> None:
    host, port = intake.client.base_url.host, intake.client.base_url.port or 0
    short = b"POST /api/cases HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n"
    for rubbish in (b"\0\0\0\0", short, b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 100):
        with socket.create_connection((host, port), 5) as connection:
            connection.sendall(rubbish)
            connection.shutdown(socket.SHUT_WR)
            assert b"500" not in connection.recv(4096)[:20]
    assert intake.client.get("/livez").status_code == 200


def claims(**changes: object) -> dict[str, object]:
    now = datetime.now(UTC)
    whole = {"iss": DEVELOPMENT_ISSUER, "aud": AUDIENCE, "sub": "worker-1", "role": "WORKER", "agency": LEAD, "region": "north"}
    said = whole | {"exp": now + timedelta(hours=1)} | changes
    return {name: value for name, value in said.items() if value is not None}


BAD_CLAIMS: dict[str, dict[str, object]] = {
    "expired": {"exp": datetime(2020, 1, 1, tzinfo=UTC)},
    "without an end": {"exp": None},
    "another audience": {"aud": "elsewhere"},
    "no audience": {"aud": None},
    "no issuer": {"iss": None},
    "nobody": {"sub": None},
    "a name": {"sub": "Jane Doe"},
    "an address": {"sub": "janedoe@example.org"},
    "the system's role": {"role": "SYSTEM"},
    "an unknown role": {"role": "KING"},
    "no role": {"role": None},
    "no agency": {"agency": None},
    "an agency's name": {"agency": "City Hospital"},
    "a scope that is a list": {"scope": ["read"]},
    "not yet": {"nbf": datetime(2999, 1, 1, tzinfo=UTC)},
}


@pytest.mark.parametrize("wrong", BAD_CLAIMS.values(), ids=BAD_CLAIMS.keys())
def test_a_token_that_is_not_whole_is_no_token(wrong: dict[str, object]) -> None:
    private, public = new_key_pair()
    verifier = Verifier(public.decode(), production=False)
    assert verifier.principal("Bearer " + jwt.encode(claims(), private, algorithm="EdDSA")).agency == LEAD
    with pytest.raises(Unauthenticated):
        verifier.principal("Bearer " + jwt.encode(claims(**wrong), private, algorithm="EdDSA"))


def test_a_token_needs_our_issuers_signature() -> None:
    private, public = new_key_pair()
    other, _ = new_key_pair()
    verifier = Verifier(public.decode(), production=False)
    forged = [
        jwt.encode(claims(), other, algorithm="EdDSA"),
        jwt.encode(claims(), "", algorithm="none"),
        jwt.encode(claims(), "x" * 32, algorithm="HS256"),
        jwt.encode(claims(), private, algorithm="EdDSA")[:-4] + "AAAA",
        "",
        "a.b.c",
        "\xff",
    ]
    for token in forged:
        with pytest.raises(Unauthenticated):
            verifier.principal(f"Bearer {token}")
    for header in (None, "", "Bearer", "Basic abc", jwt.encode(claims(), private, algorithm="EdDSA")):
        with pytest.raises(Unauthenticated):
            verifier.principal(header)


def test_a_token_is_verified_once_until_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_late(*_: object, **__: object) -> None:
        raise jwt.ExpiredSignatureError

    private, public = new_key_pair()
    verifier = Verifier(public.decode(), production=False)
    header = "Bearer " + jwt.encode(claims(), private, algorithm="EdDSA")
    who = verifier.principal(header)
    monkeypatch.setattr(jwt, "decode", too_late)
    assert verifier.principal(header) is who
    with pytest.raises(Unauthenticated):
        verifier.principal(header + "x")
    later = time.time() + 3600
    monkeypatch.setattr("casebus.identity.time.time", lambda: later)
    with pytest.raises(Unauthenticated):
        verifier.principal(header)


def test_a_development_token_has_no_standing_in_production() -> None:
    private, public = new_key_pair()
    token = DevelopmentIssuer(private, production=False).token(actor="a", role=Role.WORKER, agency=LEAD, region="north")
    with pytest.raises(Unauthenticated, match="production"):
        Verifier(public.decode(), production=True).principal(f"Bearer {token}")
    with pytest.raises(RuntimeError):
        DevelopmentIssuer(private, production=True)


def test_without_a_valid_token_nothing_is_told(intake: Office) -> None:
    for token in ("", "a.b.c", intake.token(hours=-1)):
        headers = intake.headers(token) if token else {"Authorization": "Basic abc"}
        for response in (
            intake.client.post("/api/cases", json=CASE, headers=headers),
            intake.client.post("/api/commands/batch", json={"commands": [{"key": "k", "command": "c"}]}, headers=headers),
            intake.client.get(f"/api/cases/{uuid4()}", headers=headers),
        ):
            is_problem(response, 401)
            assert response.headers["www-authenticate"] == "Bearer"


def test_a_reading_token_changes_nothing(intake: Office) -> None:
    token, case = intake.token(reads_only=True), intake.received()
    is_problem(intake.tell("/cases", CASE, token=token), 403)
    headers = intake.headers(token)
    is_problem(intake.client.post("/api/commands/batch", json={"commands": [{"key": "k", "command": "c"}]}, headers=headers), 403)
    assert intake.client.get(f"/api/cases/{case}", headers=headers).status_code == 200


def test_the_pages_of_the_api_need_no_network(intake: Office) -> None:
    page = intake.client.get("/docs")
    assert page.status_code == 200
    linked = re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)""", page.text)
    assert linked
    assert not [address for address in linked if "//" in address]
    for address in linked:
        assert intake.client.get(address).status_code == 200
    described = intake.client.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    assert "/api/cases/{id}/triage" in described["paths"]
    assert not re.findall(r"https?://(?!(spec\.|www\.)?openapis)", json.dumps(described))


def test_health_is_told_without_a_token(intake: Office) -> None:
    assert intake.client.get("/livez").json() == {"status": "ok"}
    assert intake.client.get("/readyz").status_code == 200
    assert "continuum_commands_total" in intake.client.get("/metrics").text


def test_a_mistake_of_ours_leaves_as_a_problem_and_no_value_in_the_log(
    intake: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log is one of the test's own: a service that another test began keeps the stream that was there then."""
    written = io.StringIO()
    own = structlog.wrap_logger(structlog.PrintLogger(written), processors=[structlog.processors.JSONRenderer()])
    monkeypatch.setattr(http, "log", own)

    def broken(*_: object) -> None:
        raise RuntimeError(f"the case of {MARK}")

    monkeypatch.setattr(Desk, "_transact", broken)
    said = is_problem(intake.tell("/cases", CASE), 500)
    assert said["title"] == "Our mistake"
    assert "RuntimeError" in written.getvalue()
    assert MARK not in "".join([written.getvalue(), *capsys.readouterr()])


def test_a_database_that_is_away_is_a_reason_to_come_again(intake: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        with intake.engine.begin() as connection:
            connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(Desk, "_transact", away)
    response = intake.tell("/cases", CASE)
    is_problem(response, 503)
    assert response.headers["retry-after"] == "1"


def test_an_event_that_only_the_registry_can_explain_is_a_reason_to_come_again(intake: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise RegistryAway("the registry does not answer")

    monkeypatch.setattr(Desk, "_transact", away)
    response = intake.tell("/cases", CASE)
    is_problem(response, 503)
    assert response.headers["retry-after"] == "1"


def test_each_part_runs_its_jobs_alone(intake: Office) -> None:
    """Beside the gauges, which every process has."""
    jobs = {
        only: set(build(BLUEPRINT, intake.settings, only).jobs) - {"gauges"} for only in (None, "api", "relay", "consumer", "reactions")
    }
    reads = {"reactions"}  # intake keeps no copies
    parts: dict[str | None, set[str]] = {"api": {"forgetting"}, "relay": {"relay"}, "consumer": reads, "reactions": reads}
    assert jobs == {None: set().union(*parts.values()), **parts}


def test_a_part_that_a_service_does_not_have_is_refused(intake: Office) -> None:
    with pytest.raises(UnknownPart, match="choose one of api, relay, consumer"):
        build(BLUEPRINT, intake.settings, "everything")
