"""The clocks of a child and of a period of care (`ssda903.md`; `domain.md`, Rules): what began each, when it is due, what stops it."""

from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache, partial
from itertools import pairwise
from zoneinfo import ZoneInfo

import holidays

from tests.oracle.returns import Child, Period

LONDON = ZoneInfo("Europe/London")
OPENED, ACCEPTED, REVIEWED, CLOSED = time(9), time(10), time(12), time(17)
FIRST_CONTACT_WORKING_DAYS = 40
FIRST_REVIEW_WORKING_DAYS = 20
SECOND_REVIEW_MONTHS, LATER_REVIEW_MONTHS = 3, 6
STALL_DAYS = 270


class Rule(StrEnum):
    """The rules that raise alerts in the sample. Of the others that its policy watches none may be raised."""

    FIRST_CONTACT_OVERDUE = "FIRST_CONTACT_OVERDUE"
    MISSED_FOLLOW_UP = "MISSED_FOLLOW_UP"
    STALLED_CASE = "STALLED_CASE"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """Facts from `live_from` on are recorded live, each at most `late` after its nominal time; those before are imported."""

    live_from: datetime
    late: timedelta = timedelta(0)

    def is_live(self, moment: datetime) -> bool:
        return moment >= self.live_from

    def latest(self, moment: datetime) -> datetime:
        """When a fact of this nominal time takes effect at the latest."""
        return moment + self.late if self.is_live(moment) else moment


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """One round: due at `due` (up to `due_latest` where its start was recorded live), stopped by a fact or by the period's end."""

    rule: Rule
    due: datetime
    due_latest: datetime
    stop: datetime | None
    stopped_by_end: bool

    @property
    def is_breached(self) -> bool:
        return self.stop is None or self.stop > self.due


def clocks(period: Period, recording: Recording) -> Iterator[Clock]:
    """Every clock of the period, the reviews' first."""
    yield from _review_clocks(period, recording)
    yield from _stall_clocks(period, recording)


def first_contact(child: Child, recording: Recording) -> Iterator[Clock]:
    """From the beginning of care, where that is known, to the first review: one held before care, which is told then, is a contact too."""
    first, *_ = child.periods
    if not first.from_start:
        return
    seen = {moment(day, REVIEWED) for day in child.reviews}
    ends = {end for period in child.periods if (end := end_of_period(period)) is not None}
    stop = min(seen | ends, default=None)
    start = moment(first.begun, OPENED)
    yield Clock(
        rule=Rule.FIRST_CONTACT_OVERDUE,
        due=_contact_due(start),
        due_latest=_contact_due(recording.latest(start)),
        stop=stop,
        stopped_by_end=stop is not None and stop not in seen,
    )


def moment(day: date, of_day: time) -> datetime:
    """That local time of that day, in UTC."""
    return datetime.combine(day, of_day, LONDON).astimezone(UTC)


def days_later(start: datetime, days: int) -> datetime:
    """So many days later by the clock on the wall in London, in UTC."""
    local = start.astimezone(LONDON)
    return moment(local.date() + timedelta(days=days), local.time())


def end_of_period(period: Period) -> datetime | None:
    """When the case closes; None while the period is open."""
    return None if period.ended is None else moment(period.ended, CLOSED)


def working_days_later(day: date, count: int) -> date:
    """The day that is the `count`th working day after `day`, which itself never counts."""
    while count:
        day += timedelta(days=1)
        count -= day.weekday() < 5 and day not in _bank_holidays()
    return day


def months_later(day: date, count: int) -> date:
    """The same day of the month, or that month's last."""
    years, month = divmod(day.month - 1 + count, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


@cache
def _bank_holidays() -> holidays.HolidayBase:
    return holidays.country_holidays("GB", subdiv="ENG")


def _review_clocks(period: Period, recording: Recording) -> Iterator[Clock]:
    held = [moment(day, REVIEWED) for day in period.reviews]
    marks = [moment(period.begun, OPENED), *held] if period.from_start else held
    for number, (start, answer) in enumerate(pairwise([*marks, None])):
        due = partial(_review_due, number=number if period.from_start else None)
        yield _clock(Rule.MISSED_FOLLOW_UP, start, due, period, answer, recording)


def _stall_clocks(period: Period, recording: Recording) -> Iterator[Clock]:
    accepted = {moment(episode.begun, ACCEPTED) for episode in period.episodes}
    held = {moment(day, REVIEWED) for day in period.reviews}
    marks = [moment(period.begun, OPENED), *sorted(accepted | held)]
    for start, progress in pairwise([*marks, None]):
        yield _clock(Rule.STALLED_CASE, start, partial(days_later, days=STALL_DAYS), period, progress, recording)


def _clock(
    rule: Rule, start: datetime | None, due: Callable[[datetime], datetime], period: Period, answer: datetime | None, recording: Recording
) -> Clock:
    assert start is not None, "only the last of the marks is none"
    return Clock(
        rule=rule,
        due=due(start),
        due_latest=due(recording.latest(start)),
        stop=answer or end_of_period(period),
        stopped_by_end=answer is None,
    )


def _contact_due(start: datetime) -> datetime:
    """The end of the due day."""
    day = working_days_later(start.astimezone(LONDON).date(), FIRST_CONTACT_WORKING_DAYS)
    return moment(day + timedelta(days=1), time(0))


def _review_due(start: datetime, number: int | None) -> datetime:
    """The end of the due day. `number` counts the period's reviews from 0; None where the period's start isn't known."""
    day = start.astimezone(LONDON).date()
    match number:
        case 0:
            day = working_days_later(day, FIRST_REVIEW_WORKING_DAYS)
        case 1:
            day = months_later(day, SECOND_REVIEW_MONTHS)
        case _:
            day = months_later(day, LATER_REVIEW_MONTHS)
    return moment(day + timedelta(days=1), time(0))
