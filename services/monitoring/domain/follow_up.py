"""Follow-ups (S50): what is scheduled, what answered it, and the care of a case in whose periods they fall."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid5

from casebus.contracts.intake import Priority
from casebus.contracts.monitoring import CancelReason, ContactResult, FollowUpCancelled, FollowUpRescheduled, FollowUpScheduled
from casebus.errors import Conflict
from services.monitoring.domain.policy import Policy

REACHES = frozenset({ContactResult.REACHED, ContactResult.REFUSED, ContactResult.UNSAFE})
"""Results that answer a follow-up: who was not there, or not reached, has not been seen."""
RESCHEDULES = 2
"""How often a worker may move a follow-up (domain.md)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FollowUp:
    """`missed_at` and `made_up_at` are written by the clock worker alone: whether it was late is known when it is decided."""

    id: UUID
    version: int = 1
    case_id: UUID
    number: int
    due_at: datetime
    done_at: datetime | None = None
    cancelled: bool = False
    moved: int = 0
    missed_at: datetime | None = None
    made_up_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.done_at is None and not self.cancelled

    @property
    def state(self) -> str:
        """As domain.md names it."""
        if self.done_at is not None:
            return "MADE_UP" if self.made_up_at else "DONE"
        if self.cancelled:
            return "CANCELLED"
        return "MISSED" if self.missed_at else ("RESCHEDULED" if self.moved else "SCHEDULED")

    def answer(self, at: datetime) -> "FollowUp":
        return replace(self, version=self.version + 1, done_at=at)

    def cancel(self, reason: CancelReason) -> tuple["FollowUp", FollowUpCancelled]:
        self._must_be_open()
        event = FollowUpCancelled(case_id=self.case_id, follow_up_id=self.id, reason=reason)
        return replace(self, version=self.version + 1, cancelled=True), event

    def reschedule(self, due_at: datetime) -> tuple["FollowUp", FollowUpRescheduled]:
        """At most twice; it can't be moved once its time has passed: then it is missed."""
        self._must_be_open()
        if self.moved >= RESCHEDULES:
            raise Conflict("It was moved twice already: the supervisor decides now.")
        event = FollowUpRescheduled(case_id=self.case_id, follow_up_id=self.id, due_at=due_at)
        return replace(self, version=self.version + 1, due_at=due_at, moved=self.moved + 1), event

    def missed(self, at: datetime) -> "FollowUp":
        return replace(self, version=self.version + 1, missed_at=at)

    def made_up(self, at: datetime) -> "FollowUp":
        return replace(self, version=self.version + 1, made_up_at=at)

    def _must_be_open(self) -> None:
        if not self.is_open:
            raise Conflict(f"The follow-up is {self.state}.")


def unplanned(contact_id: UUID, case_id: UUID, at: datetime) -> FollowUp:
    """A contact that no follow-up was waiting for: it counts as one that was done, and nothing was due."""
    return FollowUp(id=uuid5(contact_id, "unplanned"), case_id=case_id, number=0, due_at=at)


@dataclass(frozen=True, kw_only=True, slots=True)
class Care:
    """A case in monitoring's own eyes: whether it is open, and how many follow-ups its current period had. Kept by the reactions alone."""

    id: UUID
    version: int = 1
    region: str = ""
    priority: Priority = Priority.MEDIUM
    is_open: bool = False
    periods: int = 0
    number: int = 0
    """Of the last follow-up that was scheduled in this period."""
    settled_by_planning: bool = False
    """Planning has closed or reopened it: from then on intake's opening is old news."""

    def begin(self, *, under_way: bool, policy: Policy) -> "Care":
        """A period begins. Where the service was under way already its start isn't known: the first contact arms the steady interval."""
        number = policy.steady(self.priority) - 1 if under_way else 0
        return replace(self, version=self.version + 1, is_open=True, periods=self.periods + 1, number=number)

    def end(self) -> "Care":
        return replace(self, version=self.version + 1, is_open=False, settled_by_planning=True)

    def schedule(self, since: datetime, policy: Policy) -> tuple["Care", FollowUp, FollowUpScheduled]:
        """The next follow-up, counted from `since`."""
        number = self.number + 1
        return self.schedule_at(policy.follow_up_due(since, self.priority, number))

    def schedule_at(self, due_at: datetime) -> tuple["Care", FollowUp, FollowUpScheduled]:
        """The next follow-up, at a time that somebody chose."""
        number = self.number + 1
        one = uuid5(self.id, f"follow-up:{self.version}")
        made = FollowUp(id=one, case_id=self.id, number=number, due_at=due_at)
        event = FollowUpScheduled(case_id=self.id, follow_up_id=one, due_at=due_at, number=number)
        return replace(self, version=self.version + 1, number=number), made, event
