"""A stall asks its cause; the answer ends the alert and begins a new time in which there has to be progress."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from pydantic import ValidationError

from casebus.contracts.monitoring import (
    AlertCause,
    AlertRaised,
    AlertResolved,
    Approach,
    FollowUpScheduled,
    Resistance,
    Rung,
    StallCause,
    StallExplained,
    WaitedParty,
)
from casebus.errors import Conflict, Invalid
from services.monitoring import commands as asked
from services.monitoring import handlers
from services.monitoring.domain.alert import Alert, AlertState, raised
from services.monitoring.rules.stalled_case import waits
from tests.unit.monitoring.fake import FakeWork, opened
from tests.unit.monitoring.story import CASE, LEAD, REGION, Story, day, some, watching

ALERT = some("alert")


def explained(cause: StallCause = StallCause.FORGOTTEN, until: float | None = None) -> StallExplained:
    party = None if until is None else WaitedParty.AUTHORITY
    return StallExplained(case_id=CASE, alert_id=ALERT, cause=cause, party=party, until_on=None if until is None else day(until).date())


def stalled(*, rule: str = "STALLED_CASE", waited: bool = False) -> FakeWork:
    """An open case whose alert was raised on day 31."""
    work = FakeWork()
    work.hear(opened(), day(0))
    event = AlertRaised(
        case_id=CASE,
        alert_id=ALERT,
        rule=rule,
        subject_id=CASE,
        due_at=day(30),
        agency=LEAD,
        rung=Rung.WORKER,
        target_agency=LEAD,
    )
    made = raised(event, region=REGION, at=day(31), policy_version="test/1")
    work.alerts.put(replace(made, has_waited=waited))
    return work


def explain(work: FakeWork, cause: StallCause, until_on: date | None = None) -> Alert:
    said: dict[str, object] = {"cause": cause}
    if until_on is not None:
        said |= {"party": WaitedParty.AUTHORITY, "until_on": until_on}
    if cause is StallCause.CLIENT_DISENGAGED:
        said |= {"resistance": Resistance.DISTRUST, "approach": Approach.TRUSTED_PERSON}
    return handlers.explain_stall(ALERT, asked.ExplainStall.model_validate(said), work.act(day(31)))


def due(story: Story, watermark: float) -> list[float]:
    found = [event for event in story.said(day(watermark), about=AlertRaised) if isinstance(event, AlertRaised)]
    return [(event.due_at - day(0)) / timedelta(days=1) for event in found]


def test_a_case_that_waits_has_until_then_and_any_other_the_policys_time_again() -> None:
    waiting, forgotten = Story(policy=watching("STALLED_CASE")), Story(policy=watching("STALLED_CASE"))
    waiting.tell(explained(StallCause.WAITING_ON, until=45), day(31))
    forgotten.tell(explained(), day(31))
    assert due(waiting, 45) == due(forgotten, 61) == [30]
    assert due(waiting, 46) == [30, 45.5]
    assert due(forgotten, 62) == [30, 61]


def test_a_stall_that_is_resolved_without_a_cause_has_the_policys_time_again() -> None:
    """Else nobody would hear of the case again."""
    story = Story(policy=watching("STALLED_CASE"))
    story.state(day(31))
    [raised] = story.said(day(31), about=AlertRaised)
    assert isinstance(raised, AlertRaised)
    story.tell(AlertResolved(case_id=CASE, alert_id=raised.alert_id, rule="STALLED_CASE", cause=AlertCause.ACTED), day(32))
    assert due(story, 62) == [30]
    assert due(story, 62.1) == [30, 62]
    story.contact(None, day(50))
    assert due(story, 70) == [30]


def test_what_ends_with_the_answer_or_by_progress_begins_no_time_of_its_own() -> None:
    story = Story(policy=watching("STALLED_CASE"))
    story.tell(explained(StallCause.WAITING_ON, until=70), day(31))
    story.tell(AlertResolved(case_id=CASE, alert_id=ALERT, rule="STALLED_CASE", cause=AlertCause.ACTED), day(31))
    story.tell(AlertResolved(case_id=CASE, alert_id=some("other"), rule="MISSED_FOLLOW_UP", cause=AlertCause.ACTED), day(32))
    story.tell(AlertResolved(case_id=CASE, alert_id=some("late"), rule="STALLED_CASE", cause=AlertCause.LATE), day(33))
    assert due(story, 69) == [30]


def test_progress_stops_it_and_only_progress() -> None:
    story = Story(policy=watching("STALLED_CASE"))
    story.tell(explained(StallCause.WAITING_ON, until=45), day(31))
    story.hand_over(day(40))
    assert due(story, 46) == [30, 45.5]
    story.contact(None, day(44))
    assert due(story, 70) == [30]


def test_the_answer_ends_the_alert_and_is_said() -> None:
    work = stalled()
    alert = explain(work, StallCause.WAITING_ON, day(40).date())
    assert alert.state is AlertState.RESOLVED
    said = StallExplained(case_id=CASE, alert_id=ALERT, cause=StallCause.WAITING_ON, party=WaitedParty.AUTHORITY, until_on=day(40).date())
    assert work.said() == [said, AlertResolved(case_id=CASE, alert_id=ALERT, rule="STALLED_CASE", cause=AlertCause.ACTED)]
    with pytest.raises(Conflict, match="RESOLVED"):
        explain(work, StallCause.FORGOTTEN)


def test_it_waits_once_and_for_a_while() -> None:
    with pytest.raises(Invalid):
        explain(stalled(), StallCause.WAITING_ON, day(62).date())
    with pytest.raises(Conflict, match="waited once"):
        explain(stalled(waited=True), StallCause.WAITING_ON, day(40).date())
    assert explain(stalled(waited=True), StallCause.FORGOTTEN).state is AlertState.RESOLVED
    story = Story()
    assert [waits(story.tell(explained(StallCause.WAITING_ON, until=45), day(31))), waits(story.tell(explained(), day(32)))] == [
        True,
        False,
    ]


def test_a_client_who_has_turned_away_is_seen_first_of_all() -> None:
    work = stalled()
    explain(work, StallCause.CLIENT_DISENGAGED)
    said, _, scheduled = work.said()
    assert isinstance(said, StallExplained)
    assert (said.resistance, said.approach) == (Resistance.DISTRUST, Approach.TRUSTED_PERSON)
    assert isinstance(scheduled, FollowUpScheduled)
    assert scheduled.due_at == day(31) + timedelta(days=14)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cause": "CLIENT_DISENGAGED"},
        {"cause": "CLIENT_DISENGAGED", "resistance": "FEAR"},
        {"cause": "CLIENT_DISENGAGED", "approach": "OTHER_WORKER"},
        {"cause": "FORGOTTEN", "resistance": "FEAR", "approach": "OTHER_WORKER"},
    ],
)
def test_why_a_client_turns_away_is_said_and_what_is_tried_and_only_then(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="resistance and approach"):
        asked.ExplainStall.model_validate(wrong)


def test_only_a_stall_asks_and_only_who_waits_says_for_whom() -> None:
    with pytest.raises(Conflict, match="STALLED_CASE"):
        explain(stalled(rule="PLAN_OVERDUE"), StallCause.FORGOTTEN)
    for wrong in ({"cause": "WAITING_ON"}, {"cause": "FORGOTTEN", "party": "CLIENT"}, {"cause": "WAITING_ON", "party": "CLIENT"}):
        with pytest.raises(ValidationError):
            asked.ExplainStall.model_validate(wrong)
