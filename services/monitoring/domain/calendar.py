"""Time as an agency counts it: days by the clock on its wall, its business days and hours, its public holidays."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays
from dateutil.relativedelta import relativedelta
from pydantic import AfterValidator, ConfigDict, PlainValidator, ValidationInfo, WithJsonSchema, field_validator
from pydantic.dataclasses import dataclass as checked

STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
NOTHING, DAY = timedelta(), timedelta(days=1)
MIDNIGHT, LAST_MINUTE = time(), time(23, 59)
WALL_HOURS = r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Duration:
    """`4h` hours · `8bh` business hours · `14d` days by the clock on the wall · `2bd` to the end of the 2nd business day · `6mo` to the
    end of the day 6 months later."""

    count: int
    unit: str

    @classmethod
    def read(cls, written: Any) -> "Duration":
        found = re.fullmatch(r"(\d{1,4})(h|bh|d|bd|mo)", str(written))
        if not found:
            raise ValueError("write a duration as 4h, 8bh, 14d, 2bd or 6mo, of 4 digits at most")
        return cls(int(found[1]), found[2])


SPAN = {
    "type": "string",
    "pattern": r"^\d{1,4}(h|bh|d|bd|mo)$",
    "description": "4h hours, 8bh business hours, 14d days, 2bd business days, 6mo months",
}
Span = Annotated[Duration, PlainValidator(Duration.read), WithJsonSchema(SPAN)]


@dataclass(frozen=True, slots=True)
class Hours:
    """From when to when on one day, as they are written: 24:00 (midnight here) is the end of the day, and so is a clock's last minute."""

    opens: time
    closes: time

    @classmethod
    def read(cls, written: Any) -> "Hours":
        if not re.fullmatch(WALL_HOURS, str(written)):
            raise ValueError("write hours as 09:00-17:00; 24:00 is the end of the day")
        opens, closes = str(written).replace("24:00", "00:00").split("-")
        return cls(time.fromisoformat(opens), time.fromisoformat(closes))

    def __str__(self) -> str:
        return f"{self.opens:%H:%M}-" + ("24:00" if self.closes == MIDNIGHT else f"{self.closes:%H:%M}")

    @property
    def on_the_wall(self) -> tuple[timedelta, timedelta]:
        """How long after midnight it opens and closes."""
        return _after_midnight(self.opens), DAY if self.closes in (MIDNIGHT, LAST_MINUTE) else _after_midnight(self.closes)

    def covers(self, moment: time) -> bool:
        """Whether it lies within. Hours that end before they begin go over midnight."""
        opens, closes = self.on_the_wall
        passed = _after_midnight(moment)
        return opens <= passed < closes if opens <= closes else not closes <= passed < opens


def _after_midnight(wall: time) -> timedelta:
    return timedelta(hours=wall.hour, minutes=wall.minute, seconds=wall.second, microseconds=wall.microsecond)


def next_at(moment: datetime, at: time, zone: str) -> datetime:
    """The first instant after `moment` at which the clock on the wall shows `at`, in UTC. A time that the clocks skip is an hour later,
    one that they show twice is the first of the two."""
    there = ZoneInfo(zone)
    day = moment.astimezone(there).date()
    while (found := datetime.combine(day, at, there).astimezone(UTC)) <= moment:
        day += timedelta(days=1)
    return found


def _next_end(moment: datetime, at: time, zone: str) -> datetime:
    """As `next_at`, but of a time that the clocks show twice the second is one, too: who begins between them waits for no day."""
    there, found = ZoneInfo(zone), next_at(moment, at, zone)
    again = datetime.combine(moment.astimezone(there).date(), at, there).replace(fold=1).astimezone(UTC)
    return again if moment < again < found else found


def after_quiet(moment: datetime, quiet: Sequence[Hours], zone: str) -> datetime:
    """The moment itself, or the end of the quiet hours in which it lies. Hours that leave no minute of a day are none."""
    found = moment
    for _ in range(2 * len(quiet) + 1):
        wall = found.astimezone(ZoneInfo(zone)).timetz().replace(tzinfo=None)
        within = next((one for one in quiet if one.covers(wall)), None)
        if within is None:
            return found
        found = _next_end(found, MIDNIGHT if within.closes == LAST_MINUTE else within.closes, zone)
    return moment


Opening = Annotated[
    Hours,
    PlainValidator(Hours.read),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": WALL_HOURS,
            "description": "09:00-17:00, in the zone; 24:00 is the end of the day, and so is 23:59",
        }
    ),
]


def some(values: tuple[T, ...]) -> tuple[T, ...]:
    if not values:
        raise ValueError("write at least 1")
    return values


def _in_turn(hours: tuple[Hours, ...]) -> tuple[Hours, ...]:
    """One after the other, and an hour a day at least: else counting them would not end."""
    moments = [moment for one in hours for moment in one.on_the_wall]
    if any(late <= early for early, late in pairwise(moments)):
        raise ValueError(
            "write the hours of a day one after the other, as 09:00-12:00 and 13:00-17:00; over midnight as 00:00-06:00 and 22:00-24:00"
        )
    if hours and sum((closes - opens for opens, closes in (one.on_the_wall for one in hours)), NOTHING) < timedelta(hours=1):
        raise ValueError("write an hour a day at least")
    return hours


class Weekday(StrEnum):
    """As policies write them."""

    MONDAY = "MONDAY"
    TUESDAY = "TUESDAY"
    WEDNESDAY = "WEDNESDAY"
    THURSDAY = "THURSDAY"
    FRIDAY = "FRIDAY"
    SATURDAY = "SATURDAY"
    SUNDAY = "SUNDAY"


_WEEK = tuple(Weekday)
WORKING_WEEK = _WEEK[:5]


def _must_be_known(country: str, subdivision: str | None) -> None:
    """Raises NotImplementedError."""
    holidays.country_holidays(country, subdiv=subdivision)


@lru_cache(maxsize=1024)
def _holidays(country: str, subdivision: str | None, year: int) -> frozenset[date]:
    """Of one year, whole: the package fills in a year when it is asked for it, and another thread that asks meanwhile would find none."""
    return frozenset(holidays.country_holidays(country, subdiv=subdivision, years=year, expand=False))


def known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("write a time zone as Europe/London") from None
    return name


def _known_country(code: str) -> str:
    try:
        _must_be_known(code, None)
    except NotImplementedError:
        raise ValueError("write a country as GB (ISO 3166) whose holidays are known (the package `holidays`)") from None
    return code


@checked(frozen=True, kw_only=True, config=STRICT)
class Calendar:
    """Business days are `workdays` (Monday to Friday) less the public holidays of the country and subdivision and the days `closed`;

    days begin at midnight in the zone. `hours` are open on each business day: what `bh` counts.
    """

    zone: Annotated[str, AfterValidator(known_zone)]
    country: Annotated[str, AfterValidator(_known_country)]
    subdivision: str | None = None
    workdays: Annotated[tuple[Weekday, ...], AfterValidator(some)] = WORKING_WEEK
    hours: Annotated[tuple[Opening, ...], AfterValidator(_in_turn)] = ()
    closed: frozenset[date] = frozenset()

    @field_validator("subdivision")
    @classmethod
    def _known_there(cls, code: str | None, info: ValidationInfo) -> str | None:
        try:
            if "country" in info.data:
                _must_be_known(info.data["country"], code)
        except NotImplementedError:
            raise ValueError("write a subdivision of the country as ENG (ISO 3166-2)") from None
        return code

    def is_business_day(self, day: date) -> bool:
        if _WEEK[day.weekday()] not in self.workdays or day in self.closed:
            return False
        return day not in _holidays(self.country, self.subdivision, day.year)

    def add(self, moment: datetime, span: Duration) -> datetime:
        """The moment plus the span, in the zone of `moment`. Spans of business days and months end with their last day; the day of

        `moment` is day 0. Business hours end at the instant at which so much of them has passed."""
        zone = ZoneInfo(self.zone)
        local = moment.astimezone(zone)
        match span.unit:
            case "h":
                return moment + timedelta(hours=span.count)
            case "bh":
                return self._after_hours(moment, span.count).astimezone(moment.tzinfo)
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
        if grace.unit == "bh":
            return self.add(due, grace)
        return self.add(due - timedelta(microseconds=1), grace) + timedelta(microseconds=1 if grace.unit in ("h", "d") else 0)

    def end_of(self, day: date) -> datetime:
        """The midnight after the day, in the zone."""
        return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(self.zone))

    def opening(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """When it is open on that day, as instants in UTC: a change of the clocks makes it longer or shorter.
        An opening at a time that they skip is an hour later."""
        if self.is_business_day(day):
            midnight = datetime.combine(day, MIDNIGHT, ZoneInfo(self.zone))
            for opens, closes in (one.on_the_wall for one in self.hours):
                yield (midnight + opens).astimezone(UTC), (midnight + closes).astimezone(UTC)

    def _after_hours(self, moment: datetime, count: int) -> datetime:
        left, day = timedelta(hours=count), moment.astimezone(ZoneInfo(self.zone)).date()
        while left:
            for opens, closes in self.opening(day):
                begins = max(opens, moment)
                passes = max(NOTHING, closes - begins)
                if passes >= left:
                    return begins + left
                left -= passes
            day += timedelta(days=1)
        return moment

    def _business_day(self, day: date, count: int) -> date:
        while count:
            day += timedelta(days=1)
            count -= self.is_business_day(day)
        return day
