"""Spans: in whose trace they are, what they may say, and that a collector which is away costs nobody anything."""

import threading
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from structlog.testing import capture_logs

from casebus import metrics, tracing
from tests.spans import collected, links, trace_of, written

CALLER = f"00-{'a' * 32}-{'b' * 16}-01"
UNSAMPLED = CALLER[:-2] + "00"


def trace(number: int) -> str:
    return f"00-{number:032x}-{number:016x}-01"


def test_a_span_belongs_to_the_trace_that_it_is_given() -> None:
    with collected() as spans:
        with tracing.span("outer", parent=CALLER), tracing.span("inner"):
            pass
        inner, outer = spans.all()
    assert (trace_of(inner), trace_of(outer)) == ("a" * 32, "a" * 32)
    assert written(outer.parent) == CALLER
    assert written(inner.parent) == written(outer.context)


@pytest.mark.parametrize("wrong", [None, "", "nonsense", CALLER.upper(), f"00-{'0' * 32}-{'b' * 16}-01", f"01-{'a' * 32}-{'b' * 16}-01"])
def test_what_is_no_trace_context_begins_a_new_trace(wrong: str | None) -> None:
    with collected() as spans:
        with tracing.span("first", parent=wrong):
            pass
        assert spans.all()[0].parent is None


def test_without_a_collector_nothing_is_made_and_the_callers_context_passes_on() -> None:
    assert tracing.traceparent() is None
    with tracing.span("first"):
        assert tracing.traceparent() is None
    with tracing.span("below", parent=CALLER) as running:
        running.tell({"http.route": "/x"})
        assert tracing.traceparent() == CALLER
    assert tracing.mark("m", kind=tracing.Kind.PRODUCER, parent=CALLER, about={}) == CALLER


def test_a_caller_who_does_not_sample_is_not_traced_but_handed_on() -> None:
    with collected() as spans:
        with tracing.span("below", parent=UNSAMPLED):
            handed_on = tracing.traceparent()
        assert spans.all() == []
    assert handed_on is not None
    assert (handed_on[3:35], handed_on[-2:]) == ("a" * 32, "00")


def test_only_what_is_allowed_goes_into_a_span() -> None:
    about = {"http.route": "/cases/{id}", "person.name": "Ann"}
    with collected() as spans:
        with pytest.raises(ValueError, match="Ann"), tracing.span("one", about=about):  # type: ignore[arg-type]  # what it is about
            raise ValueError("Ann was not reached")
        [span] = spans.all()
    assert dict(span.attributes or {}) == {"http.route": "/cases/{id}", "error.type": "ValueError"}
    assert not span.events, "an exception's text may hold anything"
    assert span.status.description is None


def test_a_batch_links_to_what_made_its_records_each_once_and_never_to_all() -> None:
    many = [trace(number) for number in range(1, 1001)]
    with collected() as spans:
        with tracing.span("few") as running:
            running.link(["rubbish", trace(1), None, trace(2), trace(1)])
        with tracing.span("many") as running:
            running.link(tracing.some(many))
        few, all_of_them = spans.all()
    assert links(few) == [trace(1), trace(2)]
    assert tracing.LINKS / 2 < len(links(all_of_them)) <= tracing.LINKS
    assert links(all_of_them)[-1] > trace(900), "spread over the batch"


@pytest.mark.parametrize("size", [0, 1, tracing.LINKS, tracing.LINKS + 1, 500])
def test_some_of_a_batch_is_all_of_a_small_one(size: int) -> None:
    chosen = tracing.some(range(size))
    assert len(chosen) <= tracing.LINKS
    assert size > tracing.LINKS or list(chosen) == list(range(size))


def test_the_context_is_found_wherever_it_stands_in_the_headers() -> None:
    assert tracing.carried([("traceparent", CALLER.encode()), ("ce_id", b"x")]) == CALLER
    assert tracing.carried([("ce_id", b"x"), ("traceparent", b"\xff")]) == "\xff"
    assert tracing.carried([]) is None


class Stuck(SpanExporter):
    """A collector that takes the connection and never answers."""

    def __init__(self) -> None:
        self.reached, self.let_go = threading.Event(), threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.reached.set()
        self.let_go.wait()
        return SpanExportResult.SUCCESS


def test_a_collector_that_never_answers_stops_no_work_and_no_end() -> None:
    stuck = Stuck()
    tracing.send_to("test", stuck)
    try:
        for _ in range(10_000):  # more than the queue holds
            with tracing.span("work"):
                pass
        assert stuck.reached.wait(30)
        tracing.finish(0.01)
        assert not stuck.let_go.is_set(), "the work is done, and the service would end, while the exporter still waits"
    finally:
        stuck.let_go.set()
        tracing.finish(5)


class Refusing(SpanExporter):
    def __init__(self) -> None:
        self.answers = [SpanExportResult.FAILURE] * 3 + [SpanExportResult.SUCCESS] * 2

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self.answers.pop(0)


def test_a_collector_that_is_away_is_said_once_and_what_is_lost_is_counted() -> None:
    before = metrics.SPANS_LOST._value.get()
    with collected() as spans:
        with tracing.span("one"):
            pass
        batch = spans.all()
    patient = tracing._Patient(Refusing())
    with capture_logs() as lines:
        for _ in range(5):
            patient.export(batch)
    assert [line["event"] for line in lines] == ["the collector takes no spans", "the collector takes spans again"]
    assert metrics.SPANS_LOST._value.get() - before == 3
