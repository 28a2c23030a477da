"""The estimate of the flow: what counts, in which window, and what may go wrong without doing harm."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from casebus.cluster import Cluster
from casebus.codec import Codec
from casebus.contracts import EVENTS, intake, planning, referral
from casebus.contracts.intake import AgencyKind, CaseSource
from casebus.envelope import Envelope, Origin, RawHeaders, Role, to_headers
from casebus.errors import InvalidEvent
from casebus.event import Event
from casebus.registry import RegistryAway
from casebus.schema_checks.examples import examples_of, read_example
from casebus.schemas import SCHEMAS, Document, LockedIds, newest, read_schemas
from services.monitoring.domain.case_view import CaseView, HandOff
from services.monitoring.stream.flow import LENGTHS, Flow
from services.monitoring.stream.ledger import MOVES, Ledger, case_from
from services.monitoring.stream.settings import StreamSettings
from services.monitoring.stream.worker import CHANGELOG, Stream, make_app

CODEC = Codec(LockedIds())
NOW = datetime(2026, 3, 4, 10, 30, tzinfo=UTC)  # a Wednesday
CASE = UUID("018f0000-0000-7000-8000-000000000001")
Message = dict[str, Any]


def received(agency: str) -> Event:
    return intake.CaseReceived(case_id=CASE, agency=agency, region="north", source=CaseSource.AGENCY, agency_kind=AgencyKind.HOSPITAL)


def handed_over(to: str) -> Event:
    return intake.LeadHandedOver(case_id=CASE, from_agency="county", to_agency=to, lead_epoch=2)


def accepted(agency: str) -> Event:
    return referral.ReferralAccepted(case_id=CASE, referral_id=UUID(int=7), agency=agency)


def envelope(
    event: Event, seq: int = 1, *, at: datetime = NOW, occurred_at: datetime | None = None, origin: Origin = Origin.LIVE
) -> Envelope:
    return Envelope(
        event_id=UUID(int=seq), type=event.TYPE, version=event.VERSION, owner=event.TYPE.partition(".")[0], topic=event.TOPIC,
        subject=event.subject, case_seq=seq, generation=0, occurred_at=occurred_at or at, recorded_at=at, agency="county", actor="actor-1",
        actor_role=Role.WORKER, actor_agency="county", lead_epoch=1, correlation_id=UUID(int=1), origin=origin,
    )  # fmt: skip


def message(event: Event, seq: int = 1, **more: Any) -> Message:
    headers: RawHeaders = to_headers(envelope(event, seq, **more))
    return {"topic": event.TOPIC, "key": str(event.subject).encode(), "headers": headers, "value": CODEC.encode(event)}


def counts(ledger: Ledger, length: str = "week") -> dict[tuple[str, str, str], int]:
    return {(row["start"][:13], row["from"], row["to"]): row["count"] for row in ledger.flow.rows()[length]}


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(CODEC, {})


def test_an_accepted_referral_hands_the_case_on(ledger: Ledger) -> None:
    assert ledger.take(**message(received("county")))
    assert ledger.take(**message(accepted("shelter")))
    assert counts(ledger, "hour") == {("2026-03-04T10", "county", "shelter"): 1}
    assert counts(ledger, "day") == {("2026-03-04T00", "county", "shelter"): 1}
    assert counts(ledger, "week") == {("2026-03-02T00", "county", "shelter"): 1}


def test_an_event_that_comes_again_changes_nothing(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.take(**message(received("county")))
        ledger.take(**message(accepted("shelter")))
    assert not ledger.take(**message(accepted("shelter")))
    assert list(counts(ledger).values()) == [1]


def test_topics_may_interleave_as_they_like() -> None:
    told = [
        message(received("county")),
        message(handed_over("city"), 2, at=NOW + timedelta(minutes=1)),
        message(accepted("shelter"), 1, at=NOW + timedelta(minutes=2)),
        message(accepted("clinic"), 2, at=NOW + timedelta(minutes=3)),
    ]
    for order in itertools.permutations(told):
        ledger = Ledger(CODEC, {})
        for each in order:
            ledger.take(**each)
        assert [pair[1:] for pair in counts(ledger)] == [("city", "shelter"), ("county", "city"), ("shelter", "clinic")]


def test_an_imported_hand_off_counts_when_it_happened(ledger: Ledger) -> None:
    ledger.take(**message(received("county"), occurred_at=NOW - timedelta(days=90), origin=Origin.IMPORT))
    ledger.take(**message(accepted("shelter"), occurred_at=NOW - timedelta(days=70), origin=Origin.IMPORT))
    assert counts(ledger, "week") == {("2025-12-22T00", "county", "shelter"): 1}
    assert counts(ledger, "day") == {}


def test_windows_that_are_too_old_are_let_go() -> None:
    flow = Flow()
    flow.see(NOW)
    flow.change((), [HandOff(from_agency="a", to_agency="b", at=NOW)])
    for name, length in LENGTHS.items():
        flow.see(length.start(NOW) + length.kept * length.period - timedelta(microseconds=1))
        assert len(flow.rows()[name]) == 1
        flow.see(length.start(NOW) + length.kept * length.period)
        assert flow.rows()[name] == []
    flow.change([HandOff(from_agency="a", to_agency="b", at=NOW)], ())
    assert flow.rows() == {"hour": [], "day": [], "week": []}


def test_a_recovered_table_gives_the_same_windows() -> None:
    table: dict[bytes, bytes] = {}
    before, after = Ledger(CODEC, table), Ledger(CODEC, table)
    before.take(**message(received("county")))
    before.take(**message(accepted("shelter"), at=NOW + timedelta(minutes=5)))
    after.recount()
    assert after.flow.rows() == before.flow.rows()
    assert after.flow.latest == NOW + timedelta(minutes=5)


def test_a_case_that_is_handed_on_without_end_keeps_its_record_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.monitoring.stream.ledger.STEPS", 10)
    table: dict[bytes, bytes] = {}
    ledger = Ledger(CODEC, table)
    moves = [message(received("county"))] + [
        message(accepted(f"agency-{number % 2}"), number, at=NOW + timedelta(seconds=number)) for number in range(1, 30)
    ]
    for each in [*moves, *moves]:
        ledger.take(**each)
    (record,) = table.values()
    assert len(case_from(str(CASE).encode(), record).steps) == 10
    assert sum(counts(ledger, "week").values()) == 9


def test_only_the_events_that_move_a_case_are_read() -> None:
    telling = set()
    for schema in newest(read_schemas()):
        kind = EVENTS.get(schema.type)
        if kind is None:
            continue
        (example, *_) = examples_of(schema, SCHEMAS)
        event = kind(**read_example(schema, example))
        if CaseView(id=CASE).after(event, envelope(event)).steps:
            telling.add(kind)
    assert telling == set(MOVES)


BROKEN: dict[str, Callable[[Message], Message]] = {
    "a value that is no event": lambda good: good | {"value": b"rubbish"},
    "no value": lambda good: good | {"value": None},
    "no headers": lambda good: good | {"headers": None},
    "no key": lambda good: good | {"key": None},
    "another case's key": lambda good: good | {"key": b"018f0000-0000-7000-8000-000000000002"},
    "another topic": lambda good: good | {"topic": "planning.case.v1"},
    "another event's value": lambda good: good | {"value": CODEC.encode(handed_over("city"))},
}


class Silent(LockedIds):
    """The lock's ids, from a registry that is away at first."""

    away = True

    def schema_of(self, id: int, /) -> Document:
        if self.away:
            raise RegistryAway("the registry does not answer")
        return super().schema_of(id)


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_record_is_counted_and_the_next_one_applied(broken: str) -> None:
    stream = Stream(Ledger(CODEC, {}))
    stream.take(_Message(**BROKEN[broken](message(received("county")))))
    stream.take(_Message(**message(received("county"))))
    stream.take(_Message(**message(accepted("shelter"))))
    assert stream.errors == 1
    assert list(counts(stream.ledger).values()) == [1]
    with pytest.raises(InvalidEvent):
        stream.ledger.take(**BROKEN[broken](message(received("county"))))


def test_a_record_that_only_the_registry_can_explain_is_given_again_until_that_answers() -> None:
    ids = Silent()
    stream = Stream(Ledger(Codec(ids), {}))
    assert not stream.take(_Message(**message(received("county"))))
    assert stream.errors == 0
    ids.away = False
    assert stream.take(_Message(**message(received("county"))))
    assert stream.take(_Message(**message(accepted("shelter"))))
    assert list(counts(stream.ledger).values()) == [1]


def test_what_is_of_no_concern_moves_time_on_and_is_not_read() -> None:
    stream = Stream(Ledger(CODEC, {}))
    drafted = planning.PlanDrafted(case_id=CASE, plan_version=1)
    stream.take(_Message(**(message(drafted) | {"value": b"never looked at"})))
    assert stream.trend() == {"estimate": True, "at": NOW.isoformat(), "windows": {"hour": [], "day": [], "week": []}, "errors": 0}


def test_nothing_in_the_environment_opens_the_web_server_or_renames_the_changelog(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WEB_BIND": "0.0.0.0", "WEB_PORT": "1", "APP_VERSION": "9", "BROKER_URL": "kafka://elsewhere"}.items():
        monkeypatch.setenv(name, value)
    app = make_app(StreamSettings(kafka=Cluster("127.0.0.1:9, 127.0.0.1:10"), host="127.0.0.1", port=8405))
    assert (app.conf.web_bind, app.conf.web_port) == ("127.0.0.1", 8405)
    assert [str(broker) for broker in app.conf.broker] == ["kafka://127.0.0.1:9", "kafka://127.0.0.1:10"]
    assert [table.changelog_topic_name for table in app.tables.values()] == [CHANGELOG]


class _Message:
    def __init__(self, **parts: Any) -> None:
        self.__dict__.update(parts)
        self.partition, self.offset = 0, 0
