"""The oracle, on returns small enough to work out by hand, and on the sample's own figures where it is installed."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.oracle.clocks import LONDON, Rule
from tests.oracle.returns import Child, read
from tests.oracle.ssda903 import Comparison, Expected, ExpectedAlert, RaisedAlert, Range, compare, expect

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NEVER_IMPORTED = date(2010, 1, 1)
MISSED, STALLED, UNSEEN = Rule.MISSED_FOLLOW_UP, Rule.STALLED_CASE, Rule.FIRST_CONTACT_OVERDUE
EPISODES, REVIEWS = "CHILD,DECOM,RNE,PLACE_PROVIDER,DEC", "CHILD,REVIEW,REVIEW_CODE"

Returns = Callable[..., Path]


@pytest.fixture
def returns(tmp_path: Path) -> Returns:
    """Writes a folder of returns; a line is a row, its values apart by a blank, `-` for an empty one."""

    def write(*episodes: str, reviews: Iterable[str] = (), later_episodes: Iterable[str] = ()) -> Path:
        for name, header, lines in (
            ("2020-episodes", EPISODES, episodes),
            ("2021-episodes", EPISODES, later_episodes),
            ("2021-reviews", REVIEWS, [f"{line} PN1" for line in reviews]),
        ):
            rows = [header, *(line.replace("-", "").replace(" ", ",") for line in lines)]
            (tmp_path / f"{name}.csv").write_text("\n".join(rows) + "\n")
        return tmp_path

    return write


def london(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=LONDON)


def live(folder: Path, now: datetime) -> Expected:
    return expect(folder, until=NEVER_IMPORTED, now=now)


def dues(expected: Expected, rule: Rule = MISSED) -> list[datetime]:
    return [alert.due for alert in expected.alerts if alert.rule is rule]


def only(folder: Path) -> Child:
    (child,) = read(folder)
    return child


# Reading


def test_a_row_that_ends_later_replaces_the_open_one_and_never_the_other_way_round(returns: Returns) -> None:
    open_row, ended_row = "A 01/02/2021 S PR1 -", "A 01/02/2021 S PR1 01/05/2021"
    for first, second in ((open_row, ended_row), (ended_row, open_row)):
        (episode,) = only(returns(first, later_episodes=[second])).episodes
        assert episode.ended == date(2021, 5, 1)


def test_an_episode_that_begins_on_the_last_day_of_another_goes_on_with_its_period(returns: Returns) -> None:
    child = only(returns("A 01/02/2021 S PR1 01/03/2021", "A 01/03/2021 P PR4 01/04/2021", "A 02/04/2021 S PR4 -"))
    assert [(period.begun, period.ended) for period in child.periods] == [
        (date(2021, 2, 1), date(2021, 4, 1)),
        (date(2021, 4, 2), None),
    ]


def test_a_period_lasts_as_long_as_the_longest_of_overlapping_episodes(returns: Returns) -> None:
    (period,) = only(returns("A 01/02/2021 S PR1 01/09/2021", "A 01/03/2021 P PR4 01/04/2021", "A 01/08/2021 P PR1 05/08/2021")).periods
    assert period.ended == date(2021, 9, 1)


def test_an_episode_that_never_ended_keeps_its_period_open_whatever_began_after_it(returns: Returns) -> None:
    (period,) = only(returns("A 01/02/2021 S PR1 -", "A 01/03/2021 P PR4 01/04/2021")).periods
    assert period.ended is None


def test_how_a_period_begins_is_said_by_its_first_episode_alone(returns: Returns) -> None:
    (period,) = only(returns("A 01/03/2021 S PR4 -", "A 01/02/2021 P PR1 01/04/2021")).periods
    assert not period.from_start


def test_reviews_count_by_their_day_and_not_by_their_code_and_not_after_the_history(returns: Returns) -> None:
    child = only(returns("A 01/02/2021 S PR1 -", reviews=["A 03/03/2021", "A 03/03/2021", "A 31/03/2022", "A 01/04/2022"]))
    assert (child.reviews, child.future_reviews) == ((date(2021, 3, 3), date(2022, 3, 31)), (date(2022, 4, 1),))


def test_a_line_that_cannot_be_read_is_named_without_what_it_holds(returns: Returns) -> None:
    with pytest.raises(ValueError, match=r"^2020-episodes\.csv:3: PLACE_PROVIDER is none of") as refused:
        read(returns("A 01/02/2021 S PR1 -", "secret 01/02/2021 S PR9 -"))
    assert "secret" not in str(refused.value)
    with pytest.raises(ValueError, match=r"^2020-episodes\.csv:2: a date"):
        read(returns("A 31/02/2021 S PR1 -"))


def test_a_folder_without_returns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path)


# Follow-ups


def test_the_first_review_is_due_by_the_end_of_the_twentieth_working_day_without_bank_holidays(returns: Returns) -> None:
    """From Maundy Thursday 2021 on: without Good Friday, Easter Monday and the early May bank holiday, 4 May is the twentieth."""
    expected = live(returns("A 01/04/2021 S PR1 -"), london(2021, 6, 1))
    assert dues(expected) == [london(2021, 5, 5)] == [datetime(2021, 5, 4, 23, tzinfo=UTC)]


def test_a_start_at_the_weekend_counts_from_monday(returns: Returns) -> None:
    assert dues(live(returns("A 05/06/2021 S PR1 -"), london(2021, 8, 1))) == [london(2021, 7, 3)]


def test_the_second_review_is_due_after_three_months_and_later_ones_after_six_or_at_the_month_s_last_day(returns: Returns) -> None:
    folder = returns("A 29/11/2020 S PR1 -", reviews=["A 30/11/2020", "A 31/08/2021"])
    assert dues(live(folder, london(2022, 3, 2))) == [london(2021, 3, 1), london(2022, 3, 1)]


def test_where_the_start_is_unknown_nothing_is_due_until_the_first_review_arms_six_months(returns: Returns) -> None:
    folder = returns("A 04/01/2021 P PR1 -", "B 04/01/2021 L PR1 -", reviews=["B 01/02/2021"])
    expected = live(folder, london(2021, 9, 1))
    assert [(alert.child, alert.due) for alert in expected.alerts] == [("B", london(2021, 8, 2))]
    assert (expected.follow_ups_done, expected.follow_ups_answered) == (1, 0)


@pytest.mark.parametrize(("held", "missed"), [("09/04/2021", 0), ("30/04/2021", 0), ("04/05/2021", 0), ("05/05/2021", 1)])
def test_a_review_answers_early_or_on_the_day_and_makes_up_after_it(returns: Returns, held: str, missed: int) -> None:
    expected = live(returns("A 01/04/2021 S PR1 -", reviews=[f"A {held}"]), london(2021, 6, 1))
    assert (expected.follow_ups_missed, expected.follow_ups_made_up, expected.follow_ups_answered) == (missed, missed, 1)
    assert [alert.closed_at for alert in expected.alerts] == [london(2021, 5, 5, 12)] * missed


@pytest.mark.parametrize(("ended", "missed"), [("04/05/2021", 0), ("05/05/2021", 1)])
def test_a_period_that_ends_on_the_due_day_cancels_and_a_day_later_clears(returns: Returns, ended: str, missed: int) -> None:
    expected = live(returns(f"A 01/04/2021 S PR1 {ended}"), london(2021, 6, 1))
    assert (expected.follow_ups_missed, expected.follow_ups_made_up) == (missed, 0)
    assert [alert.cleared_by_end for alert in expected.alerts] == [True] * missed


def test_a_review_on_the_period_s_first_or_last_day_is_inside_and_any_other_answers_nothing(returns: Returns) -> None:
    reviews = [f"A {day}" for day in ("31/03/2021", "01/04/2021", "01/08/2021", "02/08/2021")]
    expected = live(returns("A 01/04/2021 S PR1 01/08/2021", reviews=reviews), london(2021, 9, 1))
    assert (expected.follow_ups_done, expected.follow_ups_missed, expected.follow_ups_made_up) == (2, 1, 1)


def test_a_missed_review_stays_the_open_one_until_it_is_made_up_and_two_close_by_are_two(returns: Returns) -> None:
    folder = returns("A 01/04/2021 S PR1 -", reviews=["A 01/07/2021", "A 02/07/2021"])
    assert live(folder, london(2021, 6, 30)).follow_ups_missed == 1
    assert live(folder, london(2021, 7, 3)).follow_ups_answered == 2
    assert dues(live(folder, london(2022, 1, 1))) == [london(2021, 5, 5)]


def test_a_new_period_counts_its_reviews_afresh(returns: Returns) -> None:
    folder = returns("A 04/01/2021 S PR1 31/01/2021", "A 01/04/2021 S PR1 -", reviews=["A 20/01/2021"])
    assert dues(live(folder, london(2021, 6, 1))) == [london(2021, 5, 5)]


# Stalls


def test_a_case_stalls_after_270_days_by_the_clock_on_the_wall(returns: Returns) -> None:
    folder = returns("A 01/07/2020 P PR1 -")
    due = london(2021, 3, 28, 10)
    assert dues(live(folder, due), STALLED) == []
    assert dues(live(folder, due + HOUR), STALLED) == [due] == [datetime(2021, 3, 28, 9, tzinfo=UTC)]


@pytest.mark.parametrize(("begun", "stalls"), [("28/03/2021", 0), ("29/03/2021", 1)])
def test_an_episode_in_time_is_progress_and_each_progress_starts_a_round(returns: Returns, begun: str, stalls: int) -> None:
    folder = returns("A 01/07/2020 P PR1 -", f"A {begun} P PR1 -")
    first = live(folder, london(2021, 4, 1))
    assert [alert.open for alert in first.alerts] == [False] * stalls
    assert len(dues(live(folder, london(2022, 1, 1)), STALLED)) == stalls + 1


def test_a_review_inside_the_period_is_progress_and_one_outside_is_none(returns: Returns) -> None:
    folder = returns("A 01/07/2020 P PR1 -", reviews=["A 30/06/2020", "A 01/09/2020"])
    assert dues(live(folder, london(2022, 1, 1)), STALLED) == [london(2021, 5, 29, 12)]


def test_the_period_s_end_stops_the_round_or_clears_its_alert(returns: Returns) -> None:
    folder = returns("A 01/07/2020 P PR1 27/03/2021", "B 01/07/2020 P PR1 28/03/2021")
    (alert,) = live(folder, london(2022, 1, 1)).alerts
    assert (alert.child, alert.cleared_by_end, alert.closed_at) == ("B", True, london(2021, 3, 28, 17))


# First contacts


@pytest.mark.parametrize(("held", "missed"), [("31/01/2021", 0), ("02/06/2021", 0), ("03/06/2021", 1)])
def test_a_child_is_seen_by_the_fortieth_working_day_or_was_before(returns: Returns, held: str, missed: int) -> None:
    """From Maundy Thursday 2021 on: without four bank holidays, 2 June is the fortieth."""
    expected = live(returns("A 01/04/2021 S PR1 -", reviews=[f"A {held}"]), london(2021, 7, 1))
    assert dues(expected, UNSEEN) == [london(2021, 6, 3)] * missed
    assert [alert.closed_at for alert in expected.alerts if alert.rule is UNSEEN] == [london(2021, 6, 3, 12)] * missed


def test_a_child_is_seen_for_the_first_time_once_and_not_where_care_was_under_way(returns: Returns) -> None:
    folder = returns("A 01/04/2021 S PR1 20/04/2021", "A 03/05/2021 S PR1 -", "B 01/04/2021 P PR1 -", "C 01/04/2021 S PR1 30/06/2021")
    unseen = [alert for alert in live(folder, london(2022, 1, 1)).alerts if alert.rule is UNSEEN]
    assert [(alert.child, alert.due, alert.cleared_by_end) for alert in unseen] == [("C", london(2021, 6, 3), True)]


# Imported history


def test_what_was_answered_late_before_the_import_is_history_and_what_is_open_at_it_is_raised_then(returns: Returns) -> None:
    folder = returns(
        "late 01/04/2021 S PR1 -",
        "ended 01/04/2021 S PR1 20/05/2021",
        "open 01/04/2021 S PR1 -",
        "answered 01/04/2021 S PR1 -",
        reviews=["late 31/05/2021", "answered 01/06/2021"],
    )
    expected = expect(folder, until=date(2021, 6, 1), now=london(2021, 6, 2))
    assert (expected.follow_ups_missed, expected.follow_ups_made_up) == (4, 2)
    assert {alert.child: alert.closed_at for alert in expected.alerts} == {"open": None, "answered": london(2021, 6, 1, 12)}
    assert {(alert.due, alert.raised_from) for alert in expected.alerts} == {(london(2021, 5, 5), london(2021, 6, 1))}


def test_a_review_due_at_the_very_completion_is_missed_live(returns: Returns) -> None:
    folder = returns("A 01/04/2021 S PR1 -", reviews=["A 05/05/2021"])
    expected = expect(folder, until=date(2021, 5, 5), now=london(2021, 6, 1))
    assert [(alert.raised_from, alert.open) for alert in expected.alerts] == [(london(2021, 5, 5), False)]


def test_a_stall_that_progress_ended_before_the_import_is_history(returns: Returns) -> None:
    folder = returns("A 01/03/2020 P PR1 -", "A 01/02/2021 P PR1 -", "B 01/03/2020 P PR1 31/05/2021", "C 01/03/2020 P PR1 01/06/2021")
    expected = expect(folder, until=date(2021, 6, 1), now=london(2021, 7, 1))
    assert [(alert.child, alert.raised_from, alert.cleared_by_end) for alert in expected.alerts] == [("C", london(2021, 6, 1), True)]


def test_a_time_before_the_import_s_completion_is_refused(returns: Returns) -> None:
    with pytest.raises(ValueError, match="completion"):
        expect(returns("A 01/04/2021 S PR1 -"), until=date(2021, 6, 1), now=london(2021, 5, 31))


# Figures


def test_only_what_has_happened_is_counted(returns: Returns) -> None:
    folder = returns("A 01/02/2021 S PR1 01/03/2021", "A 01/05/2021 S PR4 -", "B 02/03/2021 S PR1 -", reviews=["A 10/02/2021"])
    at_review, at_close = (live(folder, now) for now in (london(2021, 2, 10, 11), london(2021, 3, 1, 17)))
    assert (at_review.cases, at_review.periods, at_review.open_periods, at_review.follow_ups_done) == (1, 1, 1, 0)
    assert (at_close.cases, at_close.periods, at_close.open_periods, at_close.follow_ups_done) == (1, 1, 0, 1)
    later = live(folder, london(2021, 5, 1, 9))
    assert (later.cases, later.periods, later.open_periods) == (2, 3, 2)


def test_hand_offs_are_changes_of_the_holder_across_periods_too(returns: Returns) -> None:
    folder = returns("A 01/02/2021 S PR1 01/03/2021", "A 01/03/2021 P PR1 02/03/2021", "A 01/05/2021 S PR1 -", "A 02/05/2021 P PR4 -")
    taken = ("local-authority", "own-provision")
    assert live(folder, london(2021, 5, 2, 9)).hand_offs == Counter({taken: 1})
    assert live(folder, london(2021, 5, 2, 10)).hand_offs == Counter({taken: 1, ("own-provision", "private-provider"): 1})


def test_an_alert_climbs_a_week_after_it_was_raised_and_two_weeks_after_that_unless_it_is_closed(returns: Returns) -> None:
    folder = returns("A 01/04/2021 S PR1 -", "B 01/04/2021 S PR1 15/05/2021")
    climbed = [live(folder, london(2021, 5, day, 1)) for day in (11, 12, 25, 26)]
    assert [(rungs.to_supervisor, rungs.to_coordinator) for rungs in climbed] == [
        (Range(at_least=low, at_most=low), Range(at_least=high, at_most=high)) for low, high in ((0, 0), (2, 0), (2, 0), (2, 1))
    ]


def test_how_far_an_alert_has_climbed_is_uncertain_by_the_lag_of_each_step(returns: Returns) -> None:
    folder = returns("A 01/04/2021 S PR1 -")
    ranges = [
        expect(folder, until=NEVER_IMPORTED, now=london(2021, 5, day, 1), lag=DAY).to_supervisor for day in (11, 12, 13, 14)
    ]  # raised on the 5th or 6th, up a week later, at once or on the day after
    assert [(count.at_least, count.at_most) for count in ranges] == [(0, 0), (0, 1), (0, 1), (1, 1)]
    assert 1 in ranges[-1]
    assert 0 not in ranges[-1]


# Comparing


def as_raised(alert: ExpectedAlert) -> RaisedAlert:
    return RaisedAlert(child=alert.child, rule=alert.rule, due=alert.due.astimezone(UTC))


def sizes(comparison: Comparison) -> tuple[int, int, int, int]:
    return len(comparison.false), len(comparison.missing), len(comparison.doubled), len(comparison.close)


def test_alerts_that_are_false_missing_or_doubled_are_told_apart(returns: Returns) -> None:
    expected = live(returns("A 01/04/2021 S PR1 -", "B 01/04/2021 S PR1 -"), london(2021, 6, 1))
    first, second = map(as_raised, expected.alerts)
    assert compare(expected, [second, first]).agrees
    assert sizes(compare(expected, [first, first])) == (0, 1, 1, 0)
    unknown = RaisedAlert(child="A", rule="REFERRAL_UNANSWERED", due=first.due)
    moved = RaisedAlert(child="A", rule=MISSED, due=first.due + timedelta(microseconds=1))
    assert compare(expected, [first, second, unknown, moved]).false == (unknown, moved)


def test_an_alert_of_the_last_moments_may_be_missing_and_no_other_may(returns: Returns) -> None:
    folder, due = returns("A 01/04/2021 S PR1 -"), london(2021, 5, 5)
    missing = [compare(expect(folder, until=NEVER_IMPORTED, now=due + after, lag=DAY), []).missing for after in (HOUR, DAY)]
    assert [len(alerts) for alerts in missing] == [0, 1]


def test_a_closing_of_the_last_moments_may_not_have_shown_yet(returns: Returns) -> None:
    folder = returns("A 01/04/2021 S PR1 -", reviews=["A 20/05/2021"])
    found = [expect(folder, until=NEVER_IMPORTED, now=london(2021, 5, day, 13), lag=DAY).alerts[0] for day in (19, 20, 21)]
    assert [(alert.open, alert.is_state_settled) for alert in found] == [(True, True), (False, False), (False, True)]


@pytest.mark.parametrize(("until", "close"), [(date(2021, 4, 1), 1), (date(2021, 5, 5), 0)])
def test_a_stop_recorded_late_makes_a_close_call_when_live_and_none_in_the_history(returns: Returns, until: date, close: int) -> None:
    folder = returns("A 01/04/2021 S PR1 -", reviews=["A 04/05/2021"])
    raised = [RaisedAlert(child="A", rule=MISSED, due=london(2021, 5, 5))]
    lenient = expect(folder, until=until, now=london(2021, 6, 1), recorded_within=DAY)
    assert sizes(compare(lenient, raised)) == (1 - close, 0, 0, close)
    assert sizes(compare(expect(folder, until=until, now=london(2021, 6, 1)), raised)) == (1, 0, 0, 0)


def test_a_clock_that_a_live_fact_began_is_due_as_much_later_as_the_fact_was_recorded(returns: Returns) -> None:
    folder = returns("A 01/07/2020 P PR1 -")
    raised = [RaisedAlert(child="A", rule=STALLED, due=london(2021, 3, 28, 12))]
    for until, agrees in ((date(2020, 7, 1), True), (date(2020, 7, 2), False)):
        expected = expect(folder, until=until, now=london(2021, 6, 1), recorded_within=2 * HOUR)
        assert compare(expected, raised).agrees is agrees


def test_an_alert_may_be_missing_where_a_late_recorded_start_brings_its_stop_into_time(returns: Returns) -> None:
    folder = returns("A 01/07/2020 P PR1 -", reviews=["A 28/03/2021"])
    strict, lenient = (
        expect(folder, until=date(2020, 7, 1), now=london(2021, 6, 1), recorded_within=late) for late in (timedelta(0), 2 * HOUR)
    )
    assert [sizes(compare(expected, [])) for expected in (strict, lenient)] == [(0, 1, 0, 0), (0, 0, 0, 0)]
    assert compare(lenient, map(as_raised, lenient.alerts)).agrees


# The sample


@pytest.fixture(scope="module")
def sample() -> Path:
    """The folder of the sample, where the wheel that carries it is installed."""
    found = find_spec("cs_demand_model_samples")
    if found is None or not found.submodule_search_locations:
        pytest.skip("the sample isn't installed")
    return Path(next(iter(found.submodule_search_locations))) / "combined"


def test_the_sample_is_read_as_ssda903_md_says(sample: Path) -> None:
    children = read(sample)
    periods = [period for child in children for period in child.periods]
    assert (len(children), sum(len(child.episodes) for child in children)) == (820, 2827)
    assert (len(periods), sum(period.ended is None for period in periods), sum(period.from_start for period in periods)) == (840, 86, 344)
    future = [len(child.future_reviews) for child in children if child.future_reviews]
    assert (sum(len(child.reviews) for child in children) + sum(future), sum(future), len(future)) == (3477, 140, 57)
    assert sum(day < child.episodes[0].begun for child in children for day in child.reviews) == 1198


@pytest.mark.parametrize(
    ("now", "follow_ups", "alerts", "hand_offs", "open_periods"),
    [
        (london(2021, 6, 1), (2051, 1291, 889), (84, 21), 1478, 129),
        (london(2021, 7, 1), (2062, 1300, 897), (93, 24), 1482, 126),
        (london(2021, 7, 31), (2073, 1302, 903), (95, 28), 1486, 123),
        (london(2022, 4, 30), (2139, 1349, 949), (142, 69), 1522, 86),
    ],
)
def test_the_sample_s_figures_stay_as_another_reckoning_found_them(
    sample: Path, now: datetime, follow_ups: tuple[int, int, int], alerts: tuple[int, int], hand_offs: int, open_periods: int
) -> None:
    expected = expect(sample, until=date(2021, 6, 1), now=now)
    assert (expected.follow_ups_done, expected.follow_ups_missed, expected.follow_ups_made_up) == follow_ups
    assert (len(dues(expected)), len(dues(expected, STALLED))) == alerts
    assert (expected.hand_offs.total(), expected.open_periods, expected.cases) == (hand_offs, open_periods, 820)
