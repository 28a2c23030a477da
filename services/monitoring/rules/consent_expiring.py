"""CONSENT_EXPIRING (S10): a consent ends soon, and no other takes its place. It ends on its day, whether the case rests or not."""

from datetime import UTC

from casebus.contracts.intake import ConsentGiven, ConsentSuperseded, ConsentWithdrawn
from services.monitoring.domain.conditions import CASE_ENDS, Asked, Conditions, Times, on
from services.monitoring.domain.rule import duty

NAME = "CONSENT_EXPIRING"
CONDITIONS = Conditions(
    start=(on(ConsentGiven),),
    stop=(on(ConsentSuperseded),),
    cancel=(on(ConsentWithdrawn), *CASE_ENDS),
    pause=(),
    about="consent_id",
)


def times(asked: Asked) -> Times:
    """As long before the end of its last day as the policy's time takes after it; of one that is given for less, that end."""
    given = asked.start.event
    assert isinstance(given, ConsentGiven)  # what starts it
    end = asked.policy.calendar.end_of(given.until_on).astimezone(UTC)
    after, deadline = asked.policy.duty(NAME, end, asked.priority)
    notice = end - (after - end)
    due = notice if notice > asked.start.effective else end
    return due, due + (deadline - after)


CONSENT_EXPIRING = duty(NAME, CONDITIONS, times=times, may_take_none=True)
