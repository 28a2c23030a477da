"""What the owners say of a case, and when: its duties' starts, and what answers each around its due time, on both sides of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from time import time
from uuid import UUID, uuid5

from casebus.cause import Cause
from casebus.contracts import intake, monitoring, planning, referral
from casebus.envelope import Origin, Role
from casebus.event import Event
from tests.faults.watermarks.duties import FOLLOW_UP, OFFER, STALL

LEAD, PARTNER, REGION = "city-hospital", "north-shelter", "north"
SOMEBODY = Cause(agency=LEAD, actor="actor-1", actor_role=Role.WORKER, actor_agency=LEAD, region=REGION)
CLOCKS_PER_CASE = 6.5
"""About: two offers, a follow-up by the policy and one by hand, and the case itself after its opening and after each progress."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """One transaction of one owner, at a real moment (in seconds since 1970), which then stays open for `hold` seconds."""

    at: float
    owner: str
    events: tuple[Event, ...]
    cause: Cause = SOMEBODY
    hold: float = 0.0


def opening(cases: Sequence[UUID], at: float) -> Act:
    """Cases that begin together, so that their deadlines fall together."""
    return Act(at=at, owner="intake", events=tuple(event for case in cases for event in _opened(case)))


def begins(act: Act) -> bool:
    return isinstance(act.events[0], intake.CaseReceived)


def following(act: Act, recorded: datetime, dice: Random) -> Iterator[Act]:
    """What comes of a start that was recorded then: further starts, and around the due time what answers it. Nothing of anything else."""
    cases = [event.subject for event in act.events]
    match act.events[0]:
        case intake.CaseReceived():
            cases = cases[::2]
            for name in ("first", "second"):
                yield Act(at=time() + dice.uniform(0, 1), owner="referral", events=tuple(_offer(case, name) for case in cases))
            due = recorded + FOLLOW_UP + timedelta(seconds=dice.uniform(-2, 0))
            scheduled = tuple(_follow_up(case, due) for case in cases)
            yield Act(at=time() + dice.uniform(0, 0.5), owner="monitoring", events=scheduled)
            yield from _answers(cases, recorded + STALL, dice, "planning", _progress)
        case referral.ReferralOffered():
            offered = {event.case_id: event.referral_id for event in act.events if isinstance(event, referral.ReferralOffered)}
            yield from _answers(cases, recorded + OFFER, dice, "referral", lambda case, dice: _reply(case, offered[case], dice))
        case monitoring.FollowUpScheduled() as first:
            yield from _answers(cases, first.due_at, dice, "monitoring", _care)


Say = Callable[[UUID, Random], Event]
Way = Callable[[float, Random], tuple[float, float, Cause]]
"""From a due time: when it is recorded, for how long the writer then stays open, and its cause."""


def _in_time(due: float, dice: Random) -> tuple[float, float, Cause]:
    return due - dice.uniform(0.05, 1.5), 0.0, SOMEBODY


def _in_time_but_open(due: float, dice: Random) -> tuple[float, float, Cause]:
    """The trap: recorded before the due time, committed up to two seconds later."""
    return due - dice.uniform(0.02, 0.3), dice.uniform(0.5, 2.0), SOMEBODY


def _at_the_last_moment(due: float, dice: Random) -> tuple[float, float, Cause]:
    return due + dice.uniform(-0.02, 0.02), 0.0, SOMEBODY


def _late(due: float, dice: Random) -> tuple[float, float, Cause]:
    return due + dice.uniform(0.02, 1.0), dice.choice([0.0, dice.uniform(0.5, 2.0)]), SOMEBODY


def _told_late(due: float, dice: Random) -> tuple[float, float, Cause]:
    """It happened in time and is entered afterwards: the alert is raised, and cleared."""
    occurred = datetime.fromtimestamp(due - dice.uniform(0.05, 1.0), UTC)
    return due + dice.uniform(0.1, 1.5), 0.0, replace(SOMEBODY, origin=Origin.OFFLINE, occurred_at=occurred)


WAYS: tuple[Way, ...] = (_in_time, _in_time_but_open, _at_the_last_moment, _late, _told_late)


def _answers(cases: Sequence[UUID], due: datetime, dice: Random, owner: str, say: Say) -> Iterator[Act]:
    """The cases are dealt out over the ways to meet or miss a deadline; the rest of them never answers."""
    mixed = dice.sample(cases, len(cases))
    for number, way in enumerate(WAYS):
        if dealt := mixed[number :: len(WAYS) + 1]:
            at, hold, cause = way(due.timestamp(), dice)
            yield Act(at=at, owner=owner, events=tuple(say(case, dice) for case in dealt), cause=cause, hold=hold)


def _opened(case: UUID) -> Iterator[Event]:
    yield intake.CaseReceived(
        case_id=case, agency=LEAD, region=REGION, source=intake.CaseSource.AGENCY, agency_kind=intake.AgencyKind.HOSPITAL
    )
    yield intake.CaseOpened(case_id=case, agency=LEAD, region=REGION, priority=intake.Priority.MEDIUM, under_way=False)


def _offer(case: UUID, name: str) -> Event:
    return referral.ReferralOffered(case_id=case, referral_id=uuid5(case, name), service_type="shelter", agency=PARTNER, attempt=1)


def _follow_up(case: UUID, due: datetime) -> Event:
    return monitoring.FollowUpScheduled(case_id=case, follow_up_id=uuid5(case, "by hand"), due_at=due, number=1)


def _reply(case: UUID, one: UUID, dice: Random) -> Event:
    """Mostly accepted, which is progress too."""
    match dice.randrange(4):
        case 0:
            reason = referral.DeclineReason.NO_CAPACITY
            return referral.ReferralDeclined(case_id=case, referral_id=one, agency=PARTNER, reason=reason)
        case 1:
            withdrawn = referral.WithdrawReason.NO_LONGER_NEEDED
            return referral.ReferralWithdrawn(case_id=case, referral_id=one, agency=PARTNER, reason=withdrawn)
        case _:
            return referral.ReferralAccepted(case_id=case, referral_id=one, agency=PARTNER)


def _progress(case: UUID, dice: Random) -> Event:
    """A step is done; or, now and then, the case is closed, which ends whatever still runs."""
    if dice.random() < 0.15:
        return planning.CaseClosed(case_id=case, outcome=planning.CaseOutcome.GOALS_REACHED)
    return planning.StepDone(case_id=case, step_id=uuid5(case, "step"), result=planning.StepResult.ACHIEVED)


def _care(case: UUID, dice: Random) -> Event:
    """The client is seen; or the follow-up is moved, or no longer needed."""
    one = uuid5(case, "by hand")
    match dice.randrange(5):
        case 0:
            later = datetime.fromtimestamp(time() + 4, UTC)
            return monitoring.FollowUpRescheduled(case_id=case, follow_up_id=one, due_at=later)
        case 1:
            return monitoring.FollowUpCancelled(case_id=case, follow_up_id=one, reason=monitoring.CancelReason.NO_LONGER_NEEDED)
        case number:
            result = monitoring.ContactResult.REACHED if number < 4 else monitoring.ContactResult.REFUSED
            return monitoring.ContactRecorded(
                case_id=case, contact_id=uuid5(case, "seen"), follow_up_id=one, result=result, channel=monitoring.ContactChannel.VISIT
            )
