"""Calendars in many zones, with both changes of the clocks, business hours and holidays."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from threading import Event
from zoneinfo import ZoneInfo

import pytest
from holidays import HolidayBase
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from services.monitoring.domain import calendar
from services.monitoring.domain.calendar import Calendar, Duration, Weekday

FORM = TypeAdapter(Calendar)
PLACES = (
    ("Europe/London", "GB", "ENG"),
    ("Europe/Paris", "FR", None),
    ("America/New_York", "US", "NY"),
    ("America/St_Johns", "CA", "NL"),
    ("America/Santiago", "CL", None),
    ("Africa/Casablanca", "MA", None),
    ("Asia/Bangkok", "TH", None),
    ("Asia/Shanghai", "CN", None),
    ("Asia/Kathmandu", "NP", None),
    ("Australia/Lord_Howe", "AU", "NSW"),
    ("Pacific/Auckland", "NZ", None),
    ("Pacific/Apia", "WS", None),
)
HOURS = (["09:00-17:00"], ["08:30-12:00", "13:00-16:30"], ["00:00-24:00"], ["01:30-03:30"])
UNITS = ("h", "bh", "d", "bd", "mo")
MOMENTS = st.integers(0, 14 * 365 * 24 * 60).map(lambda minutes: datetime(2018, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes))


BY_DAY = HOURS[:2]
"""That no clock changes within."""


@st.composite
def calendars(draw: st.DrawFn, hours: tuple[list[str], ...] = HOURS) -> Calendar:
    zone, country, subdivision = draw(st.sampled_from(PLACES))
    week = draw(st.sampled_from([list(Weekday)[:5], ["SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY"], ["SATURDAY"]]))
    written = {"zone": zone, "country": country, "subdivision": subdivision, "workdays": week, "hours": draw(st.sampled_from(hours))}
    return FORM.validate_python(written)


@st.composite
def near_a_change(draw: st.DrawFn, calendar: Calendar) -> datetime:
    """A moment in the two days around one at which the zone's offset changes, where it ever does; else any."""
    begin = draw(MOMENTS)
    zone = ZoneInfo(calendar.zone)
    days = (begin + timedelta(days=n) for n in range(400))
    change = next(
        (day for day in days if day.astimezone(zone).utcoffset() != (day + timedelta(days=1)).astimezone(zone).utcoffset()), begin
    )
    return change + timedelta(minutes=draw(st.integers(-24 * 60, 48 * 60)))


@st.composite
def cases(draw: st.DrawFn, hours: tuple[list[str], ...] = HOURS) -> tuple[Calendar, datetime]:
    calendar = draw(calendars(hours))
    return calendar, draw(st.one_of(MOMENTS, near_a_change(calendar)))


def open_for(calendar: Calendar, begin: datetime, end: datetime) -> timedelta:
    """How long it is open between two moments, counted minute by minute from the wall: independent of Calendar.opening."""
    zone, total, now = ZoneInfo(calendar.zone), 0, begin
    while now < end:
        local = now.astimezone(zone)
        inside = any(one.opens <= local.time() < one.closes for one in calendar.hours)
        total += inside and calendar.is_business_day(local.date())
        now += timedelta(minutes=1)
    return timedelta(minutes=total)


@given(cases(), st.sampled_from(UNITS), st.integers(0, 12))
def test_time_only_goes_forward_and_more_is_never_earlier(told: tuple[Calendar, datetime], unit: str, count: int) -> None:
    calendar, moment = told
    less, more = calendar.add(moment, Duration(count, unit)), calendar.add(moment, Duration(count + 1, unit))
    assert less <= more
    assert moment <= more


@given(cases(), st.sampled_from(UNITS), st.integers(0, 12), st.integers(1, 5000))
def test_what_begins_later_is_never_due_earlier(told: tuple[Calendar, datetime], unit: str, count: int, minutes: int) -> None:
    calendar, moment = told
    later = moment + timedelta(minutes=minutes)
    span = Duration(count, unit)
    zone = ZoneInfo(calendar.zone)
    assume(
        unit != "d" or moment.astimezone(zone).utcoffset() == later.astimezone(zone).utcoffset()
    )  # a wall that goes back repeats an hour
    first, second = calendar.add(moment, span), calendar.add(later, span)
    assume(unit != "d" or first.astimezone(zone).utcoffset() == second.astimezone(zone).utcoffset())  # nor may it where it ends
    assert first <= second


@given(cases(), st.integers(1, 12))
def test_hours_are_real_hours(told: tuple[Calendar, datetime], count: int) -> None:
    calendar, moment = told
    assert calendar.add(moment, Duration(count, "h")) - moment == timedelta(hours=count)


def test_a_holiday_is_one_also_for_who_asks_while_another_thread_reads_its_year(monkeypatch: pytest.MonkeyPatch) -> None:
    london = Calendar(zone="Europe/London", country="GB", subdivision="ENG")
    begun, goes_on, populate = Event(), Event(), HolidayBase._populate

    def slowly(base: HolidayBase, year: int) -> None:
        if not begun.is_set():
            begun.set()
            assert goes_on.wait(20)
        populate(base, year)

    calendar._holidays.cache_clear()
    monkeypatch.setattr(HolidayBase, "_populate", slowly)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(london.is_business_day, date(2026, 12, 25))
        assert begun.wait(20)
        assert not london.is_business_day(date(2026, 12, 25))
        goes_on.set()
        assert not first.result()


@given(cases(), st.integers(1, 12))
def test_business_days_end_at_midnight_after_so_many_of_them(told: tuple[Calendar, datetime], count: int) -> None:
    calendar, moment = told
    due = calendar.add(moment, Duration(count, "bd")).astimezone(ZoneInfo(calendar.zone))
    begun = moment.astimezone(ZoneInfo(calendar.zone)).date()
    last = (due - timedelta(microseconds=1)).date() if due.time() == time() else due.date() - timedelta(days=1)
    days = [begun + timedelta(days=n) for n in range(1, (last - begun).days + 1)]
    assert sum(calendar.is_business_day(day) for day in days) == count
    assert calendar.is_business_day(last)


@settings(max_examples=60, deadline=None)
@given(cases(BY_DAY), st.integers(1, 9))
def test_business_hours_are_those_in_which_it_is_open(told: tuple[Calendar, datetime], count: int) -> None:
    calendar, moment = told
    begun = moment.replace(second=0, microsecond=0)
    due = calendar.add(begun, Duration(count, "bh"))
    assume(due - begun < timedelta(days=12))
    assert open_for(calendar, begun, due) == timedelta(hours=count)


@given(cases(), st.sampled_from(UNITS), st.integers(0, 12), st.sampled_from(UNITS), st.integers(0, 5))
def test_a_grace_ends_no_earlier_than_the_due_time(told: tuple[Calendar, datetime], unit: str, count: int, other: str, grace: int) -> None:
    calendar, moment = told
    due = calendar.add(moment, Duration(count, unit))
    assert calendar.extend(due, Duration(grace, other)) >= due
    assert calendar.extend(due, Duration(0, other)) == due


@pytest.mark.parametrize(
    ("span", "begun", "due"),
    [
        ("8bh", (2026, 1, 5, 9), (2026, 1, 5, 17)),
        ("8bh", (2026, 1, 5, 13), (2026, 1, 6, 13)),
        ("1bh", (2026, 1, 9, 16, 30), (2026, 1, 12, 9, 30)),  # over a weekend
        ("1bh", (2026, 4, 2, 17), (2026, 4, 7, 10)),  # over Easter
        ("0bh", (2026, 1, 4, 3), (2026, 1, 4, 3)),
    ],
)
def test_business_hours_go_on_where_the_last_day_ended(span: str, begun: tuple[int, ...], due: tuple[int, ...]) -> None:
    london = FORM.validate_python({"zone": "Europe/London", "country": "GB", "subdivision": "ENG", "hours": ["09:00-17:00"]})
    zone = ZoneInfo("Europe/London")
    start, end = (datetime(*moment, tzinfo=zone) for moment in (begun, due))  # type: ignore[misc,arg-type]  # year, month, day, …
    assert london.add(start, Duration.read(span)) == end


@pytest.mark.parametrize("closes", ["24:00", "23:59"])
def test_hours_until_the_end_of_the_day_lose_no_minute(closes: str) -> None:
    """Who is there around the clock, or at night, is there from one day into the next."""
    for hours, begun, due in (
        ([f"00:00-{closes}"], (2026, 1, 5, 20), (2026, 1, 6, 4)),
        (["00:00-06:00", f"22:00-{closes}"], (2026, 1, 5, 22), (2026, 1, 6, 6)),
        ([f"00:00-{closes}"], (2026, 1, 9, 20), (2026, 1, 12, 4)),  # over a weekend
    ):
        paris = FORM.validate_python({"zone": "Europe/Paris", "country": "FR", "hours": hours})
        start, end = (datetime(*moment, tzinfo=ZoneInfo("Europe/Paris")) for moment in (begun, due))
        assert paris.add(start, Duration.read("8bh")) == end


def test_a_day_without_a_gap_is_as_long_as_its_clocks_make_it() -> None:
    always = {"zone": "Europe/London", "country": "GB", "workdays": list(Weekday), "hours": ["00:00-24:00"]}
    calendar, eve = FORM.validate_python(always), datetime(2026, 3, 28, tzinfo=ZoneInfo("Europe/London"))
    opened = [closes - opens for day in (28, 29) for opens, closes in calendar.opening(date(2026, 3, day))]
    assert opened == [timedelta(hours=24), timedelta(hours=23)]
    assert calendar.add(eve, Duration.read("47bh")) == calendar.end_of(date(2026, 3, 29))


def test_a_place_has_its_own_week_and_days_on_which_it_is_closed() -> None:
    made = {"zone": "Asia/Amman", "country": "JO", "workdays": ["SUNDAY", "MONDAY"], "closed": ["2026-01-11"]}
    calendar = FORM.validate_python(made)
    assert [day for day in range(4, 18) if calendar.is_business_day(date(2026, 1, day))] == [4, 5, 12]
