"""Which alerts there must be, by the committed rows of all outboxes alone: an oracle that shares no code with monitoring's rules.

It knows the stories of driver.py: live events of cases that are CRITICAL from their triage on and stay open, under
deploy/policies/default.yaml, which allows no grace. Nobody is refused in them, and no step has a day.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from tests.oracle.clocks import LONDON, moment, working_days_later

ASSIGNMENT = timedelta(hours=1)
CONTACT = timedelta(days=1)
ASSESSMENT = timedelta(days=3)
SERVICE = timedelta(days=1)
AGREEMENT = timedelta(days=5)
ANSWER = timedelta(hours=4)
PROGRESS = timedelta(days=2)
STEPS_FORWARD = ("planning.PlanAgreed", "planning.StepDone", "referral.ReferralAccepted", "referral.ReferralCompleted")
SEEN = ("REACHED", "REFUSED", "UNSAFE")
ANSWERS = ("referral.ReferralAccepted", "referral.ReferralDeclined")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stated:
    """A committed event: a row of an outbox with what it says."""

    type: str
    case: UUID
    at: datetime
    says: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """An alert: by which rule, about what, and when its duty was due."""

    rule: str
    subject: UUID
    at: datetime


def breaches(events: Sequence[Stated]) -> set[Due]:
    """Every duty of these events that nothing answered in time, however far ahead its due time lies."""
    by_case: dict[UUID, list[Stated]] = defaultdict(list)
    for event in sorted(events, key=lambda e: e.at):
        by_case[event.case].append(event)
    return {due for told in by_case.values() for due in (*_beginnings(told), *_follow_ups(told), *_offers(told), *_standstills(told))}


def _beginnings(told: list[Stated]) -> Iterator[Due]:
    """What a case is owed: triage, which makes it critical, a worker, a first contact, an assessment, a plan, and what was accepted.

    Nobody is late before the triage that shortens the time: it may come days after the receipt where a clock jumps between them.
    """
    seen = [e.at for e in told if e.type == "monitoring.ContactRecorded" and e.says["result"] in SEEN]
    triaged = [e.at for e in told if e.type == "intake.CaseTriaged"]
    assigned = [e.at for e in told if e.type == "intake.WorkerAssigned"]
    agreed = [e.at for e in told if e.type == "planning.PlanAgreed"]
    for event in told:
        match event.type:
            case "intake.CaseReceived":
                day = working_days_later(event.at.astimezone(LONDON).date(), 1)
                business_day = moment(day + timedelta(days=1), time(0))
                yield from _unless(triaged, Due(rule="INTAKE_OVERDUE", subject=event.case, at=business_day))
                critical = triaged[0] if triaged and triaged[0] <= business_day else None
                until = event.at + ASSIGNMENT if critical else business_day
                yield from _unless(assigned, Due(rule="UNASSIGNED", subject=event.case, at=until), known=critical)
                if triaged:
                    contact = Due(rule="FIRST_CONTACT_OVERDUE", subject=event.case, at=event.at + CONTACT)
                    yield from _unless(seen, contact, known=triaged[0])
            case "intake.CaseOpened":
                yield from _unless(agreed, Due(rule="PLAN_OVERDUE", subject=event.case, at=event.at + AGREEMENT))
                yield Due(rule="ASSESSMENT_OVERDUE", subject=event.case, at=event.at + ASSESSMENT)  # nobody assesses anything
            case "referral.ReferralAccepted":  # and no service begins
                yield Due(rule="REFERRAL_NO_FIRST_CONTACT", subject=event.says["referral_id"], at=event.at + SERVICE)


def _unless(done: list[datetime], due: Due, known: datetime | None = None) -> Iterator[Due]:
    """`known`: when it was known that the duty is due so early."""
    if not any(at <= max(due.at, known or due.at) for at in done):
        yield due


def _follow_ups(told: list[Stated]) -> Iterator[Due]:
    for event in told:
        if event.type == "monitoring.FollowUpScheduled":
            one, due = event.says["follow_up_id"], event.says["due_at"]
            done = [e.at for e in told if e.type == "monitoring.ContactRecorded" and e.says["follow_up_id"] == one]
            if not any(at <= due for at in done):
                yield Due(rule="MISSED_FOLLOW_UP", subject=one, at=due)


def _offers(told: list[Stated]) -> Iterator[Due]:
    for event in told:
        if event.type == "referral.ReferralOffered":
            one, due = event.says["referral_id"], event.at + ANSWER
            answered = [e.at for e in told if e.type in ANSWERS and e.says["referral_id"] == one]
            if not any(at <= due for at in answered):
                yield Due(rule="REFERRAL_UNANSWERED", subject=one, at=due)


def _standstills(told: list[Stated]) -> Iterator[Due]:
    begun = next((e for e in told if e.type == "intake.CaseOpened"), None)
    if begun is None:
        return
    moved = [e for e in told if e.type in STEPS_FORWARD or (e.type == "monitoring.ContactRecorded" and e.says["result"] == "REACHED")]
    for start in (begun, *moved):
        due = start.at + PROGRESS
        if not any(start.at < e.at <= due for e in moved):
            yield Due(rule="STALLED_CASE", subject=start.case, at=due)
