"""The rows of an event log: cells that the mapping names and nothing else; what is wrong is said by line and column, never by its value."""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from zoneinfo import ZoneInfo

from continuum.eventlog.mapping import Mapping

KEPT = 1000
"""How many faults are kept; all are counted."""
_CODE = re.compile(r"(?=.*\d)[A-Za-z0-9][A-Za-z0-9/._-]{0,63}")
_EARLIEST = 1900


class Problem(StrEnum):
    """What is wrong with a row, and what to do."""

    COLUMN_MISSING = "there is no such column: name one of the file's first line, once"
    UNREADABLE = "the file can't be read as CSV from here on: save it as CSV in the mapping's encoding"
    ROW_WIDTH = "write as many cells as there are columns"
    CASE = "write the case's number: 1 to 64 letters and digits, a digit among them, no name"
    ACTOR = "write a code of letters and digits, a digit among them, no name; or nothing"
    ACTIVITY = "the mapping doesn't know it: add it to `activities`, or to `ignore`"
    AGENCY = "the mapping doesn't know it: add it to `agencies`"
    TIME = "write a time as the mapping's `time` says, in ISO 8601 without that"
    TIME_SKIPPED = "clocks were put forward over this time in the mapping's zone: write it with its offset, as +07:00"
    TIME_TO_COME = "write a time that has passed"
    DUE = "write a day as the mapping's `due` says, in ISO 8601 without that; or nothing"
    NOT_RECEIVED = "the case's first row has to receive it: map its activity so, or write `begin`"
    RECEIVED_TWICE = "the case is there already: map this activity to something else"
    NOT_THE_LEAD = "this is for the case's lead: correct the agency, or write `by: lead`"
    NO_PART = "the agency takes no part in the case yet: it accepts a referral or the lead first; or write `by: lead`"
    NO_OFFER = "nothing is offered to this agency: map an earlier activity to offer-referral"
    NO_SERVICE = "this agency has accepted no referral that is not over: map an earlier activity to accept-referral"
    NO_REFERRAL = "the case has no referral that is not over"
    NO_STEP = "the plan has no step that is not over: map an earlier activity to plan-step"
    NOT_TRIAGED = "the case is only received by then: map an earlier activity to triage-case (and to open-case, where the work begins)"
    NOT_OPENED = "the case is not opened by then: map an earlier activity to open-case"
    NOT_AGREED = "the case is opened and its plan not agreed by then: map an earlier activity to agree-plan, or this one to something else"
    IS_ACTIVE = "the case is opened and its plan agreed by then: map this activity to something else"
    RESTS = "the case is suspended by then: map an earlier activity to resume-case"
    CLOSED = "the case is closed by then: map this or an earlier activity to reopen-case, or to something else"
    LEFT = "the case is declined or redirected by then: map that, or this activity, to something else"
    NO_PLAN = "the plan has no goal or no step by then: map an earlier activity, or this one before it, to set-goal and plan-step"
    LONG_REST = "write a day to come, within 30 days: then the case is looked at again"
    PROPOSED = "the lead is proposed to an agency already, or is its own: map this activity to something else"
    NOT_PROPOSED = "the lead is not proposed to this agency: map an earlier activity to propose-lead"
    NO_ACTOR = "write the worker's code: the activity assigns one"
    NO_DUE = "write the day: the activity needs one"
    CAME_OTHERWISE = "the case came in before by another first row or mapping, and that stays: write this row as it was, what is new below"
    CAME_BEFORE = "the agency has this case already, by its own work or by an import a week ago or more: leave its rows out"


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong with a line (1 is the header)."""

    line: int
    column: str
    problem: Problem

    def __str__(self) -> str:
        return f"line {self.line}: {self.column}: {self.problem.value}"


@dataclass(slots=True)
class Faults:
    """All of them counted, the first ones kept."""

    kept: list[Fault] = field(default_factory=list)
    count: int = 0

    def add(self, fault: Fault) -> None:
        self.count += 1
        if len(self.kept) < KEPT:
            self.kept.append(fault)


@dataclass(frozen=True, slots=True)
class Row:
    """A line that the mapping knows. `at` in UTC; `agency` by its name here; `actor` and `due` where the file has them."""

    line: int
    case: str
    activity: str
    at: datetime
    agency: str
    actor: str | None = None
    due: date | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """Who hears what while a file is read: what is wrong, a case of which a row can't be used, and how many bytes are read."""

    faults: Faults
    broken: Callable[[str], None] = lambda case: None
    passed: Callable[[int], None] = lambda count: None


@dataclass(slots=True)
class _Line:
    """One line: its cells by the mapping's words, and whether something of it can't be used."""

    number: int
    said: dict[str, str]
    faults: Faults
    is_bad: bool = False

    def refuse(self, column: str, problem: Problem) -> None:
        self.is_bad = True
        self.faults.add(Fault(self.number, column, problem))


class Table:
    """One file, read a line at a time. What lies after `now` is refused."""

    def __init__(self, path: Path, mapping: Mapping, now: datetime) -> None:
        self._path, self._mapping, self._now = path, mapping, now
        self._zone = ZoneInfo(mapping.zone)
        # The mark with which Excel begins a file would hide the quotes of its first name.
        self._encoding = "utf-8-sig" if mapping.encoding == "utf-8" else mapping.encoding

    def rows(self, reading: Reading) -> Iterator[Row]:
        """Those that stand for something."""
        faults = reading.faults
        with self._path.open("rb") as raw, TextIOWrapper(raw, self._encoding, errors="surrogateescape", newline="") as text:
            table = csv.reader(text, delimiter=self._mapping.delimiter, strict=True)
            try:
                names = [name.strip() for name in next(table, [])]
                places = self._places(names, faults)
                for cells in table if places else ():
                    if table.line_num % 1000 == 0:
                        reading.passed(raw.tell())
                    if len(cells) == len(names):
                        line = _Line(table.line_num, {word: cells[place].strip() for word, place in places.items()}, faults)
                        yield from self._row(line, reading.broken)
                    elif cells:
                        faults.add(Fault(table.line_num, "the row", Problem.ROW_WIDTH))
            except (csv.Error, UnicodeError):
                faults.add(Fault(table.line_num, "the file", Problem.UNREADABLE))

    def _places(self, names: list[str], faults: Faults) -> dict[str, int]:
        """Where each column lies; nothing where one is missing."""
        wanted = {word: name for word, name in self._mapping.columns.model_dump().items() if name is not None}
        missing = [word for word, name in wanted.items() if names.count(name) != 1]
        for word in missing:
            faults.add(Fault(1, f"columns.{word}", Problem.COLUMN_MISSING))
        return {} if missing else {word: names.index(name) for word, name in wanted.items()}

    def _row(self, line: _Line, broken: Callable[[str], None]) -> Iterator[Row]:
        said, activity = line.said, line.said["activity"]
        steps = self._mapping.steps_of(activity)
        if steps is None:
            line.refuse("activity", Problem.ACTIVITY)
        elif not steps:
            return
        agency = self._mapping.agencies.get(said["agency"])
        if agency is None:
            line.refuse("agency", Problem.AGENCY)
        at, due = self._time(line), self._due(line)
        if (actor := said.get("actor") or None) is not None and not _CODE.fullmatch(actor):
            line.refuse("actor", Problem.ACTOR)
        if not _CODE.fullmatch(said["case"]):
            line.refuse("case", Problem.CASE)
        elif line.is_bad:
            broken(said["case"])
        if not line.is_bad and at is not None and agency is not None:
            yield Row(line.number, said["case"], activity, at, agency, actor, due)

    def _time(self, line: _Line) -> datetime | None:
        """In UTC; one without a zone of its own is on the wall of the mapping's."""
        try:
            moment = _told(line.said["time"], self._mapping.time)
            found = (moment if moment.tzinfo else moment.replace(tzinfo=self._zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            line.refuse("time", Problem.TIME)
            return None
        if found.year < _EARLIEST:
            line.refuse("time", Problem.TIME)
        elif not moment.tzinfo and found.astimezone(self._zone).replace(tzinfo=None) != moment:
            line.refuse("time", Problem.TIME_SKIPPED)
        elif found > self._now:
            line.refuse("time", Problem.TIME_TO_COME)
        return found

    def _due(self, line: _Line) -> date | None:
        """A day; of a moment with a zone of its own, the day that it is on the wall of the mapping's."""
        if not (text := line.said.get("due")):
            return None
        try:
            moment = _told(text, self._mapping.due)
            return (moment.astimezone(self._zone) if moment.tzinfo else moment).date()
        except (ValueError, OverflowError):
            line.refuse("due", Problem.DUE)
            return None


def _told(text: str, written: str | None) -> datetime:
    """Raises ValueError."""
    return datetime.strptime(text, written) if written else datetime.fromisoformat(text)  # noqa: DTZ007  # the caller knows the zone
