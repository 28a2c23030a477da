"""An assessment of the client's situation (S14-S20)."""

from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from casebus.contracts.planning import AssessmentKind


class AssessmentState(StrEnum):
    """Where an assessment stands (domain.md, Assessment)."""

    SUBMITTED = "SUBMITTED"
    APPROVED = "APPROVED"
    RETURNED = "RETURNED"
    SUPERSEDED = "SUPERSEDED"  # by one that was approved later


@dataclass(frozen=True, kw_only=True, slots=True)
class Assessment:
    """What was found out about the client's situation (S14-S20). Its content is not kept here yet, only how far it is."""

    id: UUID
    kind: AssessmentKind
    submitted_by: str
    state: AssessmentState = AssessmentState.SUBMITTED


def superseded(assessment: Assessment) -> Assessment:
    """As it is once a later one is approved."""
    is_approved = assessment.state is AssessmentState.APPROVED
    return replace(assessment, state=AssessmentState.SUPERSEDED) if is_approved else assessment
