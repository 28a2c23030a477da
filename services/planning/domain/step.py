"""A step of a plan: what is to be done, and by which agency (S30-S34)."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from casebus.contracts.planning import BlockReason, StepKind, StepResult
from casebus.errors import Fix, Invalid


class StepState(StrEnum):
    """Where a step stands (domain.md, Plan step)."""

    PLANNED = "PLANNED"
    REQUESTED = "REQUESTED"  # of a REFERRAL step: referral looks for an agency
    IN_REFERRAL = "IN_REFERRAL"  # of a REFERRAL step: an agency has taken it
    BLOCKED = "BLOCKED"
    DONE = "DONE"
    SKIPPED = "SKIPPED"
    CANCELLED = "CANCELLED"  # open when the case was closed


OVER = frozenset({StepState.DONE, StepState.SKIPPED, StepState.CANCELLED})


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What is to be done and by which agency (S30). A BLOCKED step goes on as `after_block`.

    For a REFERRAL step, PLANNED there says that no referral serves it.
    """

    id: UUID
    kind: StepKind
    agency: str
    goal_id: UUID | None = None
    need_id: UUID | None = None
    service_type: str | None = None
    candidates: tuple[UUID, ...] = ()
    due_on: date | None = None
    state: StepState = StepState.PLANNED
    after_block: StepState = StepState.PLANNED
    blocked_by: BlockReason | None = None
    result: StepResult | None = None

    @property
    def is_open(self) -> bool:
        return self.state not in OVER

    def must_fit_its_kind(self) -> None:
        """A REFERRAL step says what service it needs; no other step has one. Raises Invalid."""
        if self.kind is StepKind.REFERRAL and self.service_type is None:
            raise Invalid("A step of kind REFERRAL needs a type of service.", Fix("service_type", "the type of service to look for"))
        if self.kind is not StepKind.REFERRAL and (self.service_type or self.candidates):
            raise Invalid("Only a step of kind REFERRAL has a service.", Fix("kind", "REFERRAL, or leave out service_type and candidates"))
        if len(set(self.candidates)) != len(self.candidates):
            raise Invalid("A service is asked once.", Fix("candidates", "each service once, the best one first"))
