"""NO_PROVIDER_LEFT (S46): everybody who could give a service was asked, and nobody took it. The coordinator is told at once.

Whoever is asked next has a clock of its own, so a new offer ends this one.
"""

from casebus.contracts.monitoring import Rung
from casebus.contracts.planning import StepDone, StepSkipped
from casebus.contracts.referral import NoProviderLeft, ReferralAccepted, ReferralOffered
from services.monitoring.domain.conditions import Conditions, at_once, on
from services.monitoring.domain.rule import Needs, duty

CONDITIONS = Conditions(
    start=(on(NoProviderLeft),),
    stop=(on(ReferralOffered), on(ReferralAccepted), on(StepDone), on(StepSkipped)),
    about="step_id",
)
NO_PROVIDER_LEFT = duty("NO_PROVIDER_LEFT", CONDITIONS, times=at_once, needs=Needs.NOTHING, rung=Rung.COORDINATOR)
