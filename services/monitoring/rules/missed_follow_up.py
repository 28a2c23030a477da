"""MISSED_FOLLOW_UP (S50): a scheduled follow-up was not done by its due time and grace."""

from collections.abc import Iterator
from dataclasses import replace

from casebus.contracts.monitoring import (
    ContactRecorded,
    FollowUpCancelled,
    FollowUpMadeUp,
    FollowUpMissed,
    FollowUpRescheduled,
    FollowUpScheduled,
)
from services.monitoring.domain.clock import Clock, Ending, Verdict
from services.monitoring.domain.conditions import CASE_ENDS, Asked, Conditions, Times, on
from services.monitoring.domain.course import Retime
from services.monitoring.domain.fact import History
from services.monitoring.domain.policy import Policy
from services.monitoring.domain.rule import Needs, Saying, duty

CONDITIONS = Conditions(
    start=(on(FollowUpScheduled),),
    stop=(on(ContactRecorded),),
    cancel=(on(FollowUpCancelled), *CASE_ENDS),
    reset=(on(FollowUpRescheduled),),
    about="follow_up_id",
)


def times(asked: Asked) -> Times:
    """As it was scheduled, or moved; with a priority that was raised later, from the same beginning, where that is earlier."""
    said = asked.since.event
    assert isinstance(said, FollowUpScheduled | FollowUpRescheduled)  # what starts and resets it
    due = said.due_at
    if asked.raised and isinstance(said, FollowUpScheduled) and said.counted_from is not None:
        due = min(due, asked.policy.follow_up_due(said.counted_from, asked.priority, said.number))
    return due, asked.policy.follow_up_deadline(due, asked.priority)


def states(clock: Clock, verdict: Verdict) -> Iterator[Saying]:
    """That it was missed, and, once done, that it was made up: with both times."""
    case_id, one, due = clock.start.envelope.subject, clock.subject, verdict.due
    missed = FollowUpMissed(case_id=case_id, follow_up_id=one, due_at=due, missed_at=verdict.deadline)
    yield Saying(event=missed, because=clock.start, at=verdict.deadline)
    if verdict.ending is Ending.MADE_UP and (evidence := verdict.evidence) is not None:
        made_up = FollowUpMadeUp(case_id=case_id, follow_up_id=one, due_at=due, made_up_at=evidence.effective)
        yield Saying(event=made_up, because=evidence, at=evidence.effective)


def clocks(history: History, policy: Policy) -> Iterator[Clock]:
    """As the conditions say. What raised the priority before a follow-up was scheduled, and after what it is counted from, moves it too;
    and so does the rest of the case that lay between the two."""
    for clock in _SCHEDULED.clocks(history, policy):
        said = clock.start.event
        if isinstance(said, FollowUpScheduled) and said.counted_from is not None:
            yield _counted(history, policy, replace(clock, counted_from=said.counted_from))
        else:
            yield clock


def _counted(history: History, policy: Policy, clock: Clock) -> Clock:
    """It was scheduled by the priority that was known of by then: events of two services pass each other, and one's relay may stand."""
    if (fallen := history.fallen_before(clock.start)) is not None:
        due, deadline = times(Asked(clock.start, clock.start, policy, fallen, raised=True))
        clock = replace(clock, due=due, deadline=deadline)
    return replace(clock, retimes=(*_unheard(history, policy, clock), *clock.retimes))


def _unheard(history: History, policy: Policy, clock: Clock) -> Iterator[Retime]:
    for fact, priority in history.rises_before(clock.start):
        if fact.effective <= clock.deadline:
            due, deadline = times(Asked(clock.start, clock.start, policy, priority, raised=True))
            yield Retime(fact=fact, due=due, deadline=deadline)


_SCHEDULED = duty("MISSED_FOLLOW_UP", CONDITIONS, times=times, states=states, needs=Needs.NOTHING)
MISSED_FOLLOW_UP = replace(_SCHEDULED, clocks=clocks)
