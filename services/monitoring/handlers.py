"""What monitoring does: one function a command, its reactions, and the copies that it keeps. They never commit; clocks.py decides."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from casebus.aggregate import Holds
from casebus.cause import Cause
from casebus.contracts import intake, monitoring, planning
from casebus.contracts.intake import Priority
from casebus.contracts.monitoring import CancelReason, ContactRecorded, StallCause
from casebus.envelope import Head, Role
from casebus.errors import Absent, Conflict, Fix, Forbidden, Invalid, InvalidEvent
from casebus.event import Event
from services.monitoring import commands as asked
from services.monitoring.domain.alert import Alert
from services.monitoring.domain.case_view import CaseView
from services.monitoring.domain.follow_up import REACHES, Care, FollowUp, unplanned
from services.monitoring.domain.policy import Policy

FARTHEST = timedelta(days=3653)
"""How far ahead a follow-up may be scheduled: what lies farther is a slip of the pen."""


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
    def head(self) -> Head: ...
    def policy(self, region: str, agency: str = "") -> Policy: ...
    def priority(self, case_id: UUID) -> Priority: ...
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
    """S51: a contact with the client, now or earlier. If the client was seen, it answers the oldest open follow-up, or one that nobody had
    planned, and the policy's next is scheduled."""
    care = work.cares.get(command.case_id)
    counts = care is not None and command.answers and command.result in REACHES and care.counts(work.cause.occurred_at)
    answered = (_oldest_open(work, command.case_id) or unplanned(contact_id, command.case_id, work.effective)) if counts else None
    if answered is not None and care is not None:
        work.follow_ups.put(answered.answer(work.effective))
        work.cares.put(care.answered(work.effective))
    work.emit(
        ContactRecorded(
            case_id=command.case_id,
            contact_id=contact_id,
            follow_up_id=answered.id if answered else None,
            result=command.result,
            channel=command.channel,
        )
    )
    following = _keep_followed_up(work, command.case_id) if answered else None
    return Noted(id=contact_id, follow_up_id=answered.id if answered else None, next_due_at=following.due_at if following else None)


def schedule_follow_up(_: UUID, command: asked.ScheduleFollowUp, work: Work) -> FollowUp:
    """S50: a follow-up by a day that somebody chose, beside those that the policy asks for."""
    care = work.cares.get(command.case_id)
    if care is None or not care.is_open:
        raise Conflict("The case is not open: nothing is followed up.")
    care.must_be_awake(work.now, work.policy(care.region, care.agency))
    changed, made, event = care.schedule_by_hand(_end_of(work, care, command.due_on))
    work.cares.put(changed)
    work.follow_ups.put(made)
    work.emit(event)
    return made


def reschedule_follow_up(follow_up_id: UUID, command: asked.RescheduleFollowUp, work: Work) -> FollowUp:
    """Moved to another day: twice at most, and not once its time has passed."""
    found = _follow_up(work, follow_up_id)
    if found.due_at <= work.now:
        raise Conflict("Its time has passed: record the contact, late as it is.")
    care = work.cares.get(found.case_id)
    if care is not None:
        care.must_be_awake(work.now, work.policy(care.region, care.agency))
    moved, event = found.reschedule(_end_of(work, care, command.due_on))
    work.follow_ups.put(moved)
    work.emit(event)
    return moved


def cancel_follow_up(follow_up_id: UUID, command: asked.CancelFollowUp, work: Work) -> FollowUp:
    """No longer needed, with the reason; while the case is open the policy's next one takes its place."""
    cancelled, event = _follow_up(work, follow_up_id).cancel(command.reason)
    work.follow_ups.put(cancelled)
    work.emit(event)
    _keep_followed_up(work, cancelled.case_id)
    return cancelled


def acknowledge_alert(alert_id: UUID, _: asked.AcknowledgeAlert, work: Work) -> Alert:
    """Somebody has seen it: it climbs one window later."""
    alert, event = _alert(work, alert_id).acknowledge()
    work.alerts.put(alert)
    work.emit(event)
    return alert


def take_alert(alert_id: UUID, command: asked.TakeAlert, work: Work) -> Alert:
    """Somebody works on it: it climbs no earlier than she said, and she has no longer than the rung's window from now."""
    found = _alert(work, alert_id)
    until = None if command.until_at is None else _later(command.until_at, work)
    longest = work.policy(found.region, found.agency).window(work.now, found.rung, work.priority(found.case_id), found.rule)
    alert, event = found.take(work.cause.actor, until, longest)
    work.alerts.put(alert)
    work.emit(event)
    return alert


def suppress_alert(alert_id: UUID, command: asked.SuppressAlert, work: Work) -> Alert:
    """Put off, with a reason: as often and as long as the policy allows by the case's priority, never what is critical."""
    found = _alert(work, alert_id)
    policy = work.policy(found.region, found.agency)
    longest = policy.snoozed_until(work.now, work.priority(found.case_id))
    if longest is None:
        raise Conflict("An alert of this priority is never put off: act on it, or take it in work.")
    assert policy.snooze is not None  # it has said until when
    alert, event = found.suppress(command.reason, _later(command.until_at, work), times=policy.snooze.times, longest=longest)
    work.alerts.put(alert)
    work.emit(event)
    return alert


def resolve_alert(alert_id: UUID, command: asked.ResolveAlert, work: Work) -> Alert:
    """Somebody acted: it climbs no further."""
    alert, event = _alert(work, alert_id).resolve(command.done)
    work.alerts.put(alert)
    work.emit(event)
    return alert


def explain_stall(alert_id: UUID, command: asked.ExplainStall, work: Work) -> Alert:
    """Why there was no progress. With a client who has turned away another way is tried (S54), and she is seen again."""
    alert, *said = _alert(work, alert_id).explain(
        command.cause,
        work.now.date(),
        party=command.party,
        until_on=command.until_on,
        resistance=command.resistance,
        approach=command.approach,
    )
    work.alerts.put(alert)
    for event in said:
        work.emit(event)
    if command.cause is StallCause.CLIENT_DISENGAGED:
        _see_again(work, alert.case_id)
    return alert


def review_resistance(case_id: UUID, command: asked.ReviewResistance, work: Work) -> Noted:
    """S54, S73: a supervisor looks at a long resistance, and says what is tried now; the client is seen again."""
    if work.cause.actor_role not in (Role.SUPERVISOR, Role.COORDINATOR):
        raise Forbidden("This needs a supervisor of an agency of the case, or the coordinator of its region.")
    care = work.cares.get(case_id)
    if care is None or not care.is_open:
        raise Conflict("The case is not open: there is nothing to review.")
    work.emit(monitoring.ResistanceReviewed(case_id=case_id, capacity=command.capacity, approach=command.approach))
    following = _see_again(work, case_id)
    return Noted(id=case_id, follow_up_id=following.id if following else None, next_due_at=following.due_at if following else None)


def complete_import(case_id: UUID, command: asked.CompleteImport, work: Work) -> Noted:
    """Monitoring's part of the case's history is complete."""
    work.emit(monitoring.CaseImported(case_id=case_id, import_id=command.import_id))
    return Noted(id=case_id)


def begin_care(event: intake.CaseOpened, work: Work) -> None:
    """An opened case is followed up from its opening, unless planning has spoken of it already."""
    care = work.cares.get(event.case_id) or Care(id=event.case_id)
    known = replace(care, version=care.version + 1, region=event.region, agency=event.agency, priority=event.priority)
    work.cares.put(known)
    if not known.settled_by_planning:
        _begin(work, known, under_way=event.under_way)
    elif known.postponed is not None:
        _schedule(work, known, known.postponed)


def end_care(event: planning.CaseClosed, work: Work) -> None:
    """A closed case's open follow-ups are cancelled."""
    care = (work.cares.get(event.case_id) or Care(id=event.case_id)).end()
    work.cares.put(care)
    while (one := _oldest_open(work, event.case_id)) is not None:
        cancelled, said = one.cancel(CancelReason.CASE_CLOSED)
        work.follow_ups.put(cancelled)
        work.emit(said)


def follow_lead(event: intake.LeadHandedOver, work: Work) -> None:
    """From here on the case's follow-ups are scheduled by the policy of who leads it now."""
    care = work.cares.get(event.case_id)
    if care is not None:
        work.cares.put(replace(care, version=care.version + 1, agency=event.to_agency))


def begin_care_again(event: planning.CaseReopened, work: Work) -> None:
    """A reopened case is followed up in a new period."""
    care = replace(work.cares.get(event.case_id) or Care(id=event.case_id), settled_by_planning=True)
    _begin(work, care, under_way=event.under_way)


def rest(event: planning.CaseSuspended, work: Work) -> None:
    """A suspended case's follow-ups are due later, by as long as it rests: at the latest until its day of review is over. What was due
    before is not."""
    care = (work.cares.get(event.case_id) or Care(id=event.case_id)).rest(work.effective, event.review_on)
    work.cares.put(care)
    policy = work.policy(care.region, care.agency)
    for one in _resting(work, care):
        work.follow_ups.put(one.rest(care.rests_for(one.since or work.effective, policy)))


def go_on(event: planning.CaseResumed, work: Work) -> None:
    """Work on it goes on: what is left of the rest is taken back."""
    care = work.cares.get(event.case_id)
    if care is None:
        return
    policy = work.policy(care.region, care.agency)
    left = care.rests_for(work.effective, policy)
    work.cares.put(care.go_on(work.effective, policy))
    for one in _resting(work, care):
        work.follow_ups.put(one.rest(-left))


def hasten(event: intake.PriorityChanged, work: Work) -> None:
    """What is followed up more often from now on is due earlier at once; a priority that falls lengthens nothing that runs."""
    care = work.cares.get(event.case_id)
    if care is None:
        return
    work.cares.put(replace(care, version=care.version + 1, priority=event.priority))
    for one in _open(work, event.case_id):
        hastened = one.hasten(event.priority, work.policy(care.region, care.agency))
        if hastened is not one:
            work.follow_ups.put(hastened)


REACTIONS: Mapping[type[Event], Callable[[Any, Any], None]] = {
    intake.CaseOpened: begin_care,
    intake.PriorityChanged: hasten,
    planning.CaseSuspended: rest,
    planning.CaseResumed: go_on,
    planning.CaseClosed: end_care,
    planning.CaseReopened: begin_care_again,
    intake.LeadHandedOver: follow_lead,
}


def keep(event: Event, work: Work) -> None:
    """Every event of a case is a fact on its timeline, and may move it on the board."""
    work.keep_fact()
    view = work.views.get(event.subject) or CaseView(id=event.subject)
    changed = view.after(event, work.head)
    if changed is not view:
        work.views.put(changed)


def _begin(work: Work, care: Care, *, under_way: bool) -> None:
    begun = care.begin(work.effective, under_way=under_way)
    work.cares.put(begun)
    if not under_way:
        _schedule(work, begun, work.effective)


def _keep_followed_up(work: Work, case_id: UUID) -> FollowUp | None:
    """While the case is open, one of the policy's follow-ups is open too; what was scheduled by hand doesn't take its place."""
    care = work.cares.get(case_id)
    waits = any(one.case_id == case_id and one.is_open and not one.by_hand for one in work.follow_ups.all())
    return None if care is None or not care.is_open or waits else _schedule(work, care, work.effective)


def _schedule(work: Work, care: Care, since: datetime) -> FollowUp | None:
    """The policy's next; where region and priority are not told yet, it waits for them."""
    if not care.is_known:
        work.cares.put(care.postpone(since))
        return None
    policy = work.policy(care.region, care.agency)
    work.cause = replace(work.cause, policy_version=policy.stamp)
    try:
        changed, made, event = care.schedule(since, policy)
    except OverflowError:
        raise InvalidEvent("it happened at a time that no calendar has") from None
    work.cares.put(changed)
    work.follow_ups.put(made)
    work.emit(event)
    return made


def _see_again(work: Work, case_id: UUID) -> FollowUp | None:
    """One more follow-up of an open case, as soon as the policy's first would be due; while the case rests, by so much later."""
    care = work.cares.get(case_id)
    if care is None or not care.is_open or not care.is_known:
        return None
    policy = work.policy(care.region, care.agency)
    changed, made, scheduled = care.schedule_by_hand(policy.follow_up_due(work.now, care.priority, 1))
    rests = care.moved_by(work.now, made.due_at, policy)
    rested = made.rest(rests) if rests else made
    work.cares.put(changed)
    work.follow_ups.put(rested)
    work.emit(scheduled)
    return rested


def _open(work: Work, case_id: UUID) -> list[FollowUp]:
    return [one for one in work.follow_ups.all() if one.case_id == case_id and one.is_open]


def _resting(work: Work, care: Care) -> list[FollowUp]:
    """Those that the case's rest moves: they were not due when it began."""
    return [one for one in _open(work, care.id) if care.rests_from is not None and one.due_at > care.rests_from]


def _oldest_open(work: Work, case_id: UUID) -> FollowUp | None:
    return min(_open(work, case_id), key=lambda one: (one.due_at, one.number), default=None)


def _end_of(work: Work, care: Care | None, day: date) -> datetime:
    """The end of a day to come, in the zone of the lead's policy. Raises Invalid for one that has passed, or lies beyond all planning."""
    if not date.min < day < work.now.date() + FARTHEST:
        raise Invalid("That day can't be planned for.", Fix("due_on", "a day within ten years"))
    policy = work.policy(care.region, care.agency) if care else work.policy("")
    due = policy.calendar.end_of(day).astimezone(work.now.tzinfo)
    if due <= work.now:
        raise Invalid("That day has passed.", Fix("due_on", "today or a later day"))
    return due


def _later(moment: datetime, work: Work) -> datetime:
    """In UTC. Raises Invalid for what has passed."""
    if moment <= work.now:
        raise Invalid("That time has passed.", Fix("until_at", "a time to come"))
    return moment.astimezone(UTC)


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
