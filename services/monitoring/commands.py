"""What may be asked of monitoring: the bodies of its commands."""

from datetime import date
from typing import Self
from uuid import UUID

from pydantic import model_validator

from casebus.command import Command
from casebus.contracts.monitoring import CancelReason, ContactChannel, ContactResult, StallCause, WaitedParty


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


class ResolveAlert(Command):
    pass


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


class CompleteImport(Command):
    import_id: UUID
