"""STALLED_CASE: an open case without progress for longer than its policy allows. Notes and reassignments are touches and reset nothing."""

from collections.abc import Iterator

from casebus.contracts.intake import CaseOpened
from casebus.contracts.monitoring import AlertRule, ContactRecorded, ContactResult
from casebus.contracts.planning import CaseClosed, CaseReopened
from services.monitoring.domain.clock import Clock
from services.monitoring.domain.fact import Fact, History
from services.monitoring.domain.policy import Policy
from services.monitoring.domain.rule import Rule


def clocks(history: History, policy: Policy) -> Iterator[Clock]:
    """Started by the opening and by each progress while the case is open; stopped by the next progress; ended by the closure."""
    begun = [fact for fact, _ in history.of(CaseOpened, CaseReopened)]
    closed = [fact for fact, _ in history.of(CaseClosed)]
    progress = [fact for fact in history.facts if is_progress(fact, policy)]
    for start in (*begun, *progress):
        if start not in begun and not _is_open(start, begun, closed):
            continue
        deadline = policy.stalled_at(start.effective, history.priority_at(start))
        yield Clock(
            subject=history.case_id,
            start=start,
            due=deadline,
            deadline=deadline,
            agency=history.lead,
            stops=tuple(fact for fact in progress if _after(fact, start)),
            ends=tuple(fact for fact in closed if _after(fact, start)),
        )


def is_progress(fact: Fact, policy: Policy) -> bool:
    """Whether the policy counts it as progress; a contact counts only if the client was reached."""
    event = fact.event
    if isinstance(event, ContactRecorded) and event.result is not ContactResult.REACHED:
        return False
    return event.TYPE in policy.stall.progress


def _after(fact: Fact, start: Fact) -> bool:
    return (fact.effective, fact.order) > (start.effective, start.order)


def _is_open(fact: Fact, begun: list[Fact], closed: list[Fact]) -> bool:
    """Whether the case was open when the fact took effect: it had begun more often than it had been closed."""
    return sum(not _after(other, fact) for other in begun) > sum(not _after(other, fact) for other in closed)


STALLED_CASE = Rule(name=AlertRule.STALLED_CASE, clocks=clocks)
