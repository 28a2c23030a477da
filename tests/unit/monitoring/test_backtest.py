"""A backtest decides as the clock worker does: under today's policy the same alerts, under another one what that would have said."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from pydantic import TypeAdapter

from casebus.contracts.intake import AgencyKind, CaseOpened, CaseReceived, CaseSource, Priority
from casebus.contracts.monitoring import AlertAcknowledged, AlertEscalated, AlertRaised, ContactResult, FollowUpScheduled, Rung
from casebus.contracts.planning import CaseReopened, ReopenReason
from casebus.envelope import Origin
from services.monitoring.domain.backtest import Raised, lived, replay, told_by_people
from services.monitoring.domain.fact import Fact
from services.monitoring.domain.policy import Policy
from services.monitoring.domain.regime import always
from services.monitoring.rules import RULES
from tests import policies
from tests.unit.monitoring.life import stories
from tests.unit.monitoring.story import CASE, IMPORT, LEAD, POLICY, REGION, WRITTEN, Story, day, some

Said = set[tuple[object, str, str, datetime, Rung]]


def other(**sections: Any) -> Policy:
    """Today's policy, with these sections instead."""
    written = policies.watching(WRITTEN, "MISSED_FOLLOW_UP", "REFERRAL_UNANSWERED", "STALLED_CASE") | {"version": "2"}
    return TypeAdapter(Policy).validate_python(written | sections)


def tried(story: Story, until: datetime, policy: Policy | None = None) -> list[Raised]:
    found = replay(CASE, told_by_people(story.facts), until, always(lambda *_: policy or story.policy), RULES)
    return sorted(found, key=lambda one: (one.raised_at, one.rule))


def summed(found: list[Raised]) -> list[tuple[str, datetime, Rung]]:
    return [(one.rule, one.due_at, one.rung) for one in found]


def raised_in(story: Story) -> Said:
    """What the facts say was raised, and how high it climbed."""
    rungs = {fact.event.alert_id: fact.event.rung for fact in story.facts if isinstance(fact.event, AlertEscalated)}
    return {
        (one.alert_id, one.rule, one.agency, one.due_at, rungs.get(one.alert_id, one.rung))
        for one in (fact.event for fact in story.facts)
        if isinstance(one, AlertRaised)
    }


def worked(story: Story, end: datetime) -> Said:
    """A clock worker goes over the people's facts: it looks at each fact and each moment, and states what it decides."""
    lives = Story(opened=False, policy=story.policy)
    waiting = sorted(told_by_people(story.facts), key=lambda fact: fact.order)
    lives.facts = list(waiting)
    lives._told.update({"monitoring": 100_000})
    now: datetime | None = waiting[0].recorded_at if waiting else None
    while now is not None and now < end:
        watermark = min(now + timedelta.resolution, end)
        lives.state(watermark)
        moments = [fact.recorded_at for fact in waiting if fact.recorded_at > now]
        now = min((moment for moment in (lives.look(watermark), *moments) if moment is not None and moment > now), default=None)
    lives.state(end)
    return raised_in(lives)


@settings(max_examples=80, deadline=None)
@given(stories())
def test_under_todays_policy_it_says_what_the_worker_raised(told: tuple[Story, datetime]) -> None:
    story, end = told
    found = {(one.alert_id, one.rule, one.agency, one.due_at, one.rung) for one in tried(story, end)}
    assert found == worked(story, end)


def test_a_shorter_time_raises_earlier_and_climbs_higher() -> None:
    story = Story()
    story.offer("one", day(1))
    today, new = tried(story, day(5)), tried(story, day(5), other(duties=story_duties(within="1d", grace="0h")))
    assert summed(today) == [("REFERRAL_UNANSWERED", day(3), Rung.WORKER)]
    assert summed(new) == [("REFERRAL_UNANSWERED", day(2), Rung.SUPERVISOR)]
    assert today[0].alert_id == new[0].alert_id


def story_duties(**times: str) -> dict[str, Any]:
    duties: dict[str, Any] = policies.watching(WRITTEN, "MISSED_FOLLOW_UP", "REFERRAL_UNANSWERED", "STALLED_CASE")["duties"]
    return duties | {"REFERRAL_UNANSWERED": times}


def test_a_policy_that_waits_for_the_answer_raises_none() -> None:
    story = Story()
    story.offer("one", day(1))
    story.accept("one", day(5))
    assert summed(tried(story, day(9))) == [("REFERRAL_UNANSWERED", day(3), Rung.WORKER)]
    assert tried(story, day(9), other(duties=story_duties(within="10d", grace="0h"))) == []


def scheduled(story: Story, by: str) -> Fact:
    event = FollowUpScheduled(case_id=CASE, follow_up_id=some("one"), due_at=day(14), number=1, counted_from=day(0))
    fact = story.tell(event, day(0))
    story.facts[-1] = Fact(event, replace(fact.envelope, policy_version=by))
    return story.facts[-1]


def test_a_follow_up_is_due_when_the_tried_policy_would_have_had_it() -> None:
    story = Story()
    scheduled(story, POLICY.stamp)
    monthly = other(follow_up={"intervals": ["10d"], "grace": "1d"})
    assert summed(tried(story, day(16))) == [("MISSED_FOLLOW_UP", day(14), Rung.WORKER)]
    assert summed(tried(story, day(12), monthly)) == [("MISSED_FOLLOW_UP", day(10), Rung.WORKER)]


def test_one_that_somebody_chose_keeps_its_day() -> None:
    story = Story()
    story.follow_up("one", due=day(14), at=day(0))
    assert summed(tried(story, day(16), other(follow_up={"intervals": ["10d"], "grace": "1d"}))) == [
        ("MISSED_FOLLOW_UP", day(14), Rung.WORKER)
    ]


def test_an_equal_policy_of_a_new_version_schedules_a_reopened_period_as_it_was() -> None:
    """What was told at one moment is ordered by owner: the reopening lies behind the follow-up that it began."""
    longer = other(follow_up={"intervals": ["10d", "20d"], "grace": "1d"})
    story = Story(opened=False)
    story.begin_import(day(100), "intake", "monitoring")
    story.receive(day(100))
    opened = CaseOpened(case_id=CASE, agency=LEAD, region=REGION, priority=Priority.MEDIUM, under_way=True)
    story.tell(opened, day(100.01), occurred=day(0), import_id=IMPORT)
    story.close(day(100.02), occurred=day(5), import_id=IMPORT)
    reopened = CaseReopened(case_id=CASE, reason=ReopenReason.NEW_NEED, under_way=False)
    story.tell(reopened, day(100.03), occurred=day(10), import_id=IMPORT)
    scheduled = FollowUpScheduled(case_id=CASE, follow_up_id=some("one"), due_at=day(24), number=1, counted_from=day(10))
    story.tell(scheduled, day(100.04), occurred=day(10), import_id=IMPORT)
    facts = told_by_people(map(lived, story.facts))
    found = [one for one in replay(CASE, facts, day(200), always(lambda *_: longer), RULES) if one.rule == "MISSED_FOLLOW_UP"]
    assert [one.due_at for one in found] == [day(20)]


@pytest.mark.parametrize(("within", "rung"), [("2d", Rung.WORKER), ("4d", Rung.SUPERVISOR)])
def test_an_acknowledgement_holds_only_an_alert_that_was_there(within: str, rung: Rung) -> None:
    story = Story()
    story.offer("one", day(1))
    one = tried(story, day(9))[0]
    story.tell(AlertAcknowledged(case_id=CASE, alert_id=one.alert_id, rule=one.rule), day(4))
    policy = other(duties=story_duties(within=within, grace="0h"))
    raised = day(1) + timedelta(days=int(within[0]))
    assert summed(tried(story, raised + timedelta(days=2, hours=1), policy)) == [("REFERRAL_UNANSWERED", raised, rung)]


def imported() -> Story:
    """A past in which a follow-up was missed and made up, all of it told on day 100."""
    story = Story(opened=False)
    story.begin_import(day(100), "intake", "monitoring")
    received = CaseReceived(
        case_id=CASE, agency=LEAD, region=REGION, source=CaseSource.AGENCY, agency_kind=AgencyKind.HOSPITAL, referring_agency=None
    )
    opened = CaseOpened(case_id=CASE, agency=LEAD, region=REGION, priority=Priority.MEDIUM, under_way=False)
    story.tell(received, day(100), occurred=day(0), import_id=IMPORT)
    story.tell(opened, day(100.01), occurred=day(0), import_id=IMPORT)
    story.follow_up("one", due=day(14), at=day(100.02), occurred=day(0), import_id=IMPORT)
    story.contact("one", day(100.03), occurred=day(20), import_id=IMPORT, result=ContactResult.REACHED)
    story.complete_import("intake", day(101))
    story.complete_import("monitoring", day(101))
    return story


def test_an_imported_past_is_tried_as_it_was_lived() -> None:
    story = imported()
    assert [one.rule for one in tried(story, day(102)) if one.rule == "MISSED_FOLLOW_UP"] == []
    facts = told_by_people(map(lived, story.facts))
    found = [one for one in replay(CASE, facts, day(102), always(lambda *_: POLICY), RULES) if one.rule == "MISSED_FOLLOW_UP"]
    assert [(one.due_at, one.raised_at, one.rung) for one in found] == [(day(14), day(15) + timedelta.resolution, Rung.SUPERVISOR)]
    assert {fact.envelope.origin for fact in facts} == {Origin.LIVE}
