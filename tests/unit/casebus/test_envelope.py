"""The envelope travels in headers; what comes from outside is refused by name, never by value."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebus.envelope import Envelope, InvalidEnvelope, Origin, RawHeaders, Role, began, must_be_sendable, to_headers
from casebus.envelope import from_headers as one_by_one
from casebus.heading import read_heading

CASE = UUID("8e55b0a8-9072-5635-ae6b-7bde7d539d83")
EVENT = UUID("0190a2b4-7d1e-7c3a-9c55-2f0d8f6b1a11")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TOPIC = "intake.case.v1"
KEY = str(CASE).encode()
PLAIN = Envelope(
    event_id=EVENT,
    type="intake.CaseOpened",
    version=1,
    owner="intake",
    topic=TOPIC,
    subject=CASE,
    case_seq=3,
    generation=1,
    occurred_at=datetime(2021, 6, 1, 8, 0, tzinfo=UTC),
    recorded_at=datetime(2021, 6, 1, 8, 0, 0, 17, tzinfo=UTC),
    agency="north-shelter",
    actor="u-1f9",
    actor_role=Role.WORKER,
    actor_agency="north-shelter",
    lead_epoch=0,
    correlation_id=EVENT,
    origin=Origin.LIVE,
)
FULL = replace(
    PLAIN,
    on_behalf_of="u-77",
    causation_id=EVENT,
    policy_version="ssda903:3",
    consent="c-12",
    import_id=CASE,
    corrects=EVENT,
    traceparent=TRACE,
)


def from_headers(headers: RawHeaders, *, topic: str, key: bytes | None) -> Envelope:
    """The envelope, read both ways: one by one, and by its heading. They give the same, or refuse the same."""
    try:
        quick = read_heading(headers, topic=topic, key=key)
    except InvalidEnvelope as refused:
        with pytest.raises(InvalidEnvelope, match=f"^{re.escape(str(refused))}$"):
            one_by_one(headers, topic=topic, key=key)
        raise
    whole = one_by_one(headers, topic=topic, key=key)
    assert quick.envelope == whole
    assert (quick.type, quick.subject, quick.case_seq, quick.generation) == (whole.type, whole.subject, whole.case_seq, whole.generation)
    assert (quick.occurred_at, quick.recorded_at) == (whole.occurred_at, whole.recorded_at)
    return whole


def changed(name: str, value: bytes | None) -> RawHeaders:
    """The headers of FULL with one of them changed, or left out."""
    return [header for header in to_headers(FULL) if header[0] != name] + ([(name, value)] if value is not None else [])


@pytest.mark.parametrize("envelope", [PLAIN, FULL], ids=["plain", "full"])
def test_an_envelope_comes_back_from_its_headers(envelope: Envelope) -> None:
    assert from_headers(to_headers(envelope), topic=TOPIC, key=KEY) == envelope


def test_headers_are_cloudevents_in_binary_mode() -> None:
    headers = dict(to_headers(PLAIN))
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_source"] == b"/continuum/intake"
    assert headers["ce_time"] == b"2021-06-01T08:00:00.000000Z"
    assert headers["ce_recordedtime"] == b"2021-06-01T08:00:00.000017Z"
    assert headers["content-type"] == b"application/avro"


def test_what_is_not_said_has_no_header() -> None:
    assert {name for name, _ in to_headers(FULL)} - {name for name, _ in to_headers(PLAIN)} == {
        "ce_onbehalfof",
        "ce_causationid",
        "ce_policyversion",
        "ce_consent",
        "ce_importid",
        "ce_corrects",
        "traceparent",
    }


def test_a_time_of_another_zone_travels_in_utc() -> None:
    london = replace(PLAIN, occurred_at=datetime(2021, 6, 1, 9, 0, tzinfo=timezone(timedelta(hours=1))))
    assert dict(to_headers(london))["ce_time"] == b"2021-06-01T08:00:00.000000Z"
    assert from_headers(changed("ce_time", b"2021-06-01T09:00:00+01:00"), topic=TOPIC, key=KEY).occurred_at == PLAIN.occurred_at


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("content-type", b"application/json"),
        ("ce_specversion", b"0.3"),
        ("ce_source", b"/continuum/planning"),
        ("ce_subject", str(EVENT).encode()),
        ("ce_type", b"planning.CaseClosed"),
        ("ce_type", b"intake.'; drop"),
        ("ce_id", b"not-a-uuid"),
        ("ce_id", b"{0190a2b4-7d1e-7c3a-9c55-2f0d8f6b1a1}"),
        ("ce_dataversion", b"0"),
        ("ce_caseseq", b"0"),
        ("ce_caseseq", b"-1"),
        ("ce_caseseq", b"1_0"),
        ("ce_caseseq", b" 1"),
        ("ce_caseseq", b"9" * 5000),
        ("ce_generation", b""),
        ("ce_began", b""),
        ("ce_began", b"4,,0"),
        ("ce_began", b"4,-1"),
        ("ce_leadepoch", "٣".encode()),
        ("ce_time", b"yesterday"),
        ("ce_time", b"2021-06-01T08:00:00"),
        ("ce_recordedtime", b"2021-02-30T08:00:00Z"),
        ("ce_recordedtime", b"0001-01-01T00:00:00+23:59"),
        ("ce_agency", b"North Shelter"),
        ("ce_agency", b"a" * 64),
        ("ce_actor", b"somebody@example.org"),
        ("ce_actor", b""),
        ("ce_actorrole", b"KING"),
        ("ce_actoragency", b"\xff"),
        ("ce_correlationid", b"0190a2b47d1e7c3a9c552f0d8f6b1a11"),
        ("ce_origin", b"live"),
        ("ce_onbehalfof", b"two words"),
        ("ce_causationid", b"?"),
        ("ce_policyversion", b"\x00"),
        ("ce_consent", b"x" * 129),
        ("ce_importid", b""),
        ("ce_corrects", b"1"),
    ],
)
def test_a_wrong_header_is_named_and_its_value_is_not_told(header: str, value: bytes) -> None:
    with pytest.raises(InvalidEnvelope) as refused:
        from_headers(changed(header, value), topic=TOPIC, key=KEY)
    assert refused.value.header == header
    if len(value) > 3:
        assert value.decode(errors="replace") not in str(refused.value)


@pytest.mark.parametrize("header", [name for name, _ in to_headers(PLAIN)])
def test_a_missing_header_is_named(header: str) -> None:
    with pytest.raises(InvalidEnvelope, match=f"header {header} is missing"):
        from_headers(changed(header, None), topic=TOPIC, key=KEY)


@pytest.mark.parametrize("header", [name for name, _ in to_headers(FULL)])
def test_a_doubled_header_is_named(header: str) -> None:
    headers = to_headers(FULL)
    with pytest.raises(InvalidEnvelope, match=f"header {header} is given twice"):
        from_headers([*headers, (header, dict(headers)[header])], topic=TOPIC, key=KEY)


@pytest.mark.parametrize("headers", [[], [("ce_id", None)]])
def test_a_record_without_headers_is_no_event(headers: RawHeaders) -> None:
    with pytest.raises(InvalidEnvelope):
        from_headers(headers, topic=TOPIC, key=KEY)


@pytest.mark.parametrize("key", [None, b"", str(EVENT).encode()])
def test_a_key_that_is_not_the_subject_is_refused(key: bytes | None) -> None:
    with pytest.raises(InvalidEnvelope, match="ce_subject"):
        from_headers(to_headers(PLAIN), topic=TOPIC, key=key)


def test_headers_of_others_pass_even_twice() -> None:
    headers = [*to_headers(PLAIN), ("baggage", b"a=1"), ("baggage", b"\xff"), ("tracestate", "x=y"), ("empty", None)]
    assert from_headers(headers, topic=TOPIC, key=KEY) == PLAIN


@pytest.mark.parametrize("trace", [b"rubbish", b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01", TRACE.upper().encode()])
def test_a_broken_trace_does_not_cost_the_event(trace: bytes) -> None:
    assert from_headers(changed("traceparent", trace), topic=TOPIC, key=KEY) == replace(FULL, traceparent=None)


def test_the_beginning_of_its_generation_travels_beside_the_envelope() -> None:
    headers = changed("ce_began", b"4,0,17")
    assert from_headers(headers, topic=TOPIC, key=KEY) == FULL
    assert (began(headers), began(to_headers(FULL))) == ((4, 0, 17), ())


@pytest.mark.parametrize(
    ("header", "envelope"),
    [
        ("ce_time", replace(PLAIN, occurred_at=datetime(2021, 6, 1))),  # noqa: DTZ001  # naive on purpose
        ("ce_actor", replace(PLAIN, actor="somebody@example.org")),
        ("ce_agency", replace(PLAIN, agency="North")),
        ("ce_consent", replace(PLAIN, consent="free text")),
    ],
)
def test_what_could_not_be_read_is_not_written(header: str, envelope: Envelope) -> None:
    with pytest.raises(InvalidEnvelope) as refused:
        to_headers(envelope)
    assert refused.value.header == header


@given(st.lists(st.tuples(st.sampled_from([name for name, _ in to_headers(FULL)]) | st.text(), st.none() | st.binary() | st.text())))
def test_rubbish_is_an_invalid_envelope_and_nothing_else(rubbish: list[tuple[str, bytes | str | None]]) -> None:
    names = {name for name, _ in rubbish}
    kept = [header for header in to_headers(FULL) if header[0] not in names]
    for headers in (rubbish, kept + rubbish):
        with suppress(InvalidEnvelope):
            assert from_headers(headers, topic=TOPIC, key=KEY).subject == CASE


@given(
    st.sampled_from(["agency", "actor", "actor_agency", "on_behalf_of", "policy_version"]),
    st.none() | st.text(max_size=4) | st.text("aA0-._ @é\ud800", max_size=130),
)
def test_what_is_stated_is_refused_exactly_where_it_could_not_be_written(field: str, value: str | None) -> None:
    if value is None and field in ("agency", "actor", "actor_agency"):
        return
    envelope = replace(FULL, **{field: value})  # type: ignore[arg-type]  # each of them takes a text

    def refusal(check: Callable[[], object]) -> str | None:
        try:
            check()
        except InvalidEnvelope as refused:
            return str(refused)
        return None

    stated = {name: getattr(envelope, name) for name in ("agency", "actor", "actor_agency", "on_behalf_of", "policy_version")}
    assert refusal(lambda: must_be_sendable(**stated)) == refusal(lambda: to_headers(envelope))
