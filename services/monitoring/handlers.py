"""What monitoring does: one function a command, its reactions, and the copies that it keeps. They never commit; the clock worker decides (clocks.py)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Protocol
from uuid import UUID

from casebus.cause import Cause
from casebus.contracts import intake, monitoring, planning
from casebus.contracts.monitoring import CancelReason, ContactRecorded
from casebus.envelope import Envelope
from casebus.errors import Absent, Conflict, Fix, Invalid
from casebus.event import Event
from casebus.shelf import Holds
from services.monitoring import commands as asked
from services.monitoring.domain.alert import Alert
from services.monitoring.domain.case_view import CaseView
from services.monitoring.domain.follow_up import REACHES, Care, FollowUp, unplanned
from services.monitoring.domain.policy import Policy


class Work(Protocol):
    """What the handlers need of the transaction they run in."""

    cause: Cause
    now: datetime

    @property
    def effective(self) -> datetime: ...
    @property
    def cares(self) -> Holds[Care]: ...
    @property
    def follow_ups(self) -> Holds[FollowUp]: ...
    @property
    def alerts(self) -> Holds[Alert]: ...
    @property
    def views(self) -> Holds[CaseView]: ...
    @property
    def envelope(self) -> Envelope: ...
    def policy(self, region: str) -> Policy: ...
    def keep_fact(self) -> None: ...
    def emit(self, event: Event) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Noted:
    """What is left of a command that only adds a fact."""

    id: UUID
    version: int = 0
    follow_up_id: UUID | None = None
    next_due_at: datetime | None = None


def record_contact(contact_id: UUID, command: asked.RecordContact, work: Work) -> Noted:
    """S51: a contact with the client. If the client was seen, it answers the oldest open follow-up, or is one that nobody had planned, and the next is scheduled."""
    care = work.cares.get(command.case_id)
    counts = command.answers and care is not None and care.is_open and command.result in REACHES
    answered = (_oldest_open(work, command.case_id) or unplanned(contact_id, command.case_id, work.effective)) if counts else None
    if answered is not None:
        work.follow_ups.put(answered.answer(work.effective))
    work.emit(
        ContactRecorded(
            case_id=command.case_id,
            contact_id=contact_id,
            follow_up_id=answered.id if answered else None,
            result=command.result,
            channel=command.channel,
        )
    )
    following = _schedule_next(work, care) if counts and care is not None and _oldest_open(work, care.id) is None else None
    return Noted(id=contact_id, follow_up_id=answered.id if answered else None, next_due_at=following.due_at if following else None)


def schedule_follow_up(_: UUID, command: asked.ScheduleFollowUp, work: Work) -> FollowUp:
    """S50: a follow-up by a day that somebody chose, beside those that the policy asks for."""
    care = work.cares.get(command.case_id)
    if care is None or not care.is_open:
        raise Conflict("The case is not open: nothing is followed up.")
    changed, made, event = care.schedule_at(_end_of(work, care.region, command.due_on))
    work.cares.put(replace(changed, number=care.number))
    work.follow_ups.put(made)
    work.emit(event)
    return made


def reschedule_follow_up(follow_up_id: UUID, command: asked.RescheduleFollowUp, work: Work) -> FollowUp:
    """Moved to another day: twice at most, and not once its time has passed."""
    found = _follow_up(work, follow_up_id)
    if found.due_at <= work.now:
        raise Conflict("Its time has passed: record the contact, late as it is.")
    care = work.cares.get(found.case_id)
    moved, event = found.reschedule(_end_of(work, care.region if care else "", command.due_on))
    work.follow_ups.put(moved)
    work.emit(event)
    return moved


def cancel_follow_up(follow_up_id: UUID, command: asked.CancelFollowUp, work: Work) -> FollowUp:
    """No longer needed, with the reason; while the case is open the policy's next one takes its place."""
    cancelled, event = _follow_up(work, follow_up_id).cancel(command.reason)
    work.follow_ups.put(cancelled)
    work.emit(event)
    care = work.cares.get(cancelled.case_id)
    if care is not None and care.is_open and _oldest_open(work, care.id) is None:
        _schedule_next(work, care)
    return cancelled


def acknowledge_alert(alert_id: UUID, _: asked.AcknowledgeAlert, work: Work) -> Alert:
    """Somebody has seen it: it climbs one window later."""
    alert, event = _alert(work, alert_id).acknowledge()
    work.alerts.put(alert)
    work.emit(event)
    return alert


def resolve_alert(alert_id: UUID, _: asked.ResolveAlert, work: Work) -> Alert:
    """Somebody acted: it climbs no further."""
    alert, event = _alert(work, alert_id).resolve()
    work.alerts.put(alert)
    work.emit(event)
    return alert


def complete_import(case_id: UUID, command: asked.CompleteImport, work: Work) -> Noted:
    """Monitoring's part of the case's history is complete."""
    work.emit(monitoring.CaseImported(case_id=case_id, import_id=command.import_id))
    return Noted(id=case_id)


def begin_care(event: intake.CaseOpened, work: Work) -> None:
    """An opened case is followed up from its opening, unless planning has spoken of it already."""
    care = work.cares.get(event.case_id) or Care(id=event.case_id)
    known = replace(care, region=event.region, priority=event.priority)
    work.cares.put(known)
    if not known.settled_by_planning:
        _begin(work, known, under_way=event.under_way)


def end_care(event: planning.CaseClosed, work: Work) -> None:
    """A closed case's open follow-ups are cancelled."""
    care = (work.cares.get(event.case_id) or Care(id=event.case_id)).end()
    work.cares.put(care)
    while (one := _oldest_open(work, event.case_id)) is not None:
        cancelled, said = one.cancel(CancelReason.CASE_CLOSED)
        work.follow_ups.put(cancelled)
        work.emit(said)


def begin_care_again(event: planning.CaseReopened, work: Work) -> None:
    """A reopened case is followed up in a new period."""
    care = replace(work.cares.get(event.case_id) or Care(id=event.case_id), settled_by_planning=True)
    _begin(work, care, under_way=event.under_way)


REACTIONS: Mapping[type[Event], Callable[[Any, Any], None]] = {
    intake.CaseOpened: begin_care,
    planning.CaseClosed: end_care,
    planning.CaseReopened: begin_care_again,
}


def keep(event: Event, work: Work) -> None:
    """Every event of a case is a fact on its timeline, and may move it on the board."""
    work.keep_fact()
    view = work.views.get(event.subject) or CaseView(id=event.subject)
    changed = view.after(event, work.envelope)
    if changed is not view:
        work.views.put(changed)


def _begin(work: Work, care: Care, *, under_way: bool) -> None:
    begun = care.begin(under_way=under_way, policy=work.policy(care.region))
    work.cares.put(begun)
    if not under_way:
        _schedule_next(work, begun)


def _schedule_next(work: Work, care: Care) -> FollowUp:
    current = work.cares.get(care.id) or care
    changed, made, event = current.schedule(work.effective, work.policy(care.region))
    work.cares.put(changed)
    work.follow_ups.put(made)
    work.emit(event)
    return made


def _oldest_open(work: Work, case_id: UUID) -> FollowUp | None:
    mine = (one for one in work.follow_ups.all() if one.case_id == case_id and one.is_open)
    return min(mine, key=lambda one: (one.due_at, one.number), default=None)


def _end_of(work: Work, region: str, day: date) -> datetime:
    due = work.policy(region).calendar.end_of(day).astimezone(work.now.tzinfo)
    if due <= work.now:
        raise Invalid("That day has passed.", Fix("due_on", "today or a later day"))
    return due


def _follow_up(work: Work, follow_up_id: UUID) -> FollowUp:
    found = work.follow_ups.get(follow_up_id)
    if found is None:
        raise Absent
    return found


def _alert(work: Work, alert_id: UUID) -> Alert:
    found = work.alerts.get(alert_id)
    if found is None:
        raise Absent
    return found
