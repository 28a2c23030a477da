"""What may be asked of planning: the bodies of its commands. An unknown field, or an unknown word in a list of words, is refused."""

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, StrictBool, model_validator

from casebus.command import Command, Slug
from casebus.contracts.planning import (
    AssessmentKind,
    BlockReason,
    CaseOutcome,
    Domain,
    Horizon,
    NeedClass,
    NeedResult,
    ReopenReason,
    ReturnReason,
    SkipReason,
    StepKind,
    StepResult,
    SuspendReason,
)


class SubmitAssessment(Command):
    """`assessment_id` is for callers that name their things themselves; without it one is made."""

    assessment_id: UUID | None = None
    kind: AssessmentKind


class ApproveAssessment(Command):
    assessment_id: UUID


class ReturnAssessment(Command):
    assessment_id: UUID
    reason: ReturnReason


class IdentifyNeed(Command):
    """`agency` answers for it; without it, the lead. `need_id` is as `assessment_id` above."""

    need_id: UUID | None = None
    domain: Domain
    need_class: NeedClass
    agency: Slug | None = None


Weight = Annotated[int, Field(ge=0, le=4, strict=True)]


class PrioritiseNeed(Command):
    need_id: UUID
    urgency: Weight
    severity: Weight
    wish: Weight


class JudgeNeed(Command):
    """`referred_to`: the agency that was asked for what is left of it."""

    need_id: UUID
    result: Literal[NeedResult.MET, NeedResult.PARTLY_MET, NeedResult.UNMET, NeedResult.WITHDRAWN]
    referred_to: Slug | None = None

    @model_validator(mode="after")
    def _leaves_something(self) -> Self:
        if self.referred_to is not None and self.result not in (NeedResult.PARTLY_MET, NeedResult.UNMET):
            raise ValueError("referred_to goes with PARTLY_MET and UNMET, and only with them")
        return self


class SetGoal(Command):
    """`goal_id` is for callers that name their things themselves; without it one is made."""

    goal_id: UUID | None = None
    horizon: Horizon
    domain: Domain
    target_on: date | None = None


class PlanStep(Command):
    """`agency` is the responsible one, the caller's own unless said. `step_id` is as `goal_id` above.

    `need_id`: the need that it is there for.
    A REFERRAL step says the type of service, and may say which services to ask, the best one first.
    """

    step_id: UUID | None = None
    kind: StepKind
    agency: Slug | None = None
    goal_id: UUID | None = None
    need_id: UUID | None = None
    service_type: Slug | None = None
    candidates: Annotated[tuple[UUID, ...], Field(max_length=50)] = ()
    due_on: date | None = None


class AgreePlan(Command):
    pass


class FinishStep(Command):
    step_id: UUID
    result: StepResult


class BlockStep(Command):
    step_id: UUID
    reason: BlockReason


class ResumeStep(Command):
    step_id: UUID


class SkipStep(Command):
    step_id: UUID
    reason: SkipReason


class SuspendCase(Command):
    """`review_on`: the day on which somebody looks at it again, within 30 days."""

    reason: SuspendReason
    review_on: date


class ResumeCase(Command):
    pass


class ProposeClosure(Command):
    """`told_on`: the day on which the client was told; not needed where the client has died or moved."""

    outcome: CaseOutcome
    told_on: date | None = None


class WithdrawClosure(Command):
    pass


class CloseCase(Command):
    """`outcome`: the one that was proposed."""

    outcome: CaseOutcome


class ReopenCase(Command):
    reason: ReopenReason
    under_way: StrictBool = False


class CompleteImport(Command):
    import_id: UUID
