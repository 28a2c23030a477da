"""Traces, one from POST to alert. The only place that knows OpenTelemetry.

An event carries the context of the request that made it (its `traceparent`), and so does whatever is stated because of it, through every
service. A batch belongs to many traces: its span is a trace of its own that links to the contexts of its records. A span a request, a batch
or an alert, never one a record. Nothing of a person goes into one: names are ours, attributes those of `Name` and no others.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Thread
from typing import Any, Final, Literal, TypeVar, get_args
from uuid import uuid4

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    NonRecordingSpan,
    NoOpTracer,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    get_current_span,
    set_span_in_context,
    use_span,
)

from casebus import metrics

Name = Literal[
    "http.request.method",
    "http.route",
    "http.response.status_code",
    "error.type",
    "messaging.system",
    "messaging.operation.type",
    "messaging.operation.name",
    "messaging.destination.name",
    "messaging.consumer.group.name",
    "messaging.batch.message_count",
    "continuum.cases",
    "continuum.decisions",
    "continuum.event.type",
    "continuum.rule",
]
"""All that a span may say. Each value is a number, or one of a set that our own code fixes: a route, a topic, a type, a rule."""
About = Mapping[Name, str | int]
LINKS: Final = 16
"""The most that a span links to, spread over its batch: more would cost a full batch more than the fiftieth part of its time."""
SEND_SECONDS: Final = 5.0
Kind = SpanKind
T = TypeVar("T")
_ALLOWED: Final = frozenset(get_args(Name))
_is_trace = re.compile("00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})").fullmatch
_NOWHERE: Final = NoOpTracer()
_log: Any = structlog.get_logger(__name__)


class _Tracing:
    """Where spans go in this process: nowhere, until `send_to`."""

    tracer: Tracer = _NOWHERE
    provider: TracerProvider | None = None


class Running:
    """A span at work."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def tell(self, about: About) -> None:
        """Add attributes. A name that is not allowed is left out."""
        if self._span.is_recording():
            self._span.set_attributes({name: value for name, value in about.items() if name in _ALLOWED})

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def link(self, traceparents: Iterable[str | None]) -> None:
        """Link to these contexts, each once, at most LINKS of them. Costs nothing where the span goes nowhere."""
        if self._span.is_recording():
            for traceparent in list(dict.fromkeys(traceparents))[:LINKS]:
                if (context := _context(traceparent)) is not None:
                    self._span.add_link(context)

    def failed(self, kind: str) -> None:
        """It ended with an error of this class. What the error says may hold a value, so it is not told."""
        self._span.set_status(Status(StatusCode.ERROR))
        self.tell({"error.type": kind})


def send_to(service: str, exporter: SpanExporter) -> None:
    """From now on every span goes to `exporter`, in batches, from a thread of its own. What it can't take in time is dropped."""
    use(service).add_span_processor(BatchSpanProcessor(_Patient(exporter)))


def otlp(endpoint: str) -> SpanExporter:
    """OTLP over HTTP to a collector's address."""
    return OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=SEND_SECONDS)


def use(service: str) -> TracerProvider:
    """From now on spans are made, by the sampler that OTEL_TRACES_SAMPLER names (all, or as the caller decided)."""
    whose = Resource.create({"service.name": f"continuum-{service}", "service.instance.id": str(uuid4())})
    _Tracing.provider = TracerProvider(resource=whose, shutdown_on_exit=False)
    _Tracing.tracer = _Tracing.provider.get_tracer("continuum")
    return _Tracing.provider


def finish(seconds: float) -> None:
    """Send what waits, if that can be done within `seconds`; from now on spans go nowhere."""
    provider, _Tracing.provider, _Tracing.tracer = _Tracing.provider, None, _NOWHERE
    if provider is not None:
        sending = Thread(target=provider.shutdown, name="last spans", daemon=True)
        sending.start()
        sending.join(seconds)


@contextmanager
def span(name: str, *, kind: Kind = Kind.INTERNAL, parent: str | None = None, about: About | None = None) -> Iterator[Running]:
    """A span below the given W3C trace context, else below the current one, else the first of a new trace."""
    made = _Tracing.tracer.start_span(name, context=_below(parent), kind=kind)
    running = Running(made)
    if about:
        running.tell(about)
    with use_span(made, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield running
        except BaseException as error:
            running.failed(type(error).__name__)
            raise


def mark(name: str, *, kind: Kind, parent: str | None, about: About) -> str | None:
    """A span without duration below `parent`, for what is decided at one moment; the context to hand on, `parent` where none is made."""
    with span(name, kind=kind, parent=parent, about=about):
        return traceparent() or parent


def traceparent() -> str | None:
    """The W3C trace context of the current span, None outside of one."""
    context = get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def trace_id() -> str | None:
    """The current trace, for a line of the log."""
    context = get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def of_batch(operation: str, records: int) -> About:
    """What the span of a batch of Kafka's says, by OpenTelemetry's conventions for messaging."""
    return {"messaging.system": "kafka", "messaging.operation.type": operation, "messaging.batch.message_count": records}


def some(of: Sequence[T]) -> Sequence[T]:
    """At most LINKS of a batch, spread over it: what its span links to."""
    return of[:: -(-len(of) // LINKS) or 1]


def carried(headers: Iterable[tuple[str, bytes | None]]) -> str | None:
    """The context in a record's headers, unchecked: what is none is linked to nothing."""
    return next((value.decode("latin-1") for name, value in headers if name == "traceparent" and value), None)


def _below(parent: str | None) -> Context | None:
    context = _context(parent)
    return None if context is None else set_span_in_context(NonRecordingSpan(context), Context())


def _context(traceparent: str | None) -> SpanContext | None:
    """None for what is no trace context of W3C's first version."""
    found = _is_trace(traceparent) if traceparent else None
    if found is None:
        return None
    trace, span, flags = found.groups()
    return SpanContext(int(trace, 16), int(span, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16) & 1))


class _Patient(SpanExporter):
    """A collector that is away is one line of the log, and one more when it is back. What is lost meanwhile is counted."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner, self._away = inner, False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._inner.export(spans)
        away = result is not SpanExportResult.SUCCESS
        if away:
            metrics.SPANS_LOST.inc(len(spans))
        if away != self._away:
            self._away = away
            _log.warning("the collector takes no spans" if away else "the collector takes spans again")
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)
