"""ASSESSMENT_OVERDUE (S14, S15): an opened case, or one whose assessment was given back, has no full assessment;
nor one in which a long resistance makes the client's capacity doubtful (S54).

REASSESSMENT_DUE (S23, S55): the last assessment that was approved is too old.
"""

from casebus.contracts.intake import CaseOpened
from casebus.contracts.monitoring import Capacity, ResistanceReviewed
from casebus.contracts.planning import AssessmentApproved, AssessmentKind, AssessmentReturned, AssessmentSubmitted, CaseReopened
from services.monitoring.domain.conditions import Conditions, on
from services.monitoring.domain.rule import duty

WHOLE = frozenset({AssessmentKind.FULL, AssessmentKind.REASSESSMENT})
SUBMITTED = on(AssessmentSubmitted, kind=WHOLE)
FIRST = Conditions(
    start=(
        on(CaseOpened, under_way={False}),
        on(CaseReopened, under_way={False}),
        on(AssessmentReturned, kind=WHOLE),
        on(ResistanceReviewed, capacity={Capacity.IN_DOUBT}),
    ),
    stop=(SUBMITTED,),
)
NEXT = Conditions(start=(on(AssessmentApproved, kind=WHOLE),), stop=(SUBMITTED,))
ASSESSMENT_OVERDUE = duty("ASSESSMENT_OVERDUE", FIRST)
REASSESSMENT_DUE = duty("REASSESSMENT_DUE", NEXT)
