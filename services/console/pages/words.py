"""What codes are called on the page, and how numbers and times are written."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

STAGES: Mapping[str, str] = {"RECEIVED": "Received", "TRIAGED": "Triaged", "OPENED": "Opened", "PLANNING": "Planning", "ACTIVE": "Active"}
RUNGS: Mapping[str, str] = {  # the ladder, from its top
    "DUTY_AUTHORITY": "Duty authority",
    "COORDINATOR": "Coordinator",
    "MANAGER": "Manager",
    "SUPERVISOR": "Supervisor",
    "WORKER": "Worker",
}
AGES: Mapping[str, str] = {
    "UNDER_1_WEEK": "Under a week",
    "UNDER_1_MONTH": "Under a month",
    "UNDER_3_MONTHS": "Under 3 months",
    "OLDER": "Older",
}
RULES: Mapping[str, str] = {"MISSED_FOLLOW_UP": "Missed follow-up"}  # those that `readable` doesn't make well
RULE = re.compile(r"[A-Z][A-Z0-9_]{1,62}")
STATES: Mapping[str, str] = {"any": "open or over"}
WHYS: Mapping[str, str] = {"TOO_LATE": "too late", "TOLD_LATE": "in time, but told too late", "DOES_NOT_COUNT": "doesn’t count"}
NOTES: Mapping[str, str] = {
    "HISTORY_OVER": "The replayed history is over. Time goes on at its natural pace, and only what you do changes the numbers.",
}
SLUG = re.compile(r"[a-z][a-z0-9-]{1,62}")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SPANS = ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute"))


def readable(code: str) -> str:
    """A slug, a code or an event's name in words: private-provider, MADE_UP and CaseOpened are three words' worth each."""
    words = _CAMEL.sub(" ", code).replace("-", " ").replace("_", " ").lower()
    return words[:1].upper() + words[1:]


def thousands(number: int) -> str:
    """2104 as 2,104."""
    return f"{number:,}"


def short_id(identifier: UUID) -> str:
    """The end of an id: enough to tell two apart on a page (its beginning may be a time)."""
    return identifier.hex[-8:]


def span(length: timedelta) -> str:
    """A length of time in its largest unit: 3 days, 1 hour, 0.4 seconds."""
    for unit, name in _SPANS:
        if length >= unit:
            return _counted(length // unit, name)
    seconds = max(length.total_seconds(), 0.0)
    return f"{seconds:.1f} seconds" if seconds < 10 else _counted(int(seconds), "second")


def days(length: timedelta) -> str:
    """Whole days, for ages that are compared with each other."""
    return _counted(max(length.days, 0), "day")


def later(moment: datetime, number: int) -> datetime:
    """So many days after."""
    return moment + timedelta(days=number)


def date(moment: datetime, zone: ZoneInfo) -> str:
    """14 Sep 2021"""
    local = moment.astimezone(zone)
    return f"{local.day} {local:%b %Y}"


def weekday(moment: datetime, zone: ZoneInfo) -> str:
    """Tuesday 14 September 2021"""
    local = moment.astimezone(zone)
    return f"{local:%A} {local.day} {local:%B %Y}"


def clock(moment: datetime, zone: ZoneInfo) -> str:
    """13:00"""
    return f"{moment.astimezone(zone):%H:%M}"


def zone_name(moment: datetime, zone: ZoneInfo) -> str:
    """BST, GMT: which of the zone's names holds at that moment."""
    return f"{moment.astimezone(zone):%Z}"


def _counted(number: int, name: str) -> str:
    return f"{thousands(number)} {name}{'' if number == 1 else 's'}"
