"""What the bus decides without a server."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest
from confluent_kafka import Message
from fastapi import FastAPI
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st
from psycopg.errors import IdleInTransactionSessionTimeout, InFailedSqlTransaction, ReadOnlySqlTransaction, TransactionTimeout
from pydantic import ValidationError
from sqlalchemy.exc import InternalError

from casebus.assembly import run
from casebus.cause import of_event
from casebus.command import Command, OnBehalf
from casebus.database import unavailable
from casebus.desk import acting
from casebus.envelope import Envelope, Origin, Role
from casebus.errors import Forbidden, Invalid, LogBroken, Stale
from casebus.http import read_seen, read_version
from casebus.idempotency import check_key
from casebus.identity import new_key_pair
from casebus.inbox import pack, unpack
from casebus.joined import join
from casebus.kafka import Receipt, Record, _record
from casebus.problems import invalid, problem
from casebus.relay import Stream
from casebus.service import Service
from casebus.settings import MissingSetting, ServiceSettings
from casebus.testing import NOON, cause
from services.intake.main import BLUEPRINT
from services.intake.settings import Settings


def envelope(origin: Origin) -> Envelope:
    return Envelope(
        event_id=uuid4(),
        type="intake.CaseOpened",
        version=1,
        owner="intake",
        topic="intake.case.v1",
        subject=uuid4(),
        case_seq=3,
        generation=1,
        occurred_at=NOON,
        recorded_at=NOON + timedelta(hours=1),
        agency="city-hospital",
        actor="worker-1",
        actor_role=Role.WORKER,
        actor_agency="city-hospital",
        lead_epoch=2,
        correlation_id=uuid4(),
        origin=origin,
        import_id=uuid4() if origin is Origin.IMPORT else None,
    )


def test_a_reaction_is_the_systems_act_at_the_time_it_is_done() -> None:
    event = envelope(Origin.LIVE)
    because = of_event(event, "planning")
    assert (because.actor, because.actor_role, because.origin, because.occurred_at) == ("system-planning", Role.SYSTEM, Origin.SYSTEM, None)
    assert (because.causation_id, because.correlation_id, because.recorded_at) == (event.event_id, event.correlation_id, event.recorded_at)


def test_a_reaction_to_history_is_history_of_the_same_import_and_time() -> None:
    event = envelope(Origin.IMPORT)
    because = of_event(event, "planning")
    assert (because.origin, because.occurred_at, because.import_id) == (Origin.IMPORT, event.occurred_at, event.import_id)


def test_the_next_offsets_follow_the_receipts_in_any_order() -> None:
    stream = Stream("t", 1, "id", (5, 0))
    assert stream.after([Receipt("t", 0, 7), Receipt("t", 0, 6), Receipt("t", 1, 0)]).next == (8, 1)
    assert stream.after([]).next == (5, 0)


def test_a_receipt_at_a_place_that_was_ours_means_another_log() -> None:
    with pytest.raises(LogBroken, match="reseed"):
        Stream("t", 1, "id", (5, 0)).after([Receipt("t", 0, 4)])


class NamedInBytes:
    """What the client gives of a record with a header name that is not UTF-8; no client of ours can send one."""

    def error(self) -> None:
        return None

    def topic(self) -> str:
        return "intake.case.v1"

    def key(self) -> bytes:
        return b"key"

    partition = offset = lambda _: 0
    value = key

    def headers(self) -> None:
        raise SystemError("returned a result with an exception set")


def test_headers_that_the_client_cannot_read_are_none() -> None:
    record = _record(cast(Message, NamedInBytes()))
    assert record == Record("intake.case.v1", 0, 0, b"key", b"key", ())


HEADERS = st.lists(st.tuples(st.sampled_from(["ce_id", "ce_type", "ü"]), st.none() | st.binary(max_size=4)), max_size=4)


@settings_of(deadline=None)
@given(HEADERS)
def test_joined_headers_are_the_same_headers(headers: list[tuple[str, bytes | None]]) -> None:
    joined = join(headers)
    breaks = any(value is None or b"\n" in value for _, value in headers)
    assert (joined is None) == (breaks or not headers)
    if joined is not None:
        assert (list(joined), len(joined), joined[-1], joined[1:]) == (headers, len(headers), headers[-1], headers[1:])
        assert pack(joined) == pack(headers)


def test_headers_are_kept_whatever_is_in_them() -> None:
    headers = [("ce_id", b"plain"), ("binary", bytes(range(256))), ("ce_id", b""), ("ü", b"\xff")]
    assert unpack(pack(headers)) == headers


@pytest.mark.parametrize("key", ["k", "!" * 128, "a~b"])
def test_a_key_is_visible_ascii(key: str) -> None:
    check_key(key)


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 129, "ü", "a\n", "a\0"])
def test_other_keys_are_refused(key: str) -> None:
    with pytest.raises(Invalid):
        check_key(key)


def test_a_version_is_one_strong_etag() -> None:
    assert read_version(None) is None
    assert read_version('"12"') == 12
    for wrong in ("12", 'W/"12"', '""', '"-1"', '"1","2"', '"1234567890"', '"²"', "*", ""):
        with pytest.raises(Invalid):
            read_version(wrong)


def test_what_was_seen_is_read_by_owner() -> None:
    assert read_seen(None) == read_seen("") == {}
    assert read_seen("intake=3,planning=1") == read_seen("intake=3, planning=1") == {"intake": 3, "planning": 1}
    for wrong in ("intake", "intake=", "=3", "intake=3;planning=1", "intake=3,", "INTAKE=3", "intake=-3"):
        with pytest.raises(Invalid):
            read_seen(wrong)


class Told(Command):
    number: int


def test_a_problem_names_the_field_and_the_fix_and_no_value() -> None:
    with pytest.raises(ValidationError) as caught:
        Told.model_validate({"number": "secret", "secret": 1, "on_behalf": {"agency": "a-b", "import_id": "secret"}})
    said = problem(invalid(caught.value.errors()))
    assert "secret" not in str(said)
    assert {e["field"] for e in said["errors"]} == {"number", "body", "on_behalf.import_id"}


def test_a_stale_command_is_told_the_current_version() -> None:
    assert problem(Stale("Read it again.", version=4))["version"] == 4


def test_what_is_done_on_behalf_keeps_who_did_it() -> None:
    integrator = cause("software-house", role=Role.INTEGRATOR)
    behalf = OnBehalf(agency="small-charity", origin=Origin.OFFLINE, occurred_at=NOON)
    acts = acting(integrator, behalf)
    assert (acts.agency, acts.on_behalf_of, acts.actor_agency, acts.occurred_at) == (
        "small-charity",
        "small-charity",
        "software-house",
        NOON,
    )
    with pytest.raises(Forbidden):
        acting(cause(role=Role.COORDINATOR), behalf)


def test_a_job_that_ends_unasked_is_a_fault_that_is_told() -> None:
    def broken(_: threading.Event) -> None:
        raise RuntimeError("secret")

    service = Service(name="sample", app=FastAPI(), port=0, jobs={})
    service._work("clocks", broken)
    service._work("relay", lambda _: None)
    assert [fault.split()[0] for fault in service.faults] == ["clocks", "relay"]
    assert "secret" not in str(service.faults)
    service._stop.set()
    service._work("consumer", lambda _: None)
    assert len(service.faults) == 2


def test_a_job_that_ends_for_what_a_person_wrote_says_what_to_mend() -> None:
    def refused(_: threading.Event) -> None:
        raise MissingSetting("base.yaml: line 2: version: raise it")

    service = Service(name="sample", app=FastAPI(), port=0, jobs={})
    service._work("policies", refused)
    [fault] = service.faults
    assert fault.startswith("policies does not run any more (MissingSetting): base.yaml: line 2: version: raise it; then start")


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment that is whole."""
    (tmp_path / "key.pem").write_bytes(new_key_pair()[1])
    (tmp_path / "rubbish.pem").write_text("no key")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONTINUUM_ENV", raising=False)
    monkeypatch.delenv("CONTINUUM_WATERMARK_SECONDS", raising=False)
    for name, value in {
        "KAFKA_BOOTSTRAP": "k:1",
        "DATABASE_URL": "d",
        "CONTINUUM_PORT": "1",
        "CONTINUUM_JWT_PUBLIC_KEY": "key.pem",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_settings_are_read_from_the_environment(settings: pytest.MonkeyPatch) -> None:
    assert not ServiceSettings.from_environment().production
    settings.setenv("CONTINUUM_ENV", "production")
    assert ServiceSettings.from_environment().production


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONTINUUM_ENV", "prod"),  # would let development tokens in
        ("CONTINUUM_PORT", "http"),
        ("CONTINUUM_WATERMARK_SECONDS", "soon"),
        ("CONTINUUM_JWT_PUBLIC_KEY", "missing.pem"),
        ("CONTINUUM_JWT_PUBLIC_KEY", "rubbish.pem"),
        ("DATABASE_URL", ""),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(settings: pytest.MonkeyPatch, name: str, value: str) -> None:
    settings.setenv(name, value)
    with pytest.raises(MissingSetting, match=name):
        ServiceSettings.from_environment()


def test_a_secret_may_come_from_a_file(settings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql+psycopg://intake@d/intake\n")
    settings.setenv("DATABASE_URL_FILE", "url")
    assert ServiceSettings.from_environment().database_url == "d"
    settings.delenv("DATABASE_URL")
    assert ServiceSettings.from_environment().database_url == "postgresql+psycopg://intake@d/intake"
    settings.setenv("DATABASE_URL_FILE", "nowhere")
    with pytest.raises(MissingSetting, match="DATABASE_URL_FILE"):
        ServiceSettings.from_environment()


def test_it_listens_on_this_machine_alone_until_told(settings: pytest.MonkeyPatch) -> None:
    settings.delenv("CONTINUUM_HOST", raising=False)
    assert ServiceSettings.from_environment().host == "127.0.0.1"
    settings.setenv("CONTINUUM_HOST", "0.0.0.0")
    assert ServiceSettings.from_environment().host == "0.0.0.0"


def test_a_time_without_its_zone_is_no_time() -> None:
    with pytest.raises(ValidationError):
        OnBehalf(agency="a-b", origin=Origin.OFFLINE, occurred_at=datetime(2026, 1, 5, 9))  # noqa: DTZ001  # the point of it
    assert OnBehalf(agency="a-b", origin=Origin.OFFLINE, occurred_at=datetime(2026, 1, 5, 9, tzinfo=UTC)).occurred_at


def test_a_part_that_is_not_there_and_a_setting_that_is_missing_each_end_the_start_with_one_line(settings: pytest.MonkeyPatch) -> None:
    settings.setattr("sys.argv", ["main", "--only", "everything"])
    settings.setenv("DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    with pytest.raises(SystemExit, match="choose one of api, relay, consumer"):
        run(lambda _: BLUEPRINT, Settings)
    settings.delenv("DATABASE_URL")
    with pytest.raises(SystemExit, match="set DATABASE_URL"):
        run(lambda _: BLUEPRINT, Settings)


@pytest.mark.parametrize(
    ("said", "away"),
    [
        (TransactionTimeout(), True),
        (IdleInTransactionSessionTimeout(), True),
        (ReadOnlySqlTransaction(), True),
        (InFailedSqlTransaction(), False),
    ],
)
def test_a_server_that_ended_the_session_or_only_reads_is_a_database_that_is_away(said: Exception, away: bool) -> None:  # noqa: FBT001  # a parameter of the test
    assert unavailable(InternalError("SELECT 1", {}, said)) is away
