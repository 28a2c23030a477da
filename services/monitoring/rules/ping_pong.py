"""PING_PONG: a case that is passed around and gets nowhere (domain.md). The coordinator is told at once.

Refused so often as the policy counts since the last progress, or back with a holder that had passed it on, with no progress in between.
What progress is told late, and took effect in time, clears it; later progress resolves it.
"""

from collections.abc import Iterator

from casebus.contracts.intake import CaseReceived, LeadHandedOver, LeadHandoverRejected
from casebus.contracts.monitoring import Rung
from casebus.contracts.referral import ReferralAccepted, ReferralDeclined
from casebus.event import Event
from services.monitoring.domain.clock import Clock
from services.monitoring.domain.counting import Round, rounds
from services.monitoring.domain.fact import Fact, History
from services.monitoring.domain.policy import Policy
from services.monitoring.domain.rule import Needs, Rule
from services.monitoring.rules.stalled_case import is_progress

NAME = "PING_PONG"


def clocks(history: History, policy: Policy) -> Iterator[Clock]:
    """Started by the refusal, or the return, that is one too many; stopped by progress; ended by the case's closure."""
    progress = [fact for fact in history.facts if is_progress(fact, policy)]
    refused = (fact for fact, _ in history.of(ReferralDeclined, LeadHandoverRejected))
    number = policy.counts.get(NAME)
    if number is not None:
        for one in (*rounds(refused, progress, number), *_returns(history, progress)):
            yield one.clock(history, progress)


def _returns(history: History, progress: list[Fact]) -> Iterator[Round]:
    """Each time that a holder has it back without progress since it passed it on; what it was passed on by counts as progress too."""
    left: dict[str, Fact] = {}
    holder = ""
    for fact, event in history.of(CaseReceived, LeadHandedOver, ReferralAccepted):
        taker = _taker(event)
        if taker == holder:
            continue
        passed = left.get(taker)
        if passed is not None and not any(passed.order <= step.order < fact.order for step in progress):
            yield Round(passed, fact)
        if holder:
            left[holder] = fact
        holder = taker


def _taker(event: Event) -> str:
    if isinstance(event, LeadHandedOver):
        return event.to_agency
    return event.agency if isinstance(event, CaseReceived | ReferralAccepted) else ""


PING_PONG = Rule(name=NAME, clocks=clocks, needs=Needs.COUNT, rung=Rung.COORDINATOR)
