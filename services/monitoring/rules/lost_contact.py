"""LOST_CONTACT (S54): the client was sought so often as the policy counts and not reached, and not seen in between. Told at once, and
again after as many more. A closure begins the count anew."""

from collections.abc import Iterator

from casebus.contracts.monitoring import ContactRecorded, ContactResult
from casebus.contracts.planning import CaseClosed
from services.monitoring.domain.clock import Clock
from services.monitoring.domain.conditions import on
from services.monitoring.domain.counting import rounds
from services.monitoring.domain.fact import History
from services.monitoring.domain.follow_up import REACHES
from services.monitoring.domain.policy import Policy
from services.monitoring.domain.rule import Needs, Rule

NAME = "LOST_CONTACT"
SOUGHT = on(ContactRecorded, result={ContactResult.NOT_REACHED})
SEEN = on(ContactRecorded, result=REACHES)


def clocks(history: History, policy: Policy) -> Iterator[Clock]:
    """Started by the attempt that is one too many; stopped when the client is seen; ended by the case's closure."""
    seen = list(SEEN.facts(history))
    number = policy.counts.get(NAME)
    if number is not None:
        breaks = sorted((*seen, *on(CaseClosed).facts(history)), key=lambda fact: fact.order)
        for one in rounds(SOUGHT.facts(history), breaks, number):
            yield one.clock(history, seen)


LOST_CONTACT = Rule(name=NAME, clocks=clocks, needs=Needs.COUNT)
