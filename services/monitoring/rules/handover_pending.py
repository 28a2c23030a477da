"""HANDOVER_PENDING (S49): an agency was asked to take over the lead and has not answered. It answers for that itself."""

from casebus.contracts.intake import LeadHandedOver, LeadHandoverProposed, LeadHandoverRejected
from services.monitoring.domain.conditions import Conditions, on
from services.monitoring.domain.rule import duty

CONDITIONS = Conditions(
    start=(on(LeadHandoverProposed),),
    stop=(on(LeadHandedOver), on(LeadHandoverRejected)),
)
HANDOVER_PENDING = duty("HANDOVER_PENDING", CONDITIONS, agency=lambda proposed: str(proposed.to_agency))
