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
_UNITS: Final = ("seconds", "records", "connections")
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
_ITSELF = "the service that tells it"
"""Without a label the stream, which has no database, would tell them too, as 0."""
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
    owner=_ITSELF,
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
UNPUBLISHED = gauge(
    "continuum_outbox_unpublished_records",
    "Events that wait in the outbox. Above 10,000 by the distance of their numbers.",
    "Rises: the relay doesn't keep up, or the broker is away.",
    owner=_OWNER,
)
OLDEST = gauge(
    "continuum_outbox_oldest_seconds",
    "Age of the first event that waits in the outbox, in system time; 0 where none waits.",
    "Above 2 minutes: others don't hear of what was answered.",
    owner=_OWNER,
)
RELAY_WORKING = gauge(
    "continuum_relay_working",
    "1 where this process holds the relay of the database and is at work, 0 where it stands by or can't.",
    "The greatest over the processes of a service is 1. 0 for longer than a restart: nobody sends.",
    owner=_OWNER,
)
STOPPED = gauge(
    "continuum_part_stopped",
    "1 where a part of the process stopped until a person mends what /readyz says.",
    "1: read /readyz.",
    part="relay, job, or a track: planning.copies",
)
LAG = gauge(
    "continuum_lag_records",
    "Records between the track's place and the end of the partition. All processes of a service tell the same.",
    "Rises and doesn't fall: the track stands still, or more comes than it can take.",
    track=_TRACK,
    topic="a topic of schemas/topics",
    partition="its number",
)
PARKED = gauge(
    "continuum_parked_records", "Records that wait for one that comes before them, up to 10,000.", "Stays above 0: a gap.", track=_TRACK
)
QUARANTINED = gauge(
    "continuum_quarantined_records", "Records that can't be applied and that nobody has settled, up to 10,000.", "Above 0.", track=_TRACK
)
DATABASE_UP = gauge(
    "continuum_database_up", "1 where the database answered the last look at these states, within 2 s.", "0.", owner=_ITSELF
)
BROKER_UP = gauge(
    "continuum_broker_up", "1 where the broker answered the last look at the ends of topics, within 3 s.", "0.", owner=_ITSELF
)
LOOKED = gauge(
    "continuum_looked_timestamp_seconds",
    "When the states were last looked up, in Unix time: the outbox, lag, parked, quarantined, clocks, open alerts.",
    "Older than a minute: what these say is old, because the database hangs.",
    owner=_ITSELF,
)
POOL_IN_USE = gauge(
    "continuum_database_in_use_connections",
    "Connections of the process's pool that are in use now.",
    "Near 16, all that there are: 503 soon.",
    owner=_ITSELF,
)
SPANS_LOST = counter(
    "continuum_spans_lost_total", "Spans that the collector didn't take.", "Rises: the collector is away. Nothing else suffers."
)


def count_batch(track: str, applied: int, duplicates: int, parked: int, quarantined: int) -> None:
    """What became of a batch's records."""
    for outcome, count in (("applied", applied), ("duplicate", duplicates), ("parked", parked), ("quarantined", quarantined)):
        if count:
            EVENTS.labels(track, outcome).inc(count)
