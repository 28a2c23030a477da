"""What may be asked of referral: the bodies of its commands. An unknown field, or an unknown word in a list of words, is refused."""

from datetime import date
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from casebus.command import Command, Slug
from casebus.contracts.referral import DeclineReason, ReferralOutcome, ServiceTerm, WithdrawReason
from services.referral.domain import ServiceKind

Places = Annotated[int, Field(ge=0, le=1_000_000, strict=True)]


class Room(BaseModel):
    """How many clients the service can take on now, and at most."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    available: Places
    maximum: Places

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.available > self.maximum:
            raise ValueError("available is at most maximum")
        return self


class ListService(Command):
    """`agency` gives the service; without it, the agency that acts, or that an integrator acts for."""

    agency: Slug | None = None
    service_type: Slug
    kind: ServiceKind
    region: Slug
    capacity: Room
    term: ServiceTerm = ServiceTerm.LONG
    licence_until: date | None = None


class AssureService(Command):
    """`licence_until`: where it has changed."""

    licence_until: date | None = None


class RetireService(Command):
    pass


class OfferReferral(Command):
    """To a service of the directory, or to an agency outside it, or, where neither is named, to the first candidate.

    `candidates` are asked next, in their order, when there is no room; left out, the directory names them, and an empty list means nobody.
    """

    case_id: UUID
    service_type: Slug
    service_id: UUID | None = None
    agency: Slug | None = None
    step_id: UUID | None = None
    candidates: Annotated[tuple[UUID, ...], Field(max_length=50)] | None = None

    @model_validator(mode="after")
    def _asks_one(self) -> Self:
        if self.service_id is not None and self.agency is not None:
            raise ValueError("name service_id or agency, not both")
        return self


class AcceptReferral(Command):
    pass


class DeclineReferral(Command):
    reason: DeclineReason


class BeginService(Command):
    pass


class CompleteReferral(Command):
    outcome: ReferralOutcome


class FailReferral(Command):
    outcome: ReferralOutcome


class WithdrawReferral(Command):
    reason: WithdrawReason


class CompleteImport(Command):
    import_id: UUID
