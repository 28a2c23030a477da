"""MISSED_FOLLOW_UP (S50): a scheduled follow-up was not done by its due time and grace."""

from collections.abc import Iterator

from casebus.contracts.monitoring import (
    ContactRecorded,
    FollowUpCancelled,
    FollowUpMadeUp,
    FollowUpMissed,
    FollowUpRescheduled,
    FollowUpScheduled,
)
from services.monitoring.domain.clock import Clock, Ending, Verdict
from services.monitoring.domain.fact import History
from services.monitoring.domain.policy import Policy
from services.monitoring.domain.rule import Rule, Saying


def clocks(history: History, policy: Policy) -> Iterator[Clock]:
    """Started by FollowUpScheduled; stopped by the contact that answers it; ended by its cancellation or the case's closure."""
    for start, scheduled in history.of(FollowUpScheduled):
        priority, one = history.priority_at(start), scheduled.follow_up_id
        yield Clock(
            subject=one,
            start=start,
            due=scheduled.due_at,
            deadline=policy.follow_up_deadline(scheduled.due_at, priority),
            stops=tuple(fact for fact, contact in history.of(ContactRecorded) if contact.follow_up_id == one),
            ends=(
                *(fact for fact, cancelled in history.of(FollowUpCancelled) if cancelled.follow_up_id == one),
                *history.closures_after(start),
            ),
            retimes=tuple(
                (fact, moved.due_at, policy.follow_up_deadline(moved.due_at, priority))
                for fact, moved in history.of(FollowUpRescheduled)
                if moved.follow_up_id == one
            ),
        )


def states(clock: Clock, verdict: Verdict) -> Iterator[Saying]:
    """That it was missed, and, once done, that it was made up: with both times."""
    case_id, one, due = clock.start.envelope.subject, clock.subject, verdict.due
    missed = FollowUpMissed(case_id=case_id, follow_up_id=one, due_at=due, missed_at=verdict.deadline)
    yield Saying(event=missed, because=clock.start, at=verdict.deadline)
    if verdict.ending is Ending.MADE_UP and (evidence := verdict.evidence) is not None:
        made_up = FollowUpMadeUp(case_id=case_id, follow_up_id=one, due_at=due, made_up_at=evidence.effective)
        yield Saying(event=made_up, because=evidence, at=evidence.effective)


MISSED_FOLLOW_UP = Rule(name="MISSED_FOLLOW_UP", clocks=clocks, states=states, timed=False)
