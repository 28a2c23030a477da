"""STALLED_CASE: an open case without progress for longer than its policy allows. Notes and reassignments are touches and reset nothing."""

from collections.abc import Iterator
from datetime import UTC

from casebus.contracts.intake import CaseOpened
from casebus.contracts.monitoring import AlertCause, AlertResolved, ContactRecorded, ContactResult, StallExplained
from casebus.contracts.planning import CaseClosed, CaseReopened
from services.monitoring.domain.clock import Clock
from services.monitoring.domain.conditions import Asked, Conditions, Times, on, retimes
from services.monitoring.domain.fact import Fact, History
from services.monitoring.domain.policy import Policy
from services.monitoring.domain.rule import Rule

NAME = "STALLED_CASE"
CONDITIONS = Conditions(start=(on(CaseOpened), on(CaseReopened)))
"""What is progress, and with it the next start and the stop, is the policy's to say."""


def clocks(history: History, policy: Policy) -> Iterator[Clock]:
    """Started by the opening, by each progress and by each answer to "why is there none?" (or a resolve without one) while the case is
    open; stopped by the next progress; ended by the closure."""
    begun = list(CONDITIONS.starts(history))
    turns = history.facts_of(CaseOpened, CaseReopened, CaseClosed)
    progress = [fact for fact in history.facts if is_progress(fact, policy)]
    pauses = tuple(CONDITIONS.pauses(history, policy))
    answered = (*history.facts_of(StallExplained), *_resolved(history))
    for start in (*begun, *(fact for fact in (*progress, *answered) if _was_open(fact, turns))):
        due, deadline = _times(Asked(start, start, policy, history.priority_at(start)))
        yield Clock(
            subject=history.case_id,
            start=start,
            due=due,
            deadline=deadline,
            stops=tuple(fact for fact in progress if fact.place > start.place),
            ends=history.closures_after(start),
            retimes=tuple(retimes(history, policy, start, _times)),
            pauses=pauses,
        )


def _resolved(history: History) -> Iterator[Fact]:
    """Stalls that somebody resolved without saying why: else nobody would hear of the case again before there is progress."""
    explained = {said.alert_id for _, said in history.of(StallExplained)}
    for fact, said in history.of(AlertResolved):
        if said.rule == NAME and said.cause is AlertCause.ACTED and said.alert_id not in explained:
            yield fact


def _times(asked: Asked) -> Times:
    """Of a case that waits for somebody: until the end of the day that was said; else the policy's time."""
    event = asked.start.event if asked.start.kind is StallExplained else None
    if isinstance(event, StallExplained) and event.until_on is not None:
        until = asked.policy.calendar.end_of(event.until_on).astimezone(UTC)
        return until, until
    return asked.policy.duty(NAME, asked.since.effective, asked.priority)


def waits(fact: Fact) -> bool:
    """Whether it says that the case waits for somebody."""
    return fact.kind is StallExplained and isinstance(said := fact.event, StallExplained) and said.until_on is not None


def is_progress(fact: Fact, policy: Policy) -> bool:
    """Whether the policy counts it as progress; a contact counts only if the client was reached."""
    if fact.kind.TYPE not in policy.progress:
        return False
    return not isinstance(contact := fact.event, ContactRecorded) or contact.result is ContactResult.REACHED


def _was_open(fact: Fact, turns: list[Fact]) -> bool:
    """Whether the case was open when the fact took effect, by what was recorded until then: what is told later doesn't take it back."""
    before = [turn for turn in turns if turn.order < fact.order and turn.place < fact.place]
    return sum(-1 if turn.kind is CaseClosed else 1 for turn in before) > 0


STALLED_CASE = Rule(name=NAME, clocks=clocks)
