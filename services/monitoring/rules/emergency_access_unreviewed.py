"""EMERGENCY_ACCESS_UNREVIEWED (S11): somebody read a case in an emergency, and nobody else has looked at that.

Neither a rest of the case nor its end stops the clock. A worker may not review it, so the supervisor is told first.
"""

from casebus.contracts.intake import EmergencyAccessGranted, EmergencyAccessReviewed
from casebus.contracts.monitoring import Rung
from services.monitoring.domain.conditions import Conditions, on
from services.monitoring.domain.rule import duty

CONDITIONS = Conditions(
    start=(on(EmergencyAccessGranted),),
    stop=(on(EmergencyAccessReviewed),),
    cancel=(),
    pause=(),
    about="access_id",
)
EMERGENCY_ACCESS_UNREVIEWED = duty("EMERGENCY_ACCESS_UNREVIEWED", CONDITIONS, rung=Rung.SUPERVISOR)
