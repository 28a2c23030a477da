"""What 1, 10 and 100 million open cases need, computed from the figures of the table."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from tests.bench.figure import shown

BEGIN, END = "<!-- computed by `make bench` -->", "<!-- end of the plan -->"
SIZES = (10**6, 10**7, 10**8)
DAYS_AN_EVENT = 3.0
"""An open case has an event every three days; half of them are commands."""
PEAK = 10.0
"""The busiest hour, as a multiple of the mean."""
EVENTS_KEPT = 60
"""Events that the log holds for each open case: its own, and those of cases that are closed."""
REBUILD_HOURS = 4.0
SHARE = 0.5
"""How much of what was measured is planned with: the rest is for catching up."""
SHARD_GIGABYTES = 2000.0
NEEDED = ("commands over HTTP", "relay", "projection, monitoring", "rebuild, monitoring", "room, monitoring")
HEAD = "| open cases | events/s, peak | commands/s, peak | intake processes | monitoring workers | shards | partitions | its disk |"


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """Of one size. `shards` are databases of monitoring, the widest service: each reads its own partitions by the same hash of the case."""

    cases: int
    events: float
    commands: float
    processes: int
    workers: int
    shards: int
    terabytes: float

    @property
    def partitions(self) -> int:
        """A multiple of six, so that workers and shards share them evenly; twice as many as workers, for growth."""
        return max(6, 6 * ceil(2 * max(self.workers, self.shards) / 6))


def need(cases: int, figures: Mapping[str, float]) -> Need:
    """By the figures of this machine's two cores."""
    events = cases / DAYS_AN_EVENT / 86_400 * PEAK
    kept = cases * EVENTS_KEPT
    live = events / (figures["projection, monitoring"] * SHARE)
    again = kept / (REBUILD_HOURS * 3600) / figures["rebuild, monitoring"]
    size = kept * figures["room, monitoring"] / 1e9
    return Need(
        cases=cases,
        events=events,
        commands=events / 2,
        processes=ceil(events / 2 / (figures["commands over HTTP"] * SHARE)),
        workers=ceil(max(live, again)),
        shards=ceil(max(size / SHARD_GIGABYTES, events / (figures["relay"] * SHARE))),
        terabytes=size / 1000,
    )


def rewritten(text: str, figures: Mapping[str, float]) -> str:
    """The document with its plan computed anew; as it was where it has none, or a figure is missing."""
    before, found, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended or any(name not in figures for name in NEEDED):
        return text
    rows = [_row(need(cases, figures)) for cases in SIZES]
    return before + "\n".join([BEGIN, "", HEAD, "|" + "---|" * HEAD.count(" | ") + "---|", *rows, "", END]) + after


def _row(one: Need) -> str:
    cells = [
        f"{one.cases // 10**6} million",
        shown(one.events),
        shown(one.commands),
        str(one.processes),
        str(one.workers),
        str(one.shards),
        str(one.partitions),
        f"{shown(one.terabytes)} TB",
    ]
    return f"| {' | '.join(cells)} |"
