"""Follow-ups (S50): what is scheduled, what answered it, and the care of a case in whose periods they fall."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID, uuid5

from casebus.contracts.intake import Priority
from casebus.contracts.monitoring import CancelReason, ContactResult, FollowUpCancelled, FollowUpRescheduled, FollowUpScheduled
from casebus.errors import Conflict
from services.monitoring.domain.course import Rest, later
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
    by_hand: bool = False
    """Scheduled by somebody, beside those that the policy asks for."""
    since: datetime | None = None
    """From when the policy counted it; None where somebody chose its day."""
    rested: timedelta = timedelta(0)
    """How long the case's rests have moved it, or will where nobody ends one early."""
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
        return replace(self, version=self.version + 1, due_at=due_at, moved=self.moved + 1, since=None), event

    def rest(self, length: timedelta) -> "FollowUp":
        """The case rests for so long more, or, below 0, less."""
        return replace(self, version=self.version + 1, due_at=self.due_at + length, rested=self.rested + length)

    def hasten(self, priority: Priority, policy: Policy) -> "FollowUp":
        """The case is more urgent: due as if it had been from the start, where that is earlier."""
        if self.since is None:
            return self
        due_at = policy.follow_up_due(self.since, priority, self.number) + self.rested
        return self if due_at >= self.due_at else replace(self, version=self.version + 1, due_at=due_at)

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
    agency: str = ""
    """The lead, by whose policy follow-ups are scheduled."""
    priority: Priority = Priority.MEDIUM
    is_open: bool = False
    under_way: bool = False
    """In this period the service had begun before we knew: the first contact arms the steady interval."""
    number: int = 0
    """Of the last follow-up that was scheduled in this period."""
    since: datetime | None = None
    """From when the next answer counts: what took place earlier answered an earlier follow-up, or none."""
    postponed: datetime | None = None
    """A follow-up counted from here is to be scheduled once intake's topic has told region and priority."""
    rests_from: datetime | None = None
    review_on: date | None = None
    """While work on the case rests: since when, and the day after which it goes on by itself."""
    rested: tuple[Rest, ...] = ()
    """The rests of this period that are over: what is told late may be counted from before them."""
    settled_by_planning: bool = False
    """Planning has closed or reopened it: from then on intake's opening is old news."""

    @property
    def is_known(self) -> bool:
        """Whether intake's topic has told region and priority; planning's may be read first."""
        return bool(self.region)

    def begin(self, since: datetime, *, under_way: bool) -> "Care":
        """A period begins, perhaps before what is known of it already."""
        rested = tuple(rest for rest in self.rested if rest.ends > since)
        begun = replace(self, version=self.version + 1, is_open=True, under_way=under_way, number=0, since=since, postponed=None)
        return replace(begun, rested=rested)

    def end(self) -> "Care":
        return replace(self, version=self.version + 1, is_open=False, settled_by_planning=True, postponed=None, rests_from=None)

    def rest(self, since: datetime, review_on: date) -> "Care":
        return replace(self, version=self.version + 1, rests_from=since, review_on=review_on)

    def go_on(self, at: datetime, policy: Policy) -> "Care":
        rested = tuple(Rest(one.begins, min(at, one.ends)) for one in self._resting(policy))
        return replace(self, version=self.version + 1, rests_from=None, review_on=None, rested=(*self.rested, *rested))

    def rests_for(self, since: datetime, policy: Policy) -> timedelta:
        """How much of its rest lies after that moment."""
        return max([timedelta(0), *(one.ends - max(since, one.begins) for one in self._resting(policy))])

    def moved_by(self, since: datetime, due_at: datetime, policy: Policy) -> timedelta:
        """How much later its rests make what is counted from that moment; those that begin once it is due don't."""
        return later(since, due_at, (*self.rested, *self._resting(policy))) - due_at

    def _resting(self, policy: Policy) -> tuple[Rest, ...]:
        if self.rests_from is None or self.review_on is None:
            return ()
        return (Rest(self.rests_from, policy.calendar.end_of(self.review_on)),)

    def must_be_awake(self, now: datetime, policy: Policy) -> None:
        """Raises Conflict while it rests: a day that is chosen now would be moved by the rest."""
        if self.rests_for(now, policy):
            raise Conflict("Work on the case rests: resume it first.")

    def counts(self, moment: datetime | None) -> bool:
        """Whether a contact of that moment (None: now) can answer: the case is open, and it is no older than what was answered before."""
        return self.is_open and (moment is None or self.since is None or moment >= self.since)

    def answered(self, at: datetime) -> "Care":
        return replace(self, version=self.version + 1, since=at)

    def postpone(self, since: datetime) -> "Care":
        return replace(self, version=self.version + 1, postponed=since)

    def schedule(self, since: datetime, policy: Policy) -> tuple["Care", FollowUp, FollowUpScheduled]:
        """The policy's next follow-up, counted from `since`."""
        number = max(self.number + 1, policy.steady(self.priority) if self.under_way else 1)
        made, event = self._make(policy.follow_up_due(since, self.priority, number), number, since)
        rests = self.moved_by(since, made.due_at, policy)
        return replace(self, version=self.version + 1, number=number, postponed=None), made.rest(rests) if rests else made, event

    def schedule_by_hand(self, due_at: datetime) -> tuple["Care", FollowUp, FollowUpScheduled]:
        """One more, at a time that somebody chose; the policy's go on beside it."""
        made, event = self._make(due_at, self.number + 1)
        return replace(self, version=self.version + 1), replace(made, by_hand=True), event

    def _make(self, due_at: datetime, number: int, since: datetime | None = None) -> tuple[FollowUp, FollowUpScheduled]:
        one = uuid5(self.id, f"follow-up:{self.version}")
        made = FollowUp(id=one, case_id=self.id, number=number, due_at=due_at, since=since)
        return made, FollowUpScheduled(case_id=self.id, follow_up_id=one, due_at=due_at, number=number, counted_from=since)
