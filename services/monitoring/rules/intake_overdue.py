"""INTAKE_OVERDUE (S05, S06): a case was received, and nobody has triaged, declined or redirected it."""

from casebus.contracts.intake import CaseDeclined, CaseReceived, CaseRedirected, CaseTriaged
from casebus.contracts.planning import CaseClosed
from services.monitoring.domain.conditions import Conditions, on
from services.monitoring.domain.rule import duty

CONDITIONS = Conditions(
    start=(on(CaseReceived),),
    stop=(on(CaseTriaged), on(CaseDeclined), on(CaseRedirected)),
    cancel=(on(CaseClosed),),
)
INTAKE_OVERDUE = duty("INTAKE_OVERDUE", CONDITIONS)
