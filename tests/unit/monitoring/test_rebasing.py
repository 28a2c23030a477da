"""Clocks under policies that differ by agency and change while they run: nobody is late by a policy that wasn't there."""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casebus.contracts.intake import LeadHandedOver
from casebus.contracts.monitoring import AlertEscalated, AlertRaised, FollowUpMissed
from casebus.contracts.planning import CaseSuspended, PlanAgreed, SuspendReason
from casebus.event import Event
from services.monitoring.domain.decision import Decision, decide
from services.monitoring.domain.fact import History
from services.monitoring.domain.regime import Adoption, Regimes, adopted
from services.monitoring.rules import RULES
from tests.unit.monitoring.life import stories
from tests.unit.monitoring.story import CASE, LEAD, PARTNER, REGION, WRITTEN, Story, day
from tests.unit.monitoring.test_decisions import Known, known

BASE: dict[str, Any] = WRITTEN | {"policy": "base", "version": "1"}


def stall(within: str) -> dict[str, Any]:
    return {"duties": {"STALLED_CASE": {"within": within, "grace": "0h"}}}


def answer(within: str) -> dict[str, Any]:
    return {"duties": {"REFERRAL_UNANSWERED": {"within": within, "grace": "0h"}}}


def second(at: float | datetime, more: dict[str, Any]) -> Adoption:
    """Another version for everywhere."""
    duties = {**BASE["duties"], **more.get("duties", {})}
    since = at if isinstance(at, datetime) else day(at)
    return Adoption(since=since, written=BASE | {"version": f"of-{since:%Y-%m-%d}"} | more | {"duties": duties})


def own(agency: str, more: dict[str, Any], *, since: float | None = None) -> Adoption:
    written = {"policy": agency, "version": "1", "region": REGION, "agency": agency, **more}
    return Adoption(since=None if since is None else day(since), written=written)


def under(*adoptions: Adoption) -> Regimes:
    """The base, and what was adopted after it."""
    return adopted([Adoption(since=None, written=BASE), *adoptions])


def decisions(story: Story, watermark: datetime, regimes: Regimes) -> list[Decision]:
    return decide(History.below(CASE, story.facts, watermark), watermark, regimes, RULES)[0]


def said(story: Story, at: float, regimes: Regimes) -> list[Event]:
    return [one.event for one in decisions(story, day(at), regimes)]


def due(story: Story, regimes: Regimes, at: float = 300) -> list[datetime]:
    return [event.due_at for event in said(story, at, regimes) if isinstance(event, AlertRaised)]


def test_a_shorter_time_counts_from_the_clocks_start() -> None:
    regimes = under(second(5, stall("9d")))
    assert said(Story(), 9, regimes) == []
    assert due(Story(), regimes) == [day(9)]


def test_nobody_is_late_by_a_policy_that_was_not_there() -> None:
    """It has stood for 12 days when 9 become the most: it is late from the adoption on, not since three days."""
    regimes = under(second(12, stall("9d")))
    assert due(Story(), regimes) == [day(12)]
    told_late = Story()
    told_late.tell(PlanAgreed(case_id=CASE, plan_version=1, goals=1, steps=1), day(15), occurred=day(11))
    [raised, cleared, *_] = said(told_late, 16, regimes)
    assert (type(raised).__name__, type(cleared).__name__) == ("AlertRaised", "AlertAutoCleared")


def test_nobody_becomes_late_by_a_policy_while_the_clock_stands_still() -> None:
    story = Story()
    story.tell(CaseSuspended(case_id=CASE, reason=SuspendReason.CLIENT_AWAY, review_on=day(39).date()), day(10))
    regimes = under(second(20, stall("5d")))
    assert due(story, regimes, 39.4) == []
    assert len(due(story, regimes, 39.6)) == 1


def test_a_longer_time_doesnt_reach_a_clock_that_runs() -> None:
    assert due(Story(), under(second(5, stall("60d")))) == [day(30)]


def test_a_longer_time_reaches_it_where_the_policy_says_so() -> None:
    assert due(Story(), under(second(5, stall("60d") | {"running": "FOLLOWS"}))) == [day(60)]
    assert due(Story(), under(second(31, stall("60d") | {"running": "FOLLOWS"}))) == [day(30)]


def test_what_starts_after_an_adoption_goes_by_it() -> None:
    story = Story()
    story.tell(PlanAgreed(case_id=CASE, plan_version=1, goals=1, steps=1), day(10))
    assert due(story, under(second(9, stall("50d")))) == [day(60)]


def test_what_was_answered_before_an_adoption_stays_answered() -> None:
    story = Story()
    story.offer("one", day(1))
    story.accept("one", day(2.5))
    assert [event for event in said(story, 4, under(second(2.75, answer("1h")))) if isinstance(event, AlertRaised)] == []


def test_a_duty_that_is_turned_off_goes_on_running_where_it_began() -> None:
    regimes = under(second(5, {"duties": {"STALLED_CASE": False}}))
    story = Story()
    assert due(story, regimes) == [day(30)]
    story.tell(PlanAgreed(case_id=CASE, plan_version=1, goals=1, steps=1), day(10))
    assert due(story, regimes) == []


def test_what_counts_as_progress_is_what_counted_when_it_was_told() -> None:
    story = Story()
    story.tell(PlanAgreed(case_id=CASE, plan_version=1, goals=1, steps=1), day(10))
    story.tell(PlanAgreed(case_id=CASE, plan_version=2, goals=1, steps=1), day(20))
    assert due(story, under(second(15, {"progress": ["planning.StepDone"]}))) == [day(40)]


def test_a_follow_up_keeps_its_day_and_its_grace_gets_no_longer() -> None:
    story = Story()
    story.follow_up("one", due=day(10), at=day(0))

    def missed(regimes: Regimes) -> list[datetime]:
        return [event.missed_at for event in said(story, 25, regimes) if isinstance(event, FollowUpMissed)]

    def grace(written: str) -> dict[str, Any]:
        return {"follow_up": {"intervals": ["5d"], "grace": written}}

    assert missed(under(second(5, grace("0h")))) == [day(10)]
    assert missed(under(second(5, grace("9d")))) == [day(11)]
    assert missed(under(second(5, grace("9d") | {"running": "FOLLOWS"}))) == [day(19)]


def test_an_agency_answers_by_its_own_policy() -> None:
    story = Story()
    story.offer("one", day(1))
    assert due(story, under(own(PARTNER, answer("5d"))), 20) == [day(6)]
    assert due(story, under(own(LEAD, answer("5d"))), 20) == [day(3)]


def test_it_has_at_most_so_many_times_what_the_asker_would_give_it() -> None:
    story = Story()
    story.offer("one", day(1))
    cap = Adoption(since=None, written=BASE | {"between_agencies": 1.5})
    assert due(story, adopted([cap, own(PARTNER, answer("5d"))]), 20) == [day(4)]
    assert due(story, adopted([cap, own(PARTNER, answer("1d"))]), 20) == [day(2)]


def test_a_longer_time_of_the_asker_reaches_nobody_because_the_responders_own_would() -> None:
    story = Story()
    story.offer("one", day(1))
    cap = {"between_agencies": 1.5}
    base = Adoption(since=None, written=BASE | cap | answer("2d"))
    theirs = own(PARTNER, answer("10d") | {"running": "FOLLOWS"})
    for running, last in (("EARLIER", 4), ("FOLLOWS", 11)):
        longer = Adoption(since=day(2), written=BASE | cap | answer("8d") | {"version": "2", "running": running})
        assert due(story, adopted([base, theirs, longer]), 20) == [day(last)]


def test_a_responder_on_holiday_is_waited_for_but_not_for_ever() -> None:
    """Two business days from Wednesday, in Bangkok's Songkran: five days of rest, where London would answer by Friday night."""
    story = Story()
    story.offer("one", datetime.fromisoformat("2026-04-08T12:00:00+00:00"))
    bd = WRITTEN | {"duties": {**BASE["duties"], "REFERRAL_UNANSWERED": {"within": "2bd", "grace": "0h"}, "STALLED_CASE": False}}
    bangkok = own(PARTNER, {"calendar": {"zone": "Asia/Bangkok", "country": "TH", "closed": ["2026-04-09", "2026-04-10"]}})
    free = adopted([Adoption(since=None, written=bd), bangkok])
    tied = adopted([Adoption(since=None, written=bd | {"between_agencies": 1.5}), bangkok])
    london = adopted([Adoption(since=None, written=bd)])
    [alone], [late], [bounded] = (due(story, regimes, 200) for regimes in (london, free, tied))
    start = story.facts[-1].effective
    assert late - start > 1.5 * (alone - start)
    assert bounded - start == 1.5 * (alone - start)


def test_a_window_of_the_ladder_gets_no_longer_either() -> None:
    def climbed(regimes: Regimes) -> list[Event]:
        story = Story()
        [raised] = decisions(story, day(31), regimes)
        story.tell(raised.event, day(31))
        return [event for event in said(story, 33.5, regimes) if isinstance(event, AlertEscalated)]

    def windows(worker: str) -> dict[str, Any]:
        return {"ladder": {"WORKER": worker, "SUPERVISOR": "3d"}}

    assert len(climbed(under(second(32, windows("9d"))))) == 1
    assert climbed(under(second(30.5, windows("9d")))) == []
    assert climbed(under(second(32, windows("9d") | {"running": "FOLLOWS"}))) == []
    assert len(climbed(under(second(32, windows("1h"))))) == 1


def test_a_decision_keeps_the_policy_that_was_in_force() -> None:
    regimes = under(second(5, stall("9d") | {"version": "2"}), own(LEAD, {}, since=8))
    [raised, *_] = decisions(Story(), day(100), regimes)
    assert raised.policy_version == f"{LEAD}/1+base/2"
    assert decisions(Story(), day(100), under())[0].policy_version == "base/1"


def test_the_lead_at_its_start_gives_a_clock_its_times() -> None:
    story = Story()
    story.tell(LeadHandedOver(case_id=CASE, from_agency=LEAD, to_agency=PARTNER, lead_epoch=2), day(3))
    assert due(story, under(own(PARTNER, stall("9d")))) == [day(30)]
    story.tell(PlanAgreed(case_id=CASE, plan_version=1, goals=1, steps=1), day(10))
    assert due(story, under(own(PARTNER, stall("9d")))) == [day(19)]


SPANS = st.sampled_from(["1h", "1d", "3bd", "9d", "2mo", "200d"])


@st.composite
def changes(draw: st.DrawFn) -> list[Adoption]:
    """Policies of everywhere and of both agencies, adopted at any time, some of which let clocks run longer."""
    found: list[Adoption] = []
    for number, at in enumerate(sorted(draw(st.lists(st.integers(-5, 120), max_size=4, unique=True)))):
        duties = {"STALLED_CASE": draw(SPANS), "REFERRAL_UNANSWERED": draw(SPANS)}
        more: dict[str, Any] = {
            "duties": {rule: draw(st.sampled_from([False, {"within": span, "grace": "0h"}])) for rule, span in duties.items()},
            "follow_up": {"intervals": [draw(SPANS)], "grace": draw(SPANS)},
            "ladder": {"WORKER": draw(SPANS), "SUPERVISOR": draw(SPANS)},
            "running": draw(st.sampled_from(["EARLIER", "FOLLOWS"])),
            "version": str(number),
        }
        whose = draw(st.sampled_from(["", LEAD, PARTNER]))
        found.append(own(whose, more, since=at + 0.25) if whose else second(at + 0.25, more))
    return found


@settings(max_examples=120, deadline=None)
@given(stories(), changes(), st.lists(st.floats(0, 260), max_size=8), st.randoms(use_true_random=False))
def test_whatever_is_adopted_looking_often_or_once_decides_the_same(
    told: tuple[Story, datetime], adoptions: list[Adoption], looks: list[float], dice: Random
) -> None:
    story, end = told
    regimes = under(*adoptions)
    at_last = known(decisions(story, end, regimes))
    for number in sorted(looks):
        dice.shuffle(story.facts)
        if day(number) <= end:
            for one, what in known(decisions(story, day(number), under(*adoptions))).items():
                assert at_last[one] == what


@settings(max_examples=60, deadline=None)
@given(stories(), changes())
def test_following_the_moments_to_look_at_misses_nothing(told: tuple[Story, datetime], adoptions: list[Adoption]) -> None:
    """As the worker does: at each fact, at each adoption, and at each moment that the last look named."""
    story, end = told
    regimes = under(*adoptions)
    moments = sorted({fact.recorded_at for fact in story.facts} | {one.since for one in adoptions if one.since is not None})
    made: Known = {}
    now: datetime | None = moments[0]
    while now is not None and now < end:
        watermark = now + timedelta.resolution
        found, look = decide(History.below(CASE, story.facts, watermark), watermark, regimes, RULES)
        made |= known(found)
        now = min((moment for moment in (look, *moments) if moment is not None and moment > now), default=None)
    assert made == known(decisions(story, end, regimes))


@settings(max_examples=80, deadline=None)
@given(stories(), changes(), st.integers(0, 100), SPANS)
def test_a_policy_that_doesnt_say_so_makes_no_running_clock_longer(
    told: tuple[Story, datetime], adoptions: list[Adoption], at: int, span: str
) -> None:
    """What runs when it is adopted is due as it was, or earlier, and never before the adoption unless it was."""
    story, end = told
    last = day(at)
    before = [replace(one, written={**one.written, "running": "EARLIER"}) for one in adoptions if one.since is None or one.since < last]
    new = second(last, stall(span) | answer(span) | {"follow_up": {"intervals": [span], "grace": span}, "running": "EARLIER"})
    running = {fact.envelope.event_id for fact in story.facts if fact.recorded_at < last}
    old = _dues(decisions(story, end, under(*before)), running)
    now = _dues(decisions(story, end, under(*before, new)), running)
    assert old.keys() <= now.keys()
    for one, moment in old.items():
        assert now[one] <= moment
        assert now[one] >= min(moment, last)


def _dues(found: list[Decision], started: set[UUID]) -> dict[object, datetime]:
    return {one.id: one.event.due_at for one in found if isinstance(one.event, AlertRaised) and one.because.envelope.event_id in started}


@pytest.mark.parametrize("order", [0, 1])
def test_policies_adopted_at_once_hold_from_one_moment(order: int) -> None:
    both = [second(3, stall("9d")), own(LEAD, {"version": "2"}, since=3)]
    versions = under(*(both if order else reversed(both))).of(REGION, LEAD).versions
    assert [version.since for version in versions] == [None, day(3)]
    assert versions[-1].policy.stamp.startswith(f"{LEAD}/2+base/of")
