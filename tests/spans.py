"""The spans of a test, in memory."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext

from casebus import tracing


class Spans:
    """What has ended so far, in order."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def all(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all() if span.name == name]


@contextmanager
def collected() -> Iterator[Spans]:
    """Spans of this process are kept during the block."""
    exporter = InMemorySpanExporter()
    tracing.use("test").add_span_processor(SimpleSpanProcessor(exporter))
    try:
        yield Spans(exporter)
    finally:
        tracing.finish(5)


def written(context: SpanContext | None) -> str:
    """A span's context as W3C writes it."""
    assert context is not None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def links(span: ReadableSpan) -> list[str]:
    return [written(link.context) for link in span.links]


def trace_of(span: ReadableSpan) -> str:
    return written(span.context)[3:35]
