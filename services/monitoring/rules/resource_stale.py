"""RESOURCE_STALE (S41): nobody has made sure of an entry of the directory for long. Its agency answers for it; what an entry tells is a
story of its own, beside those of cases. A service for emergencies counts as CRITICAL, any other as MEDIUM."""

from casebus.contracts.intake import Priority
from casebus.contracts.referral import ServiceAssured, ServiceListed, ServiceRetired, ServiceTerm
from services.monitoring.domain.conditions import Asked, Conditions, Times, on
from services.monitoring.domain.rule import duty

NAME = "RESOURCE_STALE"
CONDITIONS = Conditions(
    start=(on(ServiceListed), on(ServiceAssured)),
    stop=(on(ServiceAssured),),
    cancel=(on(ServiceRetired),),
    pause=(),
)


def times(asked: Asked) -> Times:
    entry = asked.start.event
    assert isinstance(entry, ServiceListed | ServiceAssured)  # what starts it
    urgency = Priority.CRITICAL if entry.term is ServiceTerm.EMERGENCY else Priority.MEDIUM
    return asked.policy.duty(NAME, asked.since.effective, urgency)


RESOURCE_STALE = duty(NAME, CONDITIONS, times=times)
