"""Logs, metrics and traces. No name, place or free text goes into any of them: ids, types, counts and reasons from a fixed list only."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter("continuum_events_total", "Records of a track by what became of them", ["track", "outcome"])
PUBLISHED = Counter("continuum_published_total", "Events that the broker acknowledged", ["owner"])
UNPUBLISHED = Gauge("continuum_outbox_unpublished", "Events that wait in the outbox", ["owner"])
RELAY_FAILURES = Counter("continuum_relay_failures_total", "Times the relay was made again", ["owner"])
COMMANDS = Counter("continuum_commands_total", "Commands by name and HTTP status", ["command", "status"])
COMMAND_SECONDS = Histogram("continuum_command_seconds", "Time of a request of commands, from its body to its commit", ["service"])
WATERMARK_AGE = Gauge("continuum_watermark_age_seconds", "System time less the watermark, by owner", ["owner"])
ALERTS = Counter("continuum_alerts_total", "Decisions about alerts", ["rule", "decision"])

_propagator = TraceContextTextMapPropagator()


def configure(service: str, *, otlp_endpoint: str | None = None, level: str = "INFO") -> None:
    """Once, by main: JSON logs to stderr, and a tracer whose spans go to `otlp_endpoint`, or nowhere."""

    def of_service(_: object, __: str, said: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {"service": service, **said}

    shared: list[structlog.typing.Processor] = [
        of_service,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    as_json = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, as_json],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(as_json, foreign_pre_chain=shared))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    provider = TracerProvider(resource=Resource.create({"service.name": f"continuum-{service}"}))
    if otlp_endpoint:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{otlp_endpoint}/v1/traces")))
    trace.set_tracer_provider(provider)


def logger(name: str) -> Any:
    """A structured logger: `log.info("what happened", key=value)`. Typed Any, as structlog's is."""
    return structlog.get_logger(name)


def count_batch(track: str, applied: int, duplicates: int, parked: int, quarantined: int) -> None:
    for outcome, count in (("applied", applied), ("duplicate", duplicates), ("parked", parked), ("quarantined", quarantined)):
        if count:
            EVENTS.labels(track, outcome).inc(count)


@contextmanager
def span(name: str, traceparent: str | None = None, **attributes: str | int) -> Iterator[None]:
    """A span below the given W3C trace context, or a new trace."""
    context = _propagator.extract({"traceparent": traceparent}) if traceparent else None
    with trace.get_tracer("continuum").start_as_current_span(name, context=context, attributes=attributes):
        yield


def traceparent() -> str | None:
    """The W3C trace context of the current span, None outside of one."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")
