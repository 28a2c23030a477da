"""What traces cost the pipeline, where every record comes from a request of its own: the most that a batch can link to."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from statistics import median
from time import process_time

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from casebus import tracing
from casebus.envelope import Envelope
from casebus.event import Event
from tests.bench.figure import Figure
from tests.bench.ground import Ground
from tests.bench.history import envelopes, interleaved, new_ids, participation, publish
from tests.bench.pipeline import participation_copy

SPANS = 1500


class Encoded(SpanExporter):
    """A collector that costs what it costs us to write to it, and nothing more."""

    def __init__(self) -> None:
        self.spans, self.links = 0, 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        assert encode_spans(spans).SerializeToString()
        self.spans += len(spans)
        self.links += sum(len(span.links) for span in spans)
        return SpanExportResult.SUCCESS


@contextmanager
def traced() -> Iterator[Encoded]:
    exporter = Encoded()
    tracing.send_to("bench", exporter)
    try:
        yield exporter
    finally:
        tracing.finish(10)


def asked(dice: Random, stated: Iterable[tuple[Event, Envelope]]) -> Iterator[tuple[Event, Envelope]]:
    """Each event from a request of its own."""
    for event, envelope in stated:
        yield event, replace(envelope, traceparent=context(dice))


def context(dice: Random) -> str:
    """The context of some request."""
    return f"00-{dice.getrandbits(128) | 1:032x}-{dice.getrandbits(64) | 1:016x}-01"


def telemetry(ground: Ground, seed: int, *, quick: bool) -> list[Figure]:
    """Our own processor time for the spans of a log, as a share of what it takes to read it without them.

    Both parts are measured alone: the difference of two runs would drown in what else the machine does.
    """
    dice = Random(seed)
    scripts = (participation(case, dice) for case in new_ids(dice, 1_000 if quick else 8_000))
    ground.afresh()
    total = publish(ground.cluster, ground.codec, asked(dice, envelopes(dice, interleaved(dice, scripts))))
    course = participation_copy()
    course.here(ground, total)  # warm
    without = median(course.here(ground, total).spent.ours for _ in range(3))
    with traced() as exporter:
        course.here(ground, total)
    spans, links = exporter.spans, exporter.links
    of_spans = spans * seconds_a_span(dice, links // spans)
    note = f"{spans} spans with {links} links for {total} records: {of_spans * 1e3:.1f} ms of {without * 1e3:.0f} ms"
    return [Figure(name="telemetry", value=of_spans / without * 100, unit="%", goal="≤ 2 %", less_is_better=True, note=note)]


def seconds_a_span(dice: Random, links: int) -> float:
    """Made, linked, ended, taken over and encoded."""
    with traced():
        begun = process_time()
        for _ in range(SPANS):
            headers = [[("ce_id", b""), ("traceparent", context(dice).encode())] for _ in range(links)]
            with tracing.span("process bench.copies", kind=tracing.Kind.CONSUMER, about=tracing.of_batch("process", 500)) as running:
                running.tell({"messaging.consumer.group.name": "bench.copies"})
                running.link(map(tracing.carried, headers))
    return (process_time() - begun) / SPANS
