"""UNOWNED_NEED (S21, S47): a need of the client for which no step of the plan is there. Its agency answers for it, else the lead."""

from casebus.contracts.planning import NeedAddressed, NeedIdentified, NeedJudged, NeedResult, NeedUnaddressed
from services.monitoring.domain.conditions import CASE_ENDS, Conditions, on
from services.monitoring.domain.rule import duty

CONDITIONS = Conditions(
    start=(on(NeedIdentified), on(NeedUnaddressed)),
    stop=(on(NeedAddressed), on(NeedJudged, result={NeedResult.MET, NeedResult.PARTLY_MET, NeedResult.UNMET})),
    cancel=(on(NeedJudged, result={NeedResult.WITHDRAWN}), *CASE_ENDS),
    about="need_id",
)
UNOWNED_NEED = duty("UNOWNED_NEED", CONDITIONS, agency=lambda need: need.agency and str(need.agency))
