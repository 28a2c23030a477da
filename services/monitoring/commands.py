"""What may be asked of monitoring: the bodies of its commands."""

from datetime import date
from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, StringConstraints, model_validator

from casebus.command import Command, Slug
from casebus.contracts.monitoring import (
    CancelReason,
    ContactChannel,
    ContactResult,
    Function,
    StallCause,
    SuppressReason,
    WaitedParty,
    WorkDone,
)


class RecordContact(Command):
    """`answers` false: a contact outside of any period, kept on the timeline, that answers no follow-up and schedules none."""

    case_id: UUID
    result: ContactResult
    channel: ContactChannel
    answers: bool = True


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
    """WAITING_ON names who it waits for and until when, within 30 days; no other cause does."""

    cause: StallCause
    party: WaitedParty | None = None
    until_on: date | None = None

    @model_validator(mode="after")
    def _says_what_it_waits_for(self) -> Self:
        said = {self.party is not None, self.until_on is not None}
        if said != {self.cause is StallCause.WAITING_ON}:
            raise ValueError("say party and until_on with WAITING_ON, and only with it")
        return self


PersonId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:/+=-]{1,128}$")]
"""The opaque id under which somebody acts: no name, no e-mail address."""


class ListPerson(Command):
    """What the entry of this person says from now on."""

    person: PersonId
    agency: Slug
    region: Slug
    functions: frozenset[Function]
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
