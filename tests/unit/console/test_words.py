"""Codes and numbers as they are read."""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from services.console.pages import words

LONDON = ZoneInfo("Europe/London")


@pytest.mark.parametrize(
    ("code", "text"),
    [("private-provider", "Private provider"), ("NO_PROVIDER", "No provider"), ("FollowUpMadeUp", "Follow up made up"), ("", "")],
)
def test_a_code_is_read_in_words(code: str, text: str) -> None:
    assert words.readable(code) == text


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(milliseconds=400), "0.4 seconds"),
        (timedelta(seconds=31), "31 seconds"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(hours=7, minutes=59), "7 hours"),
        (timedelta(days=1200), "1,200 days"),
        (timedelta(seconds=-5), "0.0 seconds"),
    ],
)
def test_a_length_of_time_is_told_in_its_largest_unit(length: timedelta, text: str) -> None:
    assert words.span(length) == text


def test_times_are_local_and_say_which_local() -> None:
    summer, winter = datetime(2021, 7, 1, 12, tzinfo=UTC), datetime(2021, 1, 1, 12, tzinfo=UTC)
    assert (words.clock(summer, LONDON), words.zone_name(summer, LONDON)) == ("13:00", "BST")
    assert (words.clock(winter, LONDON), words.zone_name(winter, LONDON)) == ("12:00", "GMT")
    assert words.weekday(summer, LONDON) == "Thursday 1 July 2021"
    assert words.date(summer, LONDON) == "1 Jul 2021"


def test_ids_that_begin_with_the_same_moment_look_different() -> None:
    first, second = UUID("0190a000-0000-7000-8000-00000000aaaa"), UUID("0190a000-0000-7000-8000-00000000bbbb")
    assert words.short_id(first) != words.short_id(second)
