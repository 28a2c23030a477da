"""`continuum import csv`: reads a file, says all that is wrong with it, and sends its cases to the services, or says what it would send.

Nothing is sent of a file of which a row is wrong. Keys are made of the facts: sent twice, or again after it broke off, it changes nothing.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from itertools import islice
from pathlib import Path

from rich.table import Table as Grid

from continuum.acts import OWNERS, CasePlan
from continuum.eventlog.mapping import Mapping
from continuum.eventlog.plan import import_id, plan_case
from continuum.eventlog.spool import Spool
from continuum.eventlog.table import Fault, Faults, Problem, Reading, Row, Table
from continuum.flow import Flow
from continuum.progress import Watch
from continuum.rounds import Sender, Trouble

SHOWN = 100
"""How many faults are printed."""
TOGETHER = 500
"""Cases that are on their way at one time."""


@dataclass(slots=True)
class Summary:
    """What a file says: its rows by activity and agency, and how many cases and commands they make."""

    rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    cases: int = 0
    commands: int = 0
    faults: Faults = field(default_factory=Faults)
    latest: datetime | None = None

    def lines(self) -> Iterator[str]:
        """What is wrong, by line."""
        yield from (str(fault) for fault in sorted(self.faults.kept)[:SHOWN])
        if self.faults.count > SHOWN:
            yield f"and {self.faults.count - SHOWN} more"

    def grid(self, mapping: Mapping) -> Grid:
        """What would be sent."""
        grid = Grid("activity", "agency", "rows", "commands of each", title=f"{self.cases} cases, {self.commands} commands")
        for (activity, agency), count in sorted(self.rows.items()):
            grid.add_row(activity, agency, str(count), ", ".join(step.do for step in mapping.steps_of(activity) or ()))
        return grid


def take_in(path: Path, mapping: Mapping, spool: Spool, watch: Watch) -> Summary:
    """Read the file into the spool and plan every case, to know what is wrong before anything is sent."""
    found, size = Summary(), path.stat().st_size
    reading = Reading(found.faults, spool.leave_out, lambda count: watch(count / 2, size))

    def counted() -> Iterator[Row]:
        for row in Table(path, mapping, datetime.now(UTC)).rows(reading):
            found.rows[row.activity, row.agency] += 1
            yield row

    spool.take(counted())
    found.latest, cases = spool.latest(), spool.count()
    for number, plan in enumerate(_plans(path, mapping, spool)):
        watch(cases + number, 2 * cases)
        if isinstance(plan, CasePlan):
            found.cases += 1
            found.commands += len(plan.acts)
        else:
            for fault in plan:
                found.faults.add(fault)
    watch(1, 1)
    return found


def send(path: Path, mapping: Mapping, spool: Spool, found: Summary, sender: Sender, watch: Watch) -> Iterator[Trouble]:
    """Take every case through the services, some at a time; what was refused. Raises BatchFailed: then run it again."""
    assert found.latest is not None and not found.faults.count  # noqa: PT018  # the caller asked
    until, one = found.latest + timedelta.resolution, import_id(digest(path, mapping))
    plans = (plan for plan in _plans(path, mapping, spool) if isinstance(plan, CasePlan))
    total, done = found.commands + found.cases * len(OWNERS), 0
    while some := list(islice(plans, TOGETHER)):
        yield from map(_by_its_first_row, Flow(some, sender).bring_in(until, one, partial(_onward, watch, done, total)).troubles)
        done += sum(len(plan.acts) + len(OWNERS) for plan in some)
    watch(total, total)


def is_untouched(trouble: Trouble) -> bool:
    """Whether nothing of the case was done by this import: it was there before, and stays as it was."""
    return trouble.command == "receive-case"


def _by_its_first_row(trouble: Trouble) -> Trouble:
    """A case that came in before can't be received otherwise: its key was used for another request, or its number is taken."""
    if is_untouched(trouble) and "Idempotency-Key" in trouble.detail:
        return replace(trouble, detail=Problem.CAME_OTHERWISE.value)
    if is_untouched(trouble) and trouble.status == HTTPStatus.CONFLICT:
        return replace(trouble, detail=Problem.CAME_BEFORE.value)
    return trouble


def digest(path: Path, mapping: Mapping) -> str:
    """Names exactly this file and this mapping."""
    with path.open("rb") as file:
        whole = hashlib.file_digest(file, "sha256")
    whole.update(json.dumps(mapping.model_dump(mode="json"), sort_keys=True).encode())
    return whole.hexdigest()


def _onward(watch: Watch, before: int, total: int, done: int, _: int) -> None:
    watch(before + done, total)


def _plans(path: Path, mapping: Mapping, spool: Spool) -> Iterator[CasePlan | list[Fault]]:
    return (plan_case(rows, mapping, path.name) for rows in spool.cases())
