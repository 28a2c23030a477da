"""What is counted and measured. Every metric is declared here, or in a service's metrics.py, with what it means and what to do about it.

`make metrics` writes docs/metrics.md from these. Labels are few and bounded: owners, tracks, topics and partitions that schemas/topics
declares, commands and routes of the API, rules and rungs of the code. Never a case, a person, or an agency: those grow with the world.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import Counter, Gauge, Histogram


@dataclass(frozen=True, slots=True)
class Described:
    """A metric as docs/metrics.md tells of it. `labels`: what each one holds. `act`: what to watch for, and what to do then."""

    name: str
    kind: str
    unit: str
    meaning: str
    act: str
    labels: Mapping[str, str] = field(default_factory=dict)


DECLARED: Final[list[Described]] = []
_UNITS: Final = ("seconds", "bytes", "ratio")
FAST: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Bounds for what somebody waits for, in seconds."""


def counter(name: str, meaning: str, act: str, **labels: str) -> Counter:
    """Declare a counter; its name ends with _total."""
    return Counter(_declared(name, "counter", meaning, act, labels), meaning, list(labels))


def gauge(name: str, meaning: str, act: str, **labels: str) -> Gauge:
    return Gauge(_declared(name, "gauge", meaning, act, labels), meaning, list(labels))


def histogram(name: str, meaning: str, act: str, bounds: tuple[float, ...] = FAST, **labels: str) -> Histogram:
    return Histogram(_declared(name, "histogram", meaning, act, labels), meaning, list(labels), buckets=bounds)


def _declared(name: str, kind: str, meaning: str, act: str, labels: Mapping[str, str]) -> str:
    unit = next((unit for unit in _UNITS if name.removesuffix("_total").endswith(f"_{unit}")), "")
    DECLARED.append(Described(name, kind, unit, meaning, act, labels))
    return name


_OWNER = "the service that writes the topic"
_TRACK = "the service and what the track is for: planning.copies"

EVENTS = counter(
    "continuum_events_total",
    "Records of a track, by what became of them.",
    "Any quarantined, and parked that goes on: the runbook has both.",
    track=_TRACK,
    outcome="applied, duplicate, parked, quarantined; of the stream applied, passed, error",
)
PUBLISHED = counter(
    "continuum_published_total", "Events that the broker acknowledged.", "Stands still while commands are answered.", owner=_OWNER
)
RELAY_FAILURES = counter(
    "continuum_relay_failures_total", "Times a relay was made again.", "Rises: the broker or the database is away.", owner=_OWNER
)
COMMANDS = counter(
    "continuum_commands_total",
    "Commands, by what they were answered with.",
    "503: behind, or the database is away. 5xx else: a mistake of ours, the log says where.",
    command="its name in the API, or unknown",
    status="the HTTP status",
)
COMMAND_SECONDS = histogram(
    "continuum_command_seconds",
    "Time of a request of commands, one or a batch, from the first statement to its commit.",
    "Rises alone: the database is slow. Rises with the pool in use: too many wait.",
    service="the service that was asked",
)
HTTP_SECONDS = histogram(
    "continuum_http_request_seconds",
    "Time of a request to the API, from its first byte to the end of its answer.",
    "p99 of POST above 0.5 s, or 5xx: the runbook has both.",
    method="GET, POST; _OTHER for what is none",
    route="the route as the API's pages name it, ids as {id}; unmatched",
    status_class="2xx, 4xx, 5xx; none where the caller left before the answer",
)
HTTP_IN_FLIGHT = gauge(
    "continuum_http_in_flight",
    "Requests to the API that are being answered now.",
    "Stays high: the database is slow, or callers wait.",
)
SPANS_LOST = counter(
    "continuum_spans_lost_total", "Spans that the collector didn't take.", "Rises: the collector is away. Nothing else suffers."
)


def count_batch(track: str, applied: int, duplicates: int, parked: int, quarantined: int) -> None:
    """What became of a batch's records."""
    for outcome, count in (("applied", applied), ("duplicate", duplicates), ("parked", parked), ("quarantined", quarantined)):
        if count:
            EVENTS.labels(track, outcome).inc(count)
