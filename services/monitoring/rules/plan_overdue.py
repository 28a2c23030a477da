"""PLAN_OVERDUE (S37): a case was opened or reopened, and its plan is not agreed."""

from casebus.contracts.intake import CaseOpened
from casebus.contracts.planning import CaseReopened, PlanAgreed
from services.monitoring.domain.conditions import Conditions, on
from services.monitoring.domain.rule import duty

CONDITIONS = Conditions(start=(on(CaseOpened), on(CaseReopened)), stop=(on(PlanAgreed),))
PLAN_OVERDUE = duty("PLAN_OVERDUE", CONDITIONS)
