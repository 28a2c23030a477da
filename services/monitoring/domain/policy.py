"""A region's policy: how long each duty may take, by priority and calendar, and how an alert climbs.

Durations live in deploy/policies/, never in code.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays
from dateutil.relativedelta import relativedelta
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainValidator, StringConstraints, model_validator
from pydantic.dataclasses import dataclass as checked

from casebus.contracts import EVENTS
from casebus.contracts.intake import Priority
from casebus.contracts.monitoring import Rung

_STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
T = TypeVar("T")
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,60}$")]


@dataclass(frozen=True, slots=True)
class Duration:
    """`4h` hours · `14d` days by the clock on the wall · `2bd` to the end of the 2nd business day · `6mo` to the end of the day
    6 months later."""

    count: int
    unit: str

    @classmethod
    def read(cls, written: Any) -> "Duration":
        found = re.fullmatch(r"(\d{1,4})(h|d|bd|mo)", str(written))
        if not found:
            raise ValueError("write a duration as 4h, 14d, 2bd or 6mo")
        return cls(int(found[1]), found[2])


Span = Annotated[Duration, PlainValidator(Duration.read)]


@lru_cache(maxsize=32)
def _holidays(country: str, subdivision: str | None) -> holidays.HolidayBase:
    return holidays.country_holidays(country, subdiv=subdivision)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("write a time zone as Europe/London") from None
    return name


@checked(frozen=True, kw_only=True, config=_STRICT)
class Calendar:
    """Business days are Monday to Friday less the public holidays of the country and subdivision; days begin at midnight in the zone."""

    zone: Annotated[str, AfterValidator(_zone)]
    country: str
    subdivision: str | None = None

    @model_validator(mode="after")
    def _has_holidays(self) -> "Calendar":
        try:
            _holidays(self.country, self.subdivision)
        except NotImplementedError:
            raise ValueError("write country and subdivision as GB and ENG (ISO 3166)") from None
        return self

    def is_business_day(self, day: date) -> bool:
        return day.weekday() < 5 and day not in _holidays(self.country, self.subdivision)

    def add(self, moment: datetime, span: Duration) -> datetime:
        """The moment plus the span, in UTC. Spans of business days and months end with their last day; the day of `moment` is day 0."""
        zone = ZoneInfo(self.zone)
        local = moment.astimezone(zone)
        match span.unit:
            case "h":
                return moment + timedelta(hours=span.count)
            case "d":
                wall = datetime.combine(local.date() + timedelta(days=span.count), local.timetz().replace(tzinfo=None))
                return wall.replace(tzinfo=zone).astimezone(moment.tzinfo)
            case "mo":
                return self.end_of(local.date() + relativedelta(months=span.count)).astimezone(moment.tzinfo)
            case _:
                return self.end_of(self._business_day(local.date(), span.count)).astimezone(moment.tzinfo)

    def extend(self, due: datetime, grace: Duration) -> datetime:
        """A due time plus its grace: a due time at midnight is the end of the day before, which is day 0."""
        if grace.count == 0:
            return due
        return self.add(due - timedelta(microseconds=1), grace) + timedelta(microseconds=1 if grace.unit in ("h", "d") else 0)

    def end_of(self, day: date) -> datetime:
        """The midnight after the day, in the zone."""
        return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(self.zone))

    def _business_day(self, day: date, count: int) -> date:
        while count:
            day += timedelta(days=1)
            count -= self.is_business_day(day)
        return day


def _each(value: Any) -> Any:
    """One value for all priorities may be written once."""
    return value if isinstance(value, dict) else dict.fromkeys(Priority, value)


def _every(value: dict[Priority, T]) -> dict[Priority, T]:
    if missing := [priority for priority in Priority if priority not in value]:
        raise ValueError(f"write a value for {', '.join(missing)} too, or one for all")
    return value


def _known(types: frozenset[str]) -> frozenset[str]:
    if unknown := sorted(types - EVENTS.keys()):
        raise ValueError(f"there is no event {unknown[0]}; write one as planning.StepDone")
    return types


def _climbing(ladder: dict[Rung, T]) -> dict[Rung, T]:
    if set(ladder) != {Rung.WORKER, Rung.SUPERVISOR}:
        raise ValueError("write how long WORKER and SUPERVISOR have; COORDINATOR is the top")
    return ladder


ByPriority = Annotated[dict[Priority, Span], BeforeValidator(_each), AfterValidator(_every)]
Intervals = Annotated[tuple[Span, ...], Field(min_length=1)]


@checked(frozen=True, kw_only=True, config=_STRICT)
class Within:
    """A duty's time and its grace."""

    within: ByPriority
    grace: ByPriority


@checked(frozen=True, kw_only=True, config=_STRICT)
class FollowUps:
    """`intervals`: from the start to the first follow-up, from that one to the second, …; the last interval repeats."""

    intervals: Annotated[dict[Priority, Intervals], BeforeValidator(_each), AfterValidator(_every)]
    grace: ByPriority


@checked(frozen=True, kw_only=True, config=_STRICT)
class Policy:
    """One version of one region's policy. `duties`: by alert rule; `progress`: the events that count as progress (domain.md, "Stalled").

    `ladder`: how long each rung has before the alert climbs to the next.
    """

    policy: Word
    version: Word
    region: str
    calendar: Calendar
    follow_up: FollowUps
    duties: dict[str, Within]
    progress: Annotated[frozenset[str], AfterValidator(_known)]
    ladder: Annotated[dict[Rung, ByPriority], AfterValidator(_climbing)]

    @property
    def stamp(self) -> str:
        """What a decision keeps: policy and version (S66)."""
        return f"{self.policy}/{self.version}"

    def steady(self, priority: Priority) -> int:
        """The number of the first follow-up of the interval that repeats."""
        return len(self.follow_up.intervals[priority])

    def follow_up_due(self, since: datetime, priority: Priority, number: int) -> datetime:
        """When the number-th follow-up of a period is due, counted from the start, or from the one before."""
        intervals = self.follow_up.intervals[priority]
        return self.calendar.add(since, intervals[min(number, len(intervals)) - 1])

    def follow_up_deadline(self, due: datetime, priority: Priority) -> datetime:
        return self.calendar.extend(due, self.follow_up.grace[priority])

    def duty(self, rule: str, since: datetime, priority: Priority) -> tuple[datetime, datetime]:
        """When what the rule watches is due, and when it is missed."""
        times = self.duties[rule]
        due = self.calendar.add(since, times.within[priority])
        return due, self.calendar.extend(due, times.grace[priority])

    def climbs_at(self, since: datetime, rung: Rung, priority: Priority) -> datetime | None:
        """When an alert leaves the rung upwards; None at the top."""
        windows = self.ladder.get(rung)
        return self.calendar.add(since, windows[priority]) if windows else None
