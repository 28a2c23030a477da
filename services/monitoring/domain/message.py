"""What a message may say (domain.md, Escalation ladder): the case by reference, the rule, the age and the agencies, and nothing else."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

MOST = 50
"""Lines of a message; of the others it says how many there are."""
_RULE = re.compile(r"[A-Z][A-Z0-9_]{1,62}")
_AGENCY = re.compile(r"[a-z][a-z0-9-]{1,62}")
_REFERENCE = re.compile(r"[0-9a-f]{8}")


class Unit(StrEnum):
    """In which an age is told."""

    MINUTES = "MINUTES"
    HOURS = "HOURS"
    DAYS = "DAYS"


@dataclass(frozen=True, slots=True)
class Age:
    """How long ago, in its largest unit."""

    count: int
    unit: Unit

    @classmethod
    def of(cls, length: timedelta) -> "Age":
        for unit, one in ((Unit.DAYS, timedelta(days=1)), (Unit.HOURS, timedelta(hours=1))):
            if length >= one:
                return cls(length // one, unit)
        return cls(max(0, length // timedelta(minutes=1)), Unit.MINUTES)


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """All that a message says of one alert. Each part has a form that holds no text: raises ValueError for anything else."""

    reference: str
    rule: str
    age: Age
    agencies: tuple[str, ...]

    def __post_init__(self) -> None:
        parts = ((_REFERENCE, self.reference), (_RULE, self.rule), *((_AGENCY, agency) for agency in self.agencies))
        if not all(form.fullmatch(part) for form, part in parts):
            raise ValueError("a message says a reference, a rule and agencies, and nothing else")


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What one person is told at one time: `critical` lines first, then by age; `more` alerts beside them."""

    lines: tuple[Line, ...]
    more: int = 0
    critical: bool = False

    @property
    def count(self) -> int:
        return len(self.lines) + self.more

    def shorter(self) -> "Message":
        """Without its last line, which is one more beside the others."""
        return replace(self, lines=self.lines[:-1], more=self.more + 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """An alert that somebody is to be told of, as far as a message may know it."""

    case_id: UUID
    rule: str
    due_at: datetime
    agencies: tuple[str, ...]
    critical: bool

    def line(self, now: datetime) -> Line:
        return Line(reference=reference(self.case_id), rule=self.rule, age=Age.of(now - self.due_at), agencies=self.agencies)


def reference(case_id: UUID) -> str:
    """The end of the id, as the console's pages write it."""
    return case_id.hex[-8:]


def message_of(told: Iterable[Told], now: datetime) -> Message:
    """One message of all of these."""
    order = sorted(told, key=lambda one: (not one.critical, one.due_at, one.case_id))
    lines = tuple(one.line(now) for one in order[:MOST])
    return Message(lines=lines, more=len(order) - len(lines), critical=any(one.critical for one in order))
