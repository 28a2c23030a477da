"""UNASSIGNED (S67): no worker of the lead agency has the case. A new lead assigns its own."""

from casebus.contracts.intake import CaseOpened, CaseReceived, LeadHandedOver, WorkerAssigned
from services.monitoring.domain.conditions import CASE_ENDS, Conditions, on
from services.monitoring.domain.rule import duty

CONDITIONS = Conditions(
    start=(on(CaseReceived), on(LeadHandedOver)),
    stop=(on(WorkerAssigned),),
    cancel=(on(LeadHandedOver), on(CaseOpened, under_way={True}), *CASE_ENDS),
)
UNASSIGNED = duty("UNASSIGNED", CONDITIONS)
