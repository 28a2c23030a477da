"""FIRST_CONTACT_OVERDUE (S03): a case was received, and nobody has seen the client. From the triage on by the priority that it gave."""

from casebus.contracts.intake import CaseOpened, CaseReceived
from casebus.contracts.monitoring import ContactRecorded
from services.monitoring.domain.conditions import CASE_ENDS, Conditions, on
from services.monitoring.domain.follow_up import REACHES
from services.monitoring.domain.rule import duty

CONDITIONS = Conditions(
    start=(on(CaseReceived),),
    stop=(on(ContactRecorded, result=REACHES),),
    cancel=(on(CaseOpened, under_way={True}), *CASE_ENDS),  # under way: the client was seen before the case came to us
)
FIRST_CONTACT_OVERDUE = duty("FIRST_CONTACT_OVERDUE", CONDITIONS)
