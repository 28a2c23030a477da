"""STALLED_CASE: an open case without progress for longer than its policy allows. Notes and reassignments are touches and reset nothing."""

from collections.abc import Iterator

from casebus.contracts.intake import CaseOpened
from casebus.contracts.monitoring import ContactRecorded, ContactResult
from casebus.contracts.planning import CaseClosed, CaseReopened
from services.monitoring.domain.clock import Clock
from services.monitoring.domain.conditions import Conditions, by_policy, on, retimes
from services.monitoring.domain.fact import Fact, History
from services.monitoring.domain.policy import Policy
from services.monitoring.domain.rule import Rule

NAME = "STALLED_CASE"
CONDITIONS = Conditions(start=(on(CaseOpened), on(CaseReopened)))
"""What is progress, and with it the next start and the stop, is the policy's to say."""


def clocks(history: History, policy: Policy) -> Iterator[Clock]:
    """Started by the opening and by each progress while the case is open; stopped by the next progress; ended by the closure."""
    begun = list(CONDITIONS.starts(history))
    turns = history.facts_of(CaseOpened, CaseReopened, CaseClosed)
    progress = [fact for fact in history.facts if is_progress(fact, policy)]
    pauses = tuple(CONDITIONS.pauses(history, policy))
    for start in (*begun, *(fact for fact in progress if _was_open(fact, turns))):
        due, deadline = policy.duty(NAME, start.effective, history.priority_at(start))
        yield Clock(
            subject=history.case_id,
            start=start,
            due=due,
            deadline=deadline,
            stops=tuple(fact for fact in progress if fact.place > start.place),
            ends=history.closures_after(start),
            retimes=tuple(retimes(history, policy, start, by_policy(NAME))),
            pauses=pauses,
        )


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
