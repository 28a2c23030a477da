"""Durations as people mean them: by the wall clock, in business days and hours, in months."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casebus.contracts.intake import Priority
from casebus.contracts.monitoring import Rung
from services.monitoring.domain.calendar import Calendar, Duration
from services.monitoring.policies import read_policies

DEPLOYED = Path(__file__).parents[3] / "deploy" / "policies"
LONDON = Calendar(zone="Europe/London", country="GB", subdivision="ENG")
NEW_YORK = Calendar(zone="America/New_York", country="US", subdivision="NY")


def local(calendar: Calendar, *moment: int) -> datetime:
    return datetime(*moment, tzinfo=ZoneInfo(calendar.zone))  # type: ignore[misc,arg-type]  # year, month, day, …


def added(calendar: Calendar, span: str, *moment: int) -> datetime:
    """The moment plus the span, in local time."""
    return calendar.add(local(calendar, *moment).astimezone(UTC), Duration.read(span)).astimezone(ZoneInfo(calendar.zone))


@pytest.mark.parametrize(
    ("calendar", "spring", "autumn"), [(LONDON, (2026, 3, 28), (2026, 10, 24)), (NEW_YORK, (2026, 3, 7), (2026, 10, 31))]
)
def test_days_go_by_the_wall_clock_and_hours_by_the_real_one(
    calendar: Calendar, spring: tuple[int, int, int], autumn: tuple[int, int, int]
) -> None:
    for eve, hours in ((spring, 23), (autumn, 25)):
        noon = local(calendar, *eve, 12)
        assert calendar.add(noon.astimezone(UTC), Duration.read("1d")) - noon.astimezone(UTC) == timedelta(hours=hours)
        assert calendar.add(noon.astimezone(UTC), Duration.read("24h")) - noon.astimezone(UTC) == timedelta(hours=24)


def test_a_time_that_the_clocks_skip_is_the_one_an_hour_later() -> None:
    assert added(LONDON, "1d", 2026, 3, 28, 1, 30).astimezone(UTC) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("begun", "months", "last_day"),
    [
        ((2026, 1, 31), 1, (2026, 2, 28)),
        ((2028, 1, 31), 1, (2028, 2, 29)),
        ((2026, 8, 31), 6, (2027, 2, 28)),
        ((2026, 3, 15), 3, (2026, 6, 15)),
    ],
)
def test_months_end_with_the_same_day_or_the_months_last(begun: tuple[int, int, int], months: int, last_day: tuple[int, int, int]) -> None:
    end = datetime.combine(date(*last_day) + timedelta(days=1), datetime.min.time(), ZoneInfo("Europe/London"))
    assert added(LONDON, f"{months}mo", *begun, 9) == end


def test_business_days_pass_over_weekends_and_bank_holidays() -> None:
    assert added(LONDON, "2bd", 2026, 4, 2, 12) == local(LONDON, 2026, 4, 9)  # Thursday before Easter: Tuesday and Wednesday after
    assert added(NEW_YORK, "1bd", 2026, 7, 2, 12) == local(NEW_YORK, 2026, 7, 7)  # the 3rd is observed, the 4th a Saturday
    assert added(LONDON, "1bd", 2026, 1, 3, 12) == local(LONDON, 2026, 1, 6)  # from a Saturday


def test_the_first_review_of_looked_after_children_is_due_on_the_twentieth_working_day() -> None:
    policy = read_policies(DEPLOYED).of("ssda903")
    begun = local(LONDON, 2017, 12, 1, 9).astimezone(UTC)  # a Friday; Christmas, Boxing Day and New Year lie between
    assert policy.follow_up_due(begun, Priority.MEDIUM, 1) == local(LONDON, 2018, 1, 4).astimezone(UTC)
    assert policy.follow_up_due(begun, Priority.MEDIUM, 2) == local(LONDON, 2018, 3, 2).astimezone(UTC)
    assert policy.follow_up_due(begun, Priority.MEDIUM, 3) == policy.follow_up_due(begun, Priority.MEDIUM, 9)


@given(st.integers(0, 15), st.dates(date(2020, 1, 1), date(2030, 1, 1)))
def test_a_grace_begins_with_the_due_time_and_ends_no_earlier(days: int, last: date) -> None:
    due = LONDON.end_of(last).astimezone(UTC)
    for unit in ("h", "d", "bd"):
        assert LONDON.extend(due, Duration(days, unit)) >= due


def test_a_due_time_at_midnight_belongs_to_the_day_that_ends() -> None:
    monday_night = local(LONDON, 2026, 1, 13).astimezone(UTC)
    assert LONDON.extend(monday_night, Duration.read("2bd")) == local(LONDON, 2026, 1, 15).astimezone(UTC)
    assert LONDON.extend(monday_night, Duration.read("1d")) == local(LONDON, 2026, 1, 14).astimezone(UTC)
    assert LONDON.extend(monday_night, Duration.read("0bd")) == monday_night


def test_a_region_without_its_own_policy_has_the_one_for_everywhere() -> None:
    policies = read_policies(DEPLOYED)
    assert policies.of("north").policy == "default"
    assert policies.of("ssda903").policy == "ssda903"


def test_what_a_decision_keeps_of_its_policy_fits_an_envelope() -> None:
    policy = read_policies(DEPLOYED).of("north")
    assert policy.stamp.startswith(policy.policy)
    assert "@" not in policy.stamp
    assert policy.climbs_at(datetime(2026, 1, 5, tzinfo=UTC), Rung.COORDINATOR, Priority.HIGH) is None
