"""RESISTANCE_UNREVIEWED (S54): a client has turned away again, without progress in between, and no supervisor has looked at it.

A worker may not review it, so the supervisor is told first. Progress in the meantime ends what it was about.
"""

from collections.abc import Iterator

from casebus.contracts.monitoring import ResistanceReviewed, Rung, StallCause, StallExplained
from services.monitoring.domain.clock import Clock
from services.monitoring.domain.conditions import Conditions, by_policy, on, retimes
from services.monitoring.domain.counting import Round, rounds
from services.monitoring.domain.fact import Fact, History
from services.monitoring.domain.policy import Policy
from services.monitoring.domain.rule import Rule
from services.monitoring.rules.stalled_case import is_progress

NAME = "RESISTANCE_UNREVIEWED"
AGAIN = 2
"""The second answer that a client has turned away, after a whole stall in between, is a long resistance."""
CONDITIONS = Conditions(start=(on(StallExplained, cause={StallCause.CLIENT_DISENGAGED}),), stop=(on(ResistanceReviewed),))
"""Which answer is one too many, and that progress cancels too, is said below."""
_TIMES = by_policy(NAME)


def clocks(history: History, policy: Policy) -> Iterator[Clock]:
    """Started by the second answer; stopped by the review; ended by progress and the case's closure."""
    turned_away = list(CONDITIONS.starts(history))
    if len(turned_away) < AGAIN:
        return
    reviews = history.facts_of(ResistanceReviewed)
    progress = [fact for fact in history.facts if is_progress(fact, policy)]
    breaks = sorted((*reviews, *progress), key=lambda fact: fact.order)
    for one in rounds(turned_away, breaks, AGAIN):
        yield _clock(one, history, policy, progress)


def _clock(one: Round, history: History, policy: Policy, progress: list[Fact]) -> Clock:
    start = one.last
    due, deadline = policy.duty(NAME, start.effective, history.priority_at(start))
    came_back = (fact for fact in progress if fact.place > one.first.place and fact.order > start.order)
    return Clock(
        subject=history.case_id,
        start=start,
        due=due,
        deadline=deadline,
        stops=CONDITIONS.answers(CONDITIONS.stop, history, start),
        ends=(*CONDITIONS.answers(CONDITIONS.cancel, history, start), *came_back),
        retimes=tuple(retimes(history, policy, start, _TIMES)),
        pauses=tuple(CONDITIONS.pauses(history, policy)),
    )


RESISTANCE_UNREVIEWED = Rule(name=NAME, clocks=clocks, rung=Rung.SUPERVISOR, conditions=CONDITIONS)
