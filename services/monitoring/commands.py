"""What may be asked of monitoring: the bodies of its commands."""

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, StrictBool, StringConstraints, model_validator

from casebus.command import Command, Slug
from casebus.contracts.monitoring import (
    Approach,
    CancelReason,
    Capacity,
    ContactChannel,
    ContactResult,
    Function,
    Resistance,
    StallCause,
    SuppressReason,
    WaitedParty,
    WorkDone,
)
from services.monitoring.domain.calendar import WALL_HOURS, known_zone
from services.monitoring.domain.policy import Language
from services.monitoring.domain.reach import Channel, Whose


class RecordContact(Command):
    """`answers` false: a contact outside of any period, kept on the timeline, that answers no follow-up and schedules none."""

    case_id: UUID
    result: ContactResult
    channel: ContactChannel
    answers: StrictBool = True


class ScheduleFollowUp(Command):
    """Due by the end of the day, in the zone of the case's policy."""

    case_id: UUID
    due_on: date


class RescheduleFollowUp(Command):
    due_on: date


class CancelFollowUp(Command):
    reason: CancelReason


class AcknowledgeAlert(Command):
    pass


class TakeAlert(Command):
    """`until_at`: by when; without it, as long as the ladder waits."""

    until_at: AwareDatetime | None = None


class SuppressAlert(Command):
    reason: SuppressReason
    until_at: AwareDatetime


class ResolveAlert(Command):
    """`done`: what was done."""

    done: WorkDone | None = None


class ExplainStall(Command):
    """WAITING_ON names who it waits for and until when, within 30 days; CLIENT_DISENGAGED why the client turns away, and what is tried
    now; no other cause does."""

    cause: StallCause
    party: WaitedParty | None = None
    until_on: date | None = None
    resistance: Resistance | None = None
    approach: Approach | None = None

    @model_validator(mode="after")
    def _says_what_it_waits_for(self) -> Self:
        said = {self.party is not None, self.until_on is not None}
        if said != {self.cause is StallCause.WAITING_ON}:
            raise ValueError("say party and until_on with WAITING_ON, and only with it")
        told = {self.resistance is not None, self.approach is not None}
        if told != {self.cause is StallCause.CLIENT_DISENGAGED}:
            raise ValueError("say resistance and approach with CLIENT_DISENGAGED, and only with it")
        return self


class ReviewResistance(Command):
    """`capacity`: whether the client is able to take part. `approach`: what is tried from now on."""

    capacity: Capacity
    approach: Approach


PersonId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:/+=-]{1,128}$")]
"""The opaque id under which somebody acts: no name, no e-mail address."""


Told = Literal[Function.WORKER, Function.SUPERVISOR, Function.MANAGER, Function.COORDINATOR, Function.DUTY_AUTHORITY]
"""As what somebody can be told: OTHER is only read."""


class ListPerson(Command):
    """What the entry of this person says from now on."""

    person: PersonId
    agency: Slug
    region: Slug
    functions: Annotated[frozenset[Told], Field(min_length=1)]
    team: Slug | None = None
    deputy: PersonId | None = None


class UnlistPerson(Command):
    person: PersonId


class NoteAbsence(Command):
    """From the first day to the end of the last one; without a last one, the absence that begins on the first day is taken back."""

    person: PersonId
    first: date
    last: date | None = None


class CompleteImport(Command):
    import_id: UUID


class OwnOrShared(Command):
    """`whose`: the caller's own; her agency's for a supervisor, an integrator or an operator; her region's for a coordinator."""

    whose: Whose = Whose.ME


class AddContactPoint(OwnOrShared):
    """`address`: of e-mail an address, of a webhook its URL, else an apprise URL. `secret` goes with a webhook: what its messages are
    signed with, as whsec_ and base64."""

    channel: Channel
    address: Annotated[str, StringConstraints(min_length=3, max_length=2000), Field(repr=False)]
    secret: Annotated[str, StringConstraints(max_length=100)] | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _signs_webhooks(self) -> Self:
        if (self.secret is not None) != (self.channel is Channel.WEBHOOK):
            raise ValueError("say secret with WEBHOOK, and only with it")
        return self


class OnePoint(Command):
    contact_point: UUID


class RemoveContactPoint(OnePoint):
    pass


class EnableContactPoint(OnePoint):
    pass


class RotateSecret(OnePoint):
    secret: Annotated[str, StringConstraints(max_length=100), Field(repr=False)]


WallHours = Annotated[str, StringConstraints(pattern=WALL_HOURS)]
WallTime = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class Prefer(OwnOrShared):
    """How the caller is told from now on; what is left out is as her agency's policy says. `quiet` may go over midnight: 20:00-07:00;
    24:00 is the end of the day."""

    language: Language | None = None
    zone: Annotated[str, StringConstraints(max_length=60), AfterValidator(known_zone)] | None = None
    digest_at: WallTime | None = None
    quiet: Annotated[tuple[WallHours, ...], Field(max_length=6)] | None = None
