"""The alerts that an imported log must raise, counted from the rows of its CSV file: by hand, in the zone and calendar of chiang-mai.yaml.

A case raises an alert for what is open at its end and was due by then; what was made up, or ended with the case, is history.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import holidays

ZONE = ZoneInfo("Asia/Bangkok")
CLOSED = {date(2025, 12, 29)}
HOURS = (range(8 * 60 + 30, 12 * 60), range(13 * 60, 16 * 60 + 30))
"""The minutes of a day that are open."""
THAI = holidays.country_holidays("TH", years=range(2024, 2028))
WRITTEN = "%Y-%m-%d %H:%M"
SEEN = {"visit", "call"}
RULES = frozenset({"UNASSIGNED", "FIRST_CONTACT_OVERDUE", "REFERRAL_UNANSWERED", "STALLED_CASE", "MISSED_FOLLOW_UP"})


@dataclass(frozen=True, order=True)
class Owed:
    """An alert: of a case by its number, and since when."""

    case: str
    rule: str
    agency: str
    due: datetime


Line = tuple[datetime, str, str]
"""When, what, who."""


def owed(path: Path, names: dict[str, str], now: datetime) -> set[Owed]:
    """What is raised by `now`. `names`: what each agency of the file is called with us."""
    cases: dict[str, list[Line]] = defaultdict(list)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            moment = datetime.strptime(row["when"], WRITTEN).replace(tzinfo=ZONE)
            cases[row["number"]].append((moment, row["what"], names[row["office"]]))
    found = (Owed(case, *one) for case, lines in cases.items() for one in _open(sorted(lines)))
    return {one for one in found if one.due < now}


def _open(lines: list[Line]) -> Iterator[tuple[str, str, datetime]]:
    """Rule, agency and due time of each duty that nothing has ended."""
    if any(what == "closed" for _, what, _ in lines):
        return
    received, _, lead = lines[0]
    if not any(what == "staffed" for _, what, _ in lines):
        yield "UNASSIGNED", lead, _business_minutes(received, 8 * 60)
    seen = [moment for moment, what, _ in lines if what in SEEN]
    if not seen:
        yield "FIRST_CONTACT_OVERDUE", lead, _business_days(received, 5)
    yield "MISSED_FOLLOW_UP", lead, _days(max([received, *seen]), 14)
    progress = [moment for moment, what, _ in lines if what in {"visit", "moved in", "moved out"}]
    yield "STALLED_CASE", lead, _days(max([received, *progress]), 30)
    for number, (asked, what, agency) in enumerate(lines):
        answered = any(who == agency and said in {"moved in", "full"} for _, said, who in lines[number + 1 :])
        if what == "asked" and not answered:
            yield "REFERRAL_UNANSWERED", agency, _business_days(asked, 2)


def _days(start: datetime, count: int) -> datetime:
    """There is no summer time in Bangkok."""
    return (start + timedelta(days=count)).astimezone(UTC)


def _works(day: date) -> bool:
    return day.weekday() < 5 and day not in THAI and day not in CLOSED


def _business_days(start: datetime, count: int) -> datetime:
    """The midnight that ends the last of so many business days after the day of the start."""
    day = start.astimezone(ZONE).date()
    while count:
        day += timedelta(days=1)
        count -= _works(day)
    return datetime.combine(day + timedelta(days=1), time(), ZONE).astimezone(UTC)


def _business_minutes(start: datetime, count: int) -> datetime:
    """Minute by minute."""
    moment = start.astimezone(ZONE)
    while count:
        count -= _works(moment.date()) and any(moment.hour * 60 + moment.minute in hours for hours in HOURS)
        moment += timedelta(minutes=1)
    return moment.astimezone(UTC)
