"""An alert in work, put off, or of a case that rests: its ladder waits for as long, and never for ever. A rung has two and three days."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from casebus.contracts.intake import Priority, PriorityChanged, PriorityReason
from casebus.contracts.monitoring import (
    AlertAcknowledged,
    AlertCause,
    AlertEscalated,
    AlertRaised,
    AlertResolved,
    AlertReturned,
    AlertSuppressed,
    AlertTaken,
    FollowUpScheduled,
    Rung,
    SuppressReason,
    WorkDone,
)
from casebus.contracts.planning import CaseResumed, CaseSuspended, SuspendReason
from casebus.errors import Conflict, Invalid
from casebus.event import Event
from services.monitoring import commands as asked
from services.monitoring import handlers
from services.monitoring.domain.alert import Alert, AlertState, raised
from services.monitoring.domain.course import Rest, later
from services.monitoring.domain.decision import decide
from services.monitoring.domain.fact import History
from services.monitoring.domain.policy import Policy
from services.monitoring.domain.regime import always
from services.monitoring.domain.rule import Rule
from services.monitoring.rules import RULES
from tests import policies
from tests.unit.monitoring.fake import FakeWork, opened
from tests.unit.monitoring.story import CASE, LEAD, POLICY, REGION, WRITTEN, Story, day, some
from tests.unit.monitoring.test_ladder import PRESSING

RULE = "STALLED_CASE"


def stalled(policy: Policy = POLICY) -> tuple[Story, dict[str, Any]]:
    """Told on day 31; what an act on the alert says of it."""
    story = Story(policy=policy)
    [alert] = story.state(day(31))
    assert isinstance(alert, AlertRaised)
    return story, {"case_id": CASE, "alert_id": alert.alert_id, "rule": RULE}


def take(story: Story, about: dict[str, Any], at: float, until: float) -> None:
    story.tell(AlertTaken(**about, worker="worker-1", until_at=day(until)), day(at))


def put_off(story: Story, about: dict[str, Any], at: float, until: float) -> None:
    story.tell(AlertSuppressed(**about, reason=SuppressReason.APPOINTMENT_MADE, until_at=day(until)), day(at))


def suspend(story: Story, at: float, review: float) -> None:
    story.tell(CaseSuspended(case_id=CASE, reason=SuspendReason.CLIENT_AWAY, review_on=day(review).date()), day(at))


def steps(story: Story, *, last: float = 80) -> list[tuple[float, object]]:
    """What is said as one looks at every moment at which there is something to decide: the day, and the rung or the kind."""
    found: list[tuple[float, object]] = []
    now: datetime | None = day(31)
    while now is not None and now < day(last):
        for event in story.state(now + timedelta(microseconds=1)):
            said = event.rung if isinstance(event, AlertEscalated) else type(event)
            found.append((round((now - day(0)) / timedelta(days=1), 3), said))
        later_facts = [fact.recorded_at for fact in story.facts if fact.recorded_at > now]
        look = story.look(now + timedelta(microseconds=1))
        now = min((moment for moment in (look, *later_facts) if moment is not None and moment > now), default=None)
    return found


def test_who_works_on_it_has_until_the_time_that_she_said() -> None:
    story, about = stalled()
    take(story, about, 32, 35)
    assert steps(story) == [(35, AlertReturned), (35, Rung.SUPERVISOR), (38, Rung.COORDINATOR)]


def test_work_that_ends_within_the_window_shortens_nothing() -> None:
    story, about = stalled()
    take(story, about, 32, 32.5)
    assert steps(story) == [(32.5, AlertReturned), (33, Rung.SUPERVISOR), (36, Rung.COORDINATOR)]


def test_a_rung_is_held_by_work_once() -> None:
    story, about = stalled()
    take(story, about, 32, 34)
    take(story, about, 33.5, 40)
    assert (34, Rung.SUPERVISOR) in steps(story)


def test_what_is_put_off_stands_still_and_then_has_the_rest_of_its_window() -> None:
    story, about = stalled()
    put_off(story, about, 32, 40)
    assert steps(story) == [(40, AlertReturned), (41, Rung.SUPERVISOR), (44, Rung.COORDINATOR)]


def test_taking_it_in_work_ends_the_time_for_which_it_was_put_off() -> None:
    story, about = stalled()
    put_off(story, about, 32, 60)
    take(story, about, 34, 35)
    assert steps(story) == [(35, AlertReturned), (35, Rung.SUPERVISOR), (38, Rung.COORDINATOR)]


def test_what_becomes_critical_is_put_off_no_more() -> None:
    story, about = stalled()
    put_off(story, about, 32, 60)
    story.tell(PriorityChanged(case_id=CASE, priority=Priority.CRITICAL, reason=PriorityReason.CRISIS), day(34))
    assert steps(story)[:2] == [(34, AlertReturned), (35, Rung.SUPERVISOR)]


@pytest.mark.parametrize(("until", "at", "climbs"), [(None, 35.5, 35.5), (None, 37, 36), (42, 35.5, 35.5), (42, 37, 37)])
def test_what_becomes_critical_climbs_no_later_for_having_been_put_off(until: float | None, at: float, climbs: float) -> None:
    """The worker has five days, and one where the case is critical."""
    story, about = stalled(PRESSING)
    if until is not None:
        put_off(story, about, 32, until)
    story.tell(PriorityChanged(case_id=CASE, priority=Priority.CRITICAL, reason=PriorityReason.CRISIS), day(at))
    assert (climbs, Rung.SUPERVISOR) in steps(story)


@pytest.mark.parametrize(("at", "climbs"), [(35.5, 40), (40.1, 40.1)])
def test_what_becomes_critical_in_a_rest_or_after_it_climbs_as_soon_as_it_is_over(at: float, climbs: float) -> None:
    story, _ = stalled(PRESSING)
    suspend(story, 32, 45)
    told: dict[float, Event] = {
        40: CaseResumed(case_id=CASE),
        at: PriorityChanged(case_id=CASE, priority=Priority.CRITICAL, reason=PriorityReason.CRISIS),
    }
    for moment, event in sorted(told.items()):
        story.tell(event, day(moment))
    assert steps(story)[0] == (climbs, Rung.SUPERVISOR)


def test_a_rung_goes_by_the_priority_that_holds_whatever_was_told_last() -> None:
    """A visit of when the case was critical is entered late: what follows from it keeps that priority, the ladder doesn't."""
    windows = {"CRITICAL": "1h", "HIGH": "8h", "MEDIUM": "1d", "LOW": "3d"}
    written = WRITTEN | {"ladder": {"WORKER": windows, "SUPERVISOR": windows, "COORDINATOR": {"CRITICAL": "1h"}}}
    story = Story(priority=Priority.CRITICAL, policy=TypeAdapter(Policy).validate_python(policies.watching(written, RULE)))
    story.tell(PriorityChanged(case_id=CASE, priority=Priority.LOW, reason=PriorityReason.OTHER), day(20))
    story.state(day(31))
    story.tell(FollowUpScheduled(case_id=CASE, follow_up_id=some("x"), due_at=day(70), number=2, counted_from=day(19.9)), day(33))
    assert steps(story, last=69) == [(34, Rung.SUPERVISOR), (37, Rung.COORDINATOR)]


def test_what_was_critical_when_it_was_put_off_was_never_put_off() -> None:
    story, about = stalled()
    story.tell(PriorityChanged(case_id=CASE, priority=Priority.CRITICAL, reason=PriorityReason.CRISIS), day(31.5))
    put_off(story, about, 32, 60)
    assert steps(story)[:2] == [(32, AlertReturned), (33, Rung.SUPERVISOR)]


def test_a_resolve_stops_it_whatever_holds_it() -> None:
    for hold in (take, put_off):
        story, about = stalled()
        hold(story, about, 32, 40)
        story.tell(AlertResolved(**about, cause=AlertCause.ACTED, done=WorkDone.CLIENT_SEEN), day(33))
        assert steps(story, last=63) == []


def test_the_ladder_rests_with_its_case_by_the_days_actually_paused() -> None:
    story, _ = stalled()
    suspend(story, 32, 60)
    story.tell(CaseResumed(case_id=CASE), day(37))
    assert steps(story) == [(38, Rung.SUPERVISOR), (41, Rung.COORDINATOR)]


def test_it_runs_on_after_the_day_of_review_where_nobody_resumes_the_case() -> None:
    story, _ = stalled()
    suspend(story, 32, 37)
    assert steps(story, last=60)[0] == (38.5, Rung.SUPERVISOR)


def test_a_case_that_rests_moves_also_by_when_work_has_to_be_done() -> None:
    story, about = stalled()
    take(story, about, 32, 34)
    suspend(story, 32.5, 60)
    story.tell(CaseResumed(case_id=CASE), day(42.5))
    assert steps(story)[:2] == [(44, AlertReturned), (44, Rung.SUPERVISOR)]


def test_a_ladder_of_safety_does_not_rest() -> None:
    [plain] = [rule for rule in RULES if rule.name == "MISSED_FOLLOW_UP"]
    assert plain.conditions is not None
    for rule, expected in ((plain, []), (replace(plain, conditions=replace(plain.conditions, pause=())), [Rung.SUPERVISOR])):
        story = Story()
        story.follow_up("one", due=day(14), at=day(0))
        for one in decided(rule, story, 16):
            story.tell(one, day(16))
        suspend(story, 17, 40)
        assert [event.rung for event in decided(rule, story, 18.1) if isinstance(event, AlertEscalated)] == expected


def decided(rule: Rule, story: Story, at: float) -> list[Event]:
    found, _ = decide(History.below(CASE, story.facts, day(at)), day(at), always(lambda *_: POLICY), [rule])
    return [one.event for one in found]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0, 10)), max_size=5), st.floats(0, 20), st.floats(0, 10))
def test_a_moment_moves_by_the_time_that_lies_in_rests_and_by_no_more(
    spans: list[tuple[float, float]], since: float, window: float
) -> None:
    rests = [Rest(day(begin), day(begin + length)) for begin, length in spans]
    found = later(day(since), day(since + window), rests)
    assert worked(day(since), found, rests) == pytest.approx(window * 24, abs=1e-3)


def worked(since: datetime, until: datetime, rests: list[Rest]) -> float:
    """Hours between the two that lie in no rest, counted piece by piece."""
    marks = sorted({since, until, *(m for rest in rests for m in (rest.begins, rest.ends) if since < m < until)})
    pieces = pairwise(marks)
    return sum((b - a) / timedelta(hours=1) for a, b in pieces if not any(r.begins <= a and b <= r.ends for r in rests))


def of_alert(*, priority: Priority = Priority.MEDIUM) -> FakeWork:
    """An open case whose alert was raised on day 31."""
    work = FakeWork()
    work.hear(opened(priority=priority), day(0))
    event = AlertRaised(
        case_id=CASE, alert_id=some("alert"), rule=RULE, subject_id=CASE, due_at=day(30), agency=LEAD, rung=Rung.WORKER, target_agency=LEAD
    )
    work.alerts.put(raised(event, region=REGION, at=day(31), policy_version="test/1"))
    return work.act(day(31))


def taken(work: FakeWork, until: float | None = None) -> Alert:
    return handlers.take_alert(some("alert"), asked.TakeAlert(until_at=None if until is None else day(until)), work)


def snoozed(work: FakeWork, until: float) -> Alert:
    return handlers.suppress_alert(some("alert"), asked.SuppressAlert(reason=SuppressReason.OTHER, until_at=day(until)), work)


def test_taking_it_says_who_and_by_when_and_no_later_than_the_window() -> None:
    work = of_alert()
    alert = taken(work)
    assert (alert.state, alert.worker, alert.until) == (AlertState.IN_WORK, "actor-1", day(33))
    assert work.said() == [AlertTaken(case_id=CASE, alert_id=alert.id, rule=RULE, worker="actor-1", until_at=day(33))]
    with pytest.raises(Conflict, match="in work"):
        handlers.acknowledge_alert(alert.id, asked.AcknowledgeAlert(), work)
    with pytest.raises(Conflict, match="on this rung"):
        taken(work)
    for wrong in (33.1, 30):
        with pytest.raises(Invalid):
            taken(of_alert(), wrong)


def test_it_is_put_off_twice_for_a_while_and_never_what_is_critical() -> None:
    work = of_alert()
    assert (snoozed(work, 33).state, work.alerts.all()[0].until) == (AlertState.SUPPRESSED, day(33))
    with pytest.raises(Conflict, match="already"):
        snoozed(work, 33)
    for number in (2, 3):
        [alert] = work.alerts.all()
        back = alert.come_back(AlertReturned(case_id=CASE, alert_id=alert.id, rule=RULE, until_at=day(33)))
        assert back is not None
        work.alerts.put(back)
        if number == 2:
            with pytest.raises(Invalid):
                snoozed(work, 34.1)
            snoozed(work, 33)
    with pytest.raises(Conflict, match="any more"):
        snoozed(work, 33)
    with pytest.raises(Conflict, match="never put off"):
        snoozed(of_alert(priority=Priority.CRITICAL), 32)


def test_what_is_over_comes_back_unless_somebody_did_something_else_meanwhile() -> None:
    work = of_alert()
    alert = taken(work)
    over = AlertReturned(case_id=CASE, alert_id=alert.id, rule=RULE, until_at=day(33))
    back = alert.come_back(over)
    assert back is not None
    assert (back.state, back.worker, back.until, back.is_open) == (AlertState.RAISED, None, None, True)
    assert snoozed(work, 32).come_back(over) is None


def test_a_resolve_says_what_was_done() -> None:
    work = of_alert()
    handlers.resolve_alert(some("alert"), asked.ResolveAlert(done=WorkDone.CLIENT_SEEN), work)
    [said] = work.said()
    assert isinstance(said, AlertResolved)
    assert (said.cause, said.done) == (AlertCause.ACTED, WorkDone.CLIENT_SEEN)


@pytest.mark.parametrize(
    ("rule", "path"),
    [("RESISTANCE_UNREVIEWED", "/resistance/review"), ("EMERGENCY_ACCESS_UNREVIEWED", "/emergency-access/review")],
)
def test_what_another_person_has_to_review_is_resolved_by_that_alone(rule: str, path: str) -> None:
    work = of_alert()
    [alert] = work.alerts.all()
    work.alerts.put(replace(alert, version=alert.version + 1, rule=rule))
    with pytest.raises(Conflict, match=f"Only the review ends it.*POST .*{path}"):
        handlers.resolve_alert(some("alert"), asked.ResolveAlert(done=WorkDone.CLIENT_SEEN), work)
    assert work.said() == []
    assert taken(work).is_open


def test_an_acknowledgement_still_holds_one_window_beside_work() -> None:
    story, about = stalled()
    story.tell(AlertAcknowledged(**about), day(32))
    take(story, about, 33.5, 35)
    assert steps(story)[:2] == [(35, AlertReturned), (35, Rung.SUPERVISOR)]
