"""CLOSURE_BLOCKED (S60, S62): a case was to be closed and isn't: a step is open, a need unmet, or nobody has approved it."""

from datetime import UTC, timedelta

from casebus.contracts.planning import CaseClosed, ClosureProposed, ClosureWithdrawn
from services.monitoring.domain.conditions import Asked, Conditions, Times, on
from services.monitoring.domain.rule import duty

NAME = "CLOSURE_BLOCKED"
CONDITIONS = Conditions(start=(on(ClosureProposed),), stop=(on(CaseClosed),), cancel=(on(ClosureWithdrawn),))


def times(asked: Asked) -> Times:
    """Counted from the day on which the case may be closed: until then the client's notice runs."""
    proposed = asked.start.event
    assert isinstance(proposed, ClosureProposed)  # what starts it
    day_before = asked.policy.calendar.end_of(proposed.closes_from - timedelta(days=1)).astimezone(UTC)
    return asked.policy.duty(NAME, max(asked.since.effective, day_before), asked.priority)


CLOSURE_BLOCKED = duty(NAME, CONDITIONS, times=times)
