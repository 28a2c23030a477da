"""A child's history as dated acts: in an order in which services can take them, each with a key of its own."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from continuum.acts import Act, CasePlan
from continuum.ssda903.history import Episode, History, Period, Review, tell
from continuum.ssda903.plan import plan_case, start_of
from continuum.ssda903.reader import read
from continuum.ssda903.rows import Spot
from continuum.ssda903.sample import sample_folder

DAY = date(2018, 1, 1)
SPOT = Spot(file="2017-episodes.csv", line=2)


def stay(begins: int, ends: int | None, agency: str = "own-provision", *, begun: str = "S", ended: str = "E11") -> Episode:
    """Days count from DAY."""
    last = None if ends is None else DAY + timedelta(ends)
    return Episode(begins=DAY + timedelta(begins), ends=last, agency=agency, reason_begun=begun, reason_ended=ended, spot=SPOT)


def plan(*periods: Sequence[Episode], reviews: Sequence[tuple[int, bool]] = ()) -> CasePlan:
    seen = tuple(Review(day=DAY + timedelta(day), in_care=in_care, spot=SPOT) for day, in_care in reviews)
    return plan_case(History(child="398768", periods=tuple(Period(episodes=tuple(stays)) for stays in periods), reviews=seen))


def told(whole: CasePlan) -> list[str]:
    """Acts as `day hour command thing`."""
    return [
        f"{(act.entered_at.date() - DAY).days} {act.entered_at:%H} {act.command} {act.about or act.makes or ''}".strip()
        for act in whole.acts
    ]


def of(whole: CasePlan, command: str) -> list[Act]:
    return [act for act in whole.acts if act.command == command]


def test_a_period_is_a_case_from_its_reception_to_its_closure() -> None:
    assert told(plan([stay(0, 5), stay(5, 9, "private-provider", begun="P")], reviews=[(5, True)])) == [
        "0 09 receive-case case",
        "0 09 triage-case case",
        "0 09 open-case case",
        "0 10 offer-referral referral 2018-01-01",
        "0 10 accept-referral referral 2018-01-01",
        "5 10 complete-referral referral 2018-01-01",
        "5 10 offer-referral referral 2018-01-06",
        "5 10 accept-referral referral 2018-01-06",
        "5 12 record-contact follow-ups",
        "9 17 complete-referral referral 2018-01-06",
        "9 17 close-case case",
    ]


def test_the_provider_accepts_and_the_authority_does_the_rest() -> None:
    whole = plan([stay(0, 5, "private-provider")])
    assert {act.command: act.agency for act in whole.acts if act.agency != "local-authority"} == {"accept-referral": "private-provider"}


def test_an_open_period_is_not_closed() -> None:
    assert told(plan([stay(0, None)]))[-1] == "0 10 accept-referral referral 2018-01-01"


def test_a_later_period_reopens_the_case() -> None:
    whole = plan([stay(0, 5, begun="L")], [stay(8, None)])
    assert told(whole)[-4:] == [
        "5 17 close-case case",
        "8 09 reopen-case case",
        "8 10 offer-referral referral 2018-01-09",
        "8 10 accept-referral referral 2018-01-09",
    ]
    assert [of(whole, command)[0].body["under_way"] for command in ("open-case", "reopen-case")] == [True, False]


def test_overlapping_episodes_end_on_their_own_days_and_the_last_to_end_ends_the_period() -> None:
    whole = plan([stay(0, 9), stay(4, 7)])
    assert [entry for entry in told(whole) if "complete" in entry] == [
        "7 10 complete-referral referral 2018-01-05",
        "9 17 complete-referral referral 2018-01-01",
    ]


def test_a_stay_of_one_day_is_accepted_before_it_is_over() -> None:
    whole = plan([stay(0, 5), stay(2, 2)])
    assert [entry.split()[2] for entry in told(whole) if "2018-01-03" in entry] == [
        "offer-referral",
        "accept-referral",
        "complete-referral",
    ]


def test_a_review_before_the_case_is_entered_once_it_is_open_and_keeps_its_date() -> None:
    whole = plan([stay(0, 5)], reviews=[(-400, False)])
    assert told(whole)[2:4] == ["0 09 open-case case", "0 09 record-contact"]
    (contact,) = of(whole, "record-contact")
    assert contact.occurred_at == datetime(2016, 11, 27, 12, tzinfo=UTC)
    assert contact.body["answers"] is False


def test_days_are_local_and_moments_are_utc() -> None:
    summer = timedelta(180)
    whole = plan([stay(summer.days, None)])
    assert whole.acts[0].occurred_at == datetime(2018, 6, 30, 8, tzinfo=UTC)
    assert start_of(date(2021, 6, 1)) == datetime(2021, 5, 31, 23, tzinfo=UTC)


@pytest.mark.parametrize(("reason", "outcome"), [("E2", "DIED"), ("E11", "GOALS_REACHED"), ("E9", "OTHER"), ("X1", "OTHER")])
def test_the_reason_why_care_ended_is_the_outcome(reason: str, outcome: str) -> None:
    (closure,) = of(plan([stay(0, 5, ended=reason)]), "close-case")
    assert closure.body == {"outcome": outcome}


def test_keys_are_the_same_for_the_same_child_and_differ_within_it() -> None:
    one, again = (plan([stay(0, 5)], [stay(8, 9)], reviews=[(1, True), (6, False)]) for _ in range(2))
    assert one == again
    assert len({act.key for act in one.acts}) == len(one.acts)
    longer = plan([stay(0, 5)], [stay(8, None)], reviews=[(1, True), (2, True), (6, False)])
    assert {act.key for act in one.acts} - {act.key for act in longer.acts} == {act.key for act in one.acts if act.entered_at.day == 10}


def test_the_child_s_number_goes_to_intake_alone() -> None:
    whole = plan([stay(0, 5)], reviews=[(1, True)])
    assert [act.command for act in whole.acts if "398768" in repr(act)] == ["receive-case"]
    assert "398768" not in str(whole.handle)


def test_the_sample_gives_as_many_acts_as_its_facts_ask_for() -> None:
    folder = sample_folder()
    if folder is None:
        pytest.skip("the sample's wheel (cs-demand-model) is not installed")
    plans = [plan_case(history) for history in tell(read(folder)).histories]
    acts = [act for whole in plans for act in whole.acts]
    count = {command: sum(act.command == command for act in acts) for command in {act.command for act in acts}}
    assert count == {
        "receive-case": 820,
        "triage-case": 820,
        "open-case": 820,
        "offer-referral": 2827,
        "accept-referral": 2827,
        "complete-referral": 2741,
        "record-contact": 3337,
        "close-case": 754,
        "reopen-case": 20,
    }
    assert len({act.key for act in acts}) == len(acts)
    assert all(one.entered_at <= two.entered_at for whole in plans for one, two in pairwise(whole.acts))
