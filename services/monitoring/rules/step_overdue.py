"""STEP_OVERDUE (S31, S32): a step of the plan was due by the end of a day and is neither done nor skipped. Its agency answers for it."""

from datetime import UTC

from casebus.contracts.planning import StepDone, StepPlanned, StepSkipped
from services.monitoring.domain.conditions import Asked, Conditions, Times, on
from services.monitoring.domain.rule import duty

NAME = "STEP_OVERDUE"
CONDITIONS = Conditions(start=(on(StepPlanned),), stop=(on(StepDone), on(StepSkipped)), about="step_id")


def times(asked: Asked) -> Times | None:
    """The end of its day, in the policy's zone; the policy says how much later it is missed. A step without a day has no clock."""
    planned = asked.start.event
    if not isinstance(planned, StepPlanned) or planned.due_on is None:
        return None
    return asked.policy.duty(NAME, asked.policy.calendar.end_of(planned.due_on).astimezone(UTC), asked.priority)


STEP_OVERDUE = duty(NAME, CONDITIONS, times=times, agency=lambda planned: str(planned.agency), may_take_none=True)
