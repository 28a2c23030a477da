"""When and where people are told: quiet hours and digests on the clock on their wall, contact points that fail."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from casebus.contracts.intake import Priority
from casebus.contracts.monitoring import Rung
from services.monitoring.domain.calendar import Hours, after_quiet, next_at
from services.monitoring.domain.policy import Language
from services.monitoring.domain.reach import (
    FAILURES,
    PATIENCE,
    Channel,
    ContactPoint,
    Manner,
    PointState,
    Recipient,
    all_told,
    id_of,
)
from tests.unit.monitoring.story import POLICY, day

ZONES = ("Europe/London", "Asia/Bangkok", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "UTC")
MOMENTS = some.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1), timezones=some.just(UTC))  # noqa: DTZ001  # hypothesis wants them bare
WALL = some.times().map(lambda at: at.replace(second=0, microsecond=0))
NIGHT = (Hours.read("20:00-23:59"), Hours.read("00:00-07:00"))


@given(MOMENTS, WALL, some.sampled_from(ZONES))
def test_the_next_time_on_the_wall_lies_within_the_next_two_days(moment: datetime, at: time, zone: str) -> None:
    found = next_at(moment, at, zone)
    assert moment < found <= moment + timedelta(days=2)
    there = ZoneInfo(zone)
    shown = found.astimezone(there).time()
    skipped = datetime.combine(found.astimezone(there).date(), at, there).astimezone(UTC).astimezone(there).time()
    assert shown in (at, skipped)


@given(MOMENTS, some.lists(some.tuples(WALL, WALL), max_size=3), some.sampled_from(ZONES))
def test_what_is_put_off_lies_outside_quiet_hours_unless_they_are_the_whole_day(
    moment: datetime, hours: list[tuple[time, time]], zone: str
) -> None:
    quiet = tuple(Hours(opens, closes) for opens, closes in hours)
    found = after_quiet(moment, quiet, zone)
    assert moment <= found <= moment + timedelta(days=2)
    if not any(one.covers(time(n // 60, n % 60)) for one in quiet for n in range(1440)):
        assert found == moment
    if found > moment:
        assert not any(one.covers(found.astimezone(ZoneInfo(zone)).time()) for one in quiet)


def test_quiet_hours_end_at_the_second_of_a_time_that_the_clocks_show_twice_for_who_begins_after_the_first() -> None:
    paris = ZoneInfo("Europe/Paris")
    for minute, fold in ((10, 0), (40, 1), (10, 1)):  # of the hour after two, as the clocks show it first and again
        moment = datetime(2026, 10, 25, 2, minute, tzinfo=paris, fold=fold).astimezone(UTC)
        found = after_quiet(moment, [Hours.read("22:00-02:30")], "Europe/Paris")
        assert found == (moment if minute > 30 else moment + timedelta(minutes=20))


@pytest.mark.parametrize("written", ["20:00-24:00", "20:00-23:59"])
def test_quiet_hours_until_the_end_of_the_day_end_with_it(written: str) -> None:
    late = datetime(2026, 5, 4, 23, 59, 59, tzinfo=ZoneInfo("Asia/Bangkok"))
    assert after_quiet(late, [Hours.read(written)], "Asia/Bangkok") == late + timedelta(seconds=1)
    assert str(Hours.read(written)) == written


@given(MOMENTS, some.sampled_from(ZONES), WALL)
def test_digests_are_a_day_apart_or_an_hour_less_or_more_where_the_clocks_change(moment: datetime, zone: str, at: time) -> None:
    digests = [moment := next_at(moment, at, zone) for _ in range(4)]
    assert all(timedelta(hours=22) <= late - early <= timedelta(hours=26) or zone == "Pacific/Apia" for early, late in pairwise(digests))


def manner(**chosen: object) -> Manner:
    whole = {"language": Language.EN, "zone": "Asia/Bangkok", "digest_at": time(8), "quiet": NIGHT}
    return Manner(at_once=frozenset({Priority.CRITICAL, Priority.HIGH}), **whole | chosen)  # type: ignore[arg-type]  # each is of its kind


@pytest.mark.parametrize(
    ("priority", "at", "told"),
    [
        (Priority.CRITICAL, "23:00", "23:00"),  # through the night
        (Priority.HIGH, "23:00", "07:00"),
        (Priority.HIGH, "23:59", "07:00"),
        (Priority.HIGH, "06:59", "07:00"),
        (Priority.HIGH, "12:00", "12:00"),
        (Priority.MEDIUM, "07:59", "08:00"),
        (Priority.LOW, "08:00", "08:00"),
    ],
)
def test_when_somebody_is_told(priority: Priority, at: str, told: str) -> None:
    now = datetime.combine(datetime(2026, 5, 4), time.fromisoformat(at), ZoneInfo("Asia/Bangkok"))  # noqa: DTZ001  # it has the zone
    assert f"{manner().when(now, priority).moment.astimezone(ZoneInfo('Asia/Bangkok')):%H:%M}" == told


def test_a_digest_in_quiet_hours_comes_after_them() -> None:
    late = manner(digest_at=time(23))
    found = late.when(day(0), Priority.LOW).moment.astimezone(ZoneInfo("Asia/Bangkok"))
    assert f"{found:%H:%M}" == "07:00"


def test_what_somebody_has_not_chosen_is_the_policy_s() -> None:
    plain = Recipient(id=id_of("me:w1"), key="me:w1", region="north", agency="city-hospital")
    assert plain.manner(POLICY).zone == "Europe/London"
    assert plain.manner(POLICY).digest_at == time(8)
    chosen = replace(plain, zone="Asia/Bangkok", language=Language.TH, quiet=()).manner(POLICY)
    assert (chosen.zone, chosen.language, chosen.quiet) == ("Asia/Bangkok", Language.TH, ())


def test_a_place_is_told_as_a_whole_where_nobody_is_there() -> None:
    assert all_told(Rung.WORKER, "city-hospital", None, ("w1", "w2")) == ["me:w1", "me:w2"]
    assert all_told(Rung.MANAGER, "city-hospital", "north-shelter", ()) == ["agency:city-hospital", "agency:north-shelter"]
    assert all_told(Rung.COORDINATOR, "north", None, ()) == ["region:north"]


def point(channel: Channel = Channel.WEBHOOK) -> ContactPoint:
    return ContactPoint(id=id_of("x"), recipient="me:w1", channel=channel, address="sealed", secrets=("old",))


def after(times: int, apart: timedelta, one: ContactPoint) -> ContactPoint:
    for number in range(times):
        one = one.went_wrong(day(0) + number * apart, "HTTP_500")
    return one


def test_a_webhook_that_fails_often_and_for_long_is_disabled_until_it_is_enabled() -> None:
    apart = PATIENCE / (FAILURES - 1)
    assert after(FAILURES - 1, apart, point()).state is PointState.ACTIVE
    worn_out = after(FAILURES, apart, point())
    assert (worn_out.state, worn_out.because, worn_out.version) == (PointState.DISABLED, "HTTP_500", 2)
    assert (worn_out.enable().state, worn_out.enable().failures) == (PointState.ACTIVE, 0)


def test_a_short_outage_disables_no_webhook_and_one_success_forgets_it() -> None:
    assert after(10 * FAILURES, timedelta(seconds=1), point()).state is PointState.ACTIVE
    assert after(FAILURES - 1, PATIENCE, point()).went_well().failures == 0


def test_a_mail_server_s_failures_are_not_its_reader_s() -> None:
    assert after(2 * FAILURES, PATIENCE, point(Channel.EMAIL)).state is PointState.ACTIVE


def test_what_is_gone_is_disabled_at_once() -> None:
    assert point().went_wrong(day(0), "HTTP_410", gone=True).state is PointState.DISABLED


def test_after_a_new_secret_both_sign_for_a_day() -> None:
    turned = point().with_secret("new", day(0)).with_secret("newest", day(0.5))
    assert turned.signing(day(1)) == ("newest", "new")
    assert turned.signing(day(1.6)) == ("newest",)


def test_a_removed_one_keeps_no_address() -> None:
    assert (point().remove().address, point().remove().secrets) == ("", ())
