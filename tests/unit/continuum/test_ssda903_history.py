"""What the rows tell: one child, its periods and its reviews, each counted once."""

from datetime import date, timedelta

import pytest

from continuum.ssda903.history import History, Told, tell
from continuum.ssda903.reader import EpisodeRow, Return, ReviewRow, read
from continuum.ssda903.rows import Spot
from continuum.ssda903.sample import sample_folder

DAY = date(2018, 1, 1)


def episode(begins: int, ends: int | None, *, provider: str = "PR1", reason: str = "S", file: str = "2017-episodes.csv") -> EpisodeRow:
    """A row of child 1; days count from DAY."""
    return EpisodeRow(
        child="1",
        begins=DAY + timedelta(begins),
        ends=None if ends is None else DAY + timedelta(ends),
        provider=provider,
        reason_begun=reason,
        reason_ended="E11",
        spot=Spot(file=file, line=begins + 2),
    )


def told(*episodes: EpisodeRow, reviews: tuple[int, ...] = ()) -> Told:
    rows = tuple(ReviewRow(child="1", day=DAY + timedelta(day), spot=Spot(file="2017-reviews.csv", line=day)) for day in reviews)
    return tell(
        Return(children=frozenset({"1"}), episodes=episodes, reviews=rows, remarks=(), last_day=DAY + timedelta(100), digest="content")
    )


def history(*episodes: EpisodeRow, reviews: tuple[int, ...] = ()) -> History:
    (only,) = told(*episodes, reviews=reviews).histories
    return only


def test_an_end_that_one_file_knows_beats_another_file_that_has_none() -> None:
    for rows in ([episode(0, None), episode(0, 9)], [episode(0, 9), episode(0, None)]):
        (period,) = history(*rows).periods
        assert [stay.ends for stay in period.episodes] == [DAY + timedelta(9)]


def test_of_two_rows_that_both_end_the_later_file_is_right() -> None:
    (period,) = history(episode(0, 9), episode(0, 12, provider="PR4", file="2018-episodes.csv")).periods
    assert [(stay.ends, stay.agency) for stay in period.episodes] == [(DAY + timedelta(12), "private-provider")]


def test_an_episode_on_the_day_the_last_one_ends_goes_on_with_the_period_and_one_a_day_later_begins_another() -> None:
    assert len(history(episode(0, 9), episode(9, 20)).periods) == 1
    assert len(history(episode(0, 9), episode(10, 20)).periods) == 2


def test_overlapping_episodes_are_one_period_until_the_latest_end() -> None:
    (period,) = history(episode(0, 30), episode(10, 20), episode(25, None)).periods
    assert period.ends is None
    (period,) = history(episode(0, 30), episode(10, 20)).periods
    assert (period.ends, period.last.begins) == (DAY + timedelta(30), DAY)


def test_a_period_knows_whether_its_start_is_the_start_of_care() -> None:
    one, two = history(episode(0, 9, reason="P"), episode(20, 29, reason="S")).periods
    assert (one.start_is_known, two.start_is_known) == (False, True)


def test_reviews_count_once_a_day_and_both_ends_of_a_period_are_inside() -> None:
    reviews = history(episode(0, 9), reviews=(9, 0, 0, 10)).reviews
    assert [((review.day - DAY).days, review.in_care) for review in reviews] == [(0, True), (9, True), (10, False)]


def test_what_lies_after_the_history_is_reported_and_not_told() -> None:
    all_of_it = told(episode(0, 101), episode(101, 102), reviews=(100, 101))
    (only,) = all_of_it.histories
    assert [period.ends for period in only.periods] == [None]
    assert [(review.day - DAY).days for review in only.reviews] == [100]
    assert [(remark.column, remark.problem.name) for remark in all_of_it.remarks] == [
        ("DEC", "ENDS_IN_THE_FUTURE"),
        ("DECOM", "IN_THE_FUTURE"),
        ("REVIEW", "IN_THE_FUTURE"),
    ]


def test_a_review_of_a_child_without_an_episode_has_no_case_to_go_to() -> None:
    empty = told(reviews=(3,))
    assert empty.histories == ()
    assert [remark.problem.name for remark in empty.remarks] == ["CHILD_UNKNOWN"]


def test_the_sample_tells_what_its_description_says() -> None:
    folder = sample_folder()
    if folder is None:
        pytest.skip("the sample's wheel (cs-demand-model) is not installed")
    found = read(folder)
    whole = tell(found)
    periods = [period for history in whole.histories for period in history.periods]
    reviews = [review for history in whole.histories for review in history.reviews]
    late = [remark for remark in whole.remarks if remark.problem.name == "IN_THE_FUTURE"]
    assert (len(found.children), len(whole.histories), len(found.episodes), found.last_day) == (820, 820, 3737, date(2022, 3, 31))
    assert sum(len(period.episodes) for period in periods) == 2827
    assert len(periods) == 840
    assert sum(period.ends is None for period in periods) == 86
    assert sum(period.start_is_known for period in periods) == 344
    assert (len(reviews) + len(late), len(late), len(whole.remarks)) == (3477, 140, 140)
    assert sum(not review.in_care for review in reviews) == 1198
    assert sum(not history.reviews for history in whole.histories) == 5
