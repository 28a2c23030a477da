"""What may be asked of monitoring: the bodies of its commands."""

from datetime import date
from uuid import UUID

from casebus.command import Command
from casebus.contracts.monitoring import CancelReason, ContactChannel, ContactResult


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


class CompleteImport(Command):
    import_id: UUID
