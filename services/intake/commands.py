"""What may be asked of intake: the bodies of its commands. An unknown field, or an unknown word in a list of words, is refused."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from casebus.command import Command, Slug
from casebus.contracts.intake import (
    AgencyKind,
    CaseSource,
    ConsentPurpose,
    DeclineReason,
    Nature,
    ParticipantRole,
    Priority,
    PriorityReason,
    ReviewResult,
)

Owner = Annotated[str, StringConstraints(pattern=r"^(intake|planning|referral|monitoring)$")]


class ImportOwners(BaseModel):
    """Which services take part in the case's import: its clocks wait for all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    owners: Annotated[tuple[Owner, ...], Field(min_length=1, max_length=4)]


class ReceiveCase(Command):
    """`reference` is the agency's own number for the case: it stays in intake, and an agency can use it once."""

    region: Slug
    source: CaseSource
    agency_kind: AgencyKind = AgencyKind.OTHER
    referring_agency: Slug | None = None
    reference: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,64}$")] | None = None
    imported: Annotated[ImportOwners | None, Field(alias="import")] = None


class TriageCase(Command):
    priority: Priority
    nature: Nature
    crisis: StrictBool = False


class OpenCase(Command):
    under_way: StrictBool = False


class ChangePriority(Command):
    priority: Priority
    reason: PriorityReason


class AssignWorker(Command):
    """`worker_id`: by which the agency knows its worker; nothing else is known of them here."""

    worker_id: UUID


class DeclineCase(Command):
    reason: DeclineReason


class RedirectCase(Command):
    target_agency: Slug
    reason: DeclineReason


class InviteAgency(Command):
    agency: Slug
    role: ParticipantRole


class JoinCase(Command):
    pass


class DeclineInvitation(Command):
    pass


class LeaveCase(Command):
    pass


class ProposeLead(Command):
    to_agency: Slug


class AcceptLead(Command):
    pass


class RejectLead(Command):
    pass


class GiveConsent(Command):
    """The client's, to one agency, for one purpose, on these days, the last one included. `consent_id` is as callers name it."""

    consent_id: UUID | None = None
    purpose: ConsentPurpose
    recipient: Slug
    from_on: date
    until_on: date


class WithdrawConsent(Command):
    consent_id: UUID


class OpenInEmergency(Command):
    """`words`: the caller's own, why the case has to be read at once."""

    words: Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=2000)]
    minutes: Annotated[int, Field(ge=1, le=180, strict=True)] = 180


class ReviewAccess(Command):
    access_id: UUID
    result: Literal[ReviewResult.JUSTIFIED, ReviewResult.NOT_JUSTIFIED]


class BeginImport(Command):
    import_id: UUID
    owners: Annotated[tuple[Owner, ...], Field(min_length=1, max_length=4)]


class CompleteImport(Command):
    import_id: UUID
