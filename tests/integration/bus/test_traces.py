"""The context of what was asked travels with its events: into the outbox, through Kafka, to whatever follows."""

from dataclasses import replace
from uuid import uuid4

from opentelemetry.sdk.trace import ReadableSpan
from sqlalchemy import text

from tests.integration.bus.office import CASE, LEAD, Office
from tests.integration.bus.sample import SOMEBODY, Noted, Sample, Work
from tests.integration.bus.tools import consumer_of, in_thread, log_of, publish
from tests.spans import Spans, collected, links, trace_of, written
from tests.waiting import until

CALLER = f"00-{'a' * 32}-{'b' * 16}-01"
ASKED = [f"00-{number:032x}-{number:016x}-01" for number in (1, 2, 3)]


def carried(office: Office, case: str) -> str | None:
    with office.engine.begin() as connection:
        found: str | None = connection.execute(
            text("SELECT attributes ->> 'traceparent' FROM own.outbox WHERE subject = CAST(:id AS uuid)"), {"id": case}
        ).scalar_one()
    return found


def whole(spans: Spans, name: str) -> list[ReadableSpan]:
    """Without the batch that was begun again, when the reader met the log's generation."""
    return [span for span in spans.named(name) if span.status.is_unset]


def test_a_command_s_events_carry_its_request_s_span(intake: Office) -> None:
    with collected() as spans:
        answer = intake.tell("/cases", CASE, traceparent=CALLER)
        [request] = until(lambda: spans.named("POST /api/cases"))
    assert written(request.parent) == CALLER
    assert carried(intake, answer.json()["id"]) == written(request.context)
    assert dict(request.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/api/cases",
        "http.response.status_code": 201,
    }


def test_a_batch_s_events_carry_one_span_and_a_refusal_is_no_error(intake: Office) -> None:
    with collected() as spans:
        first, second = intake.batch({"command": "receive-case", "body": CASE}, {"command": "receive-case", "body": CASE})
        lost = intake.client.get(f"/api/cases/{uuid4()}", headers=intake.headers())
        [request] = until(lambda: spans.named("POST /api/commands/batch"))
        [reading] = until(lambda: spans.named("GET /api/cases/{id}"))
    assert {carried(intake, one["body"]["id"]) for one in (first, second)} == {written(request.context)}
    assert lost.status_code == 404
    assert reading.status.is_unset, "a caller's mistake"


def test_health_is_not_traced_and_an_unknown_path_makes_no_name(intake: Office) -> None:
    with collected() as spans:
        for path in ("/livez", "/readyz", "/metrics", f"/api/nothing/{LEAD}"):
            intake.client.get(path)
        assert [span.name for span in until(spans.all)] == ["GET unmatched"]


def test_relay_and_consumer_link_to_what_was_asked_and_hand_it_on(sample: Sample) -> None:
    case = uuid4()
    for number, asked in enumerate(ASKED):
        sample.note(case, number, cause=replace(SOMEBODY, traceparent=asked))
    causes = []

    def keep(event: Noted, work: Work) -> None:
        causes.append(work.cause)
        sample.keep(event, work)

    track = sample.track(handler=keep)
    with collected() as spans:
        publish(sample)
        with in_thread(consumer_of(sample, track).run):
            until(lambda: len(sample.numbers(case)) == 3)
        [sent] = spans.named(f"send {sample.topic}")
        applied = whole(spans, f"process {track.group}")
    assert links(sent) == ASKED
    assert [link for span in applied for link in links(span)] == ASKED
    assert not {trace_of(span) for span in (sent, *applied)} & {asked[3:35] for asked in ASKED}, "a batch is a trace of its own"
    assert [cause.traceparent for cause in causes] == ASKED
    assert all((span.attributes or {})["messaging.system"] == "kafka" for span in (sent, *applied))


def test_a_record_with_a_broken_context_is_applied_and_linked_to_nothing(sample: Sample) -> None:
    case = uuid4()
    sample.note(case, 7, cause=replace(SOMEBODY, traceparent="00-broken"))
    with collected() as spans:
        publish(sample)
        with in_thread(consumer_of(sample).run):
            until(lambda: sample.numbers(case) == [7])
        assert [links(span) for span in whole(spans, f"send {sample.topic}") + whole(spans, f"process {sample.track().group}")] == [[], []]
    assert dict(log_of(sample)[0].headers)["traceparent"] == b"00-broken"
