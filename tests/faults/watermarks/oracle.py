"""Which alerts there must be, by docs/domain.md and the committed rows alone: nothing of monitoring's own rules is used here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from uuid import UUID

from sqlalchemy import Engine, text

from casebus.codec import Codec
from casebus.contracts import intake, monitoring, planning, referral
from casebus.event import Event
from tests.faults.watermarks.duties import OFFER, PROGRESS, STALL

_ROWS = text("""
    SELECT subject, case_seq, value, attributes ->> 'origin', occurred_at, recorded_at FROM own.outbox WHERE topic = :topic ORDER BY id""")
Place = tuple[datetime, tuple[datetime, str, int]]


@dataclass(frozen=True, slots=True)
class Told:
    """One committed event: when it was recorded, from when it counts, and its place among all of its case."""

    event: Event
    recorded: datetime
    effective: datetime
    order: tuple[datetime, str, int]

    @property
    def place(self) -> Place:
        return self.effective, self.order


@dataclass(frozen=True, order=True, slots=True)
class Alarm:
    """One alert that there must be, or that there is. `closed` says by which event it ended, if it did."""

    case: UUID
    rule: str
    subject: UUID
    due: datetime
    closed: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Duty:
    """A start with everything that can answer it, in any order. `moves` are re-times."""

    rule: str
    subject: UUID
    start: Told
    due: datetime
    stops: tuple[Told, ...]
    ends: tuple[Told, ...]
    moves: tuple[tuple[Told, datetime], ...] = ()


def committed(engines: Mapping[str, Engine], codec: Codec) -> dict[UUID, list[Told]]:
    """By case: everything that its owners have committed."""
    cases: dict[UUID, list[Told]] = {}
    for owner, engine in engines.items():
        with engine.connect() as connection:
            for case, seq, value, origin, occurred, recorded in connection.execute(_ROWS, {"topic": f"{owner}.case.v1"}):
                effective = occurred if origin in ("OFFLINE", "IMPORT") else recorded
                cases.setdefault(case, []).append(Told(codec.decode(value), recorded, effective, (recorded, owner, seq)))
    return cases


def expected(case: UUID, told: Sequence[Told]) -> Iterator[Alarm | None]:
    """For every clock of the case its alarm, or None where nobody is to be told."""
    ordered = sorted(told, key=attrgetter("order"))
    for duty in (*_offers(ordered), *_follow_ups(ordered), *_stalls(case, ordered)):
        yield _alarm(case, duty)


def raised(told: Sequence[Told]) -> Iterator[Alarm]:
    """What monitoring said."""
    closed = {
        each.event.alert_id: type(each.event).__name__
        for each in told
        if isinstance(each.event, monitoring.AlertResolved | monitoring.AlertAutoCleared)
    }
    for each in told:
        if isinstance(each.event, monitoring.AlertRaised):
            one = each.event
            yield Alarm(one.case_id, one.rule, one.subject_id, one.due_at, closed.get(one.alert_id, ""))


def _alarm(case: UUID, duty: Duty) -> Alarm | None:
    answers = sorted((*duty.stops, *duty.ends), key=attrgetter("order"))
    due = _moved(duty, answers)
    decided = max(due, duty.start.recorded)
    if any(each.recorded <= decided for each in answers):
        return None  # answered in time, or at least before anybody had to be told
    closed = ""
    if answers:
        first = answers[0]
        closed = "AlertAutoCleared" if first in duty.ends or first.effective <= due else "AlertResolved"
    return Alarm(case, duty.rule, duty.subject, due, closed)


def _moved(duty: Duty, answers: Sequence[Told]) -> datetime:
    """A move counts if it was told by the due time that it changes, and before an answer in time."""
    due = duty.due
    for move, later in duty.moves:
        if move.recorded > due or any(each.order < move.order and each.effective <= due for each in answers):
            break
        due = later
    return due


def _closings(told: Sequence[Told], start: Told) -> tuple[Told, ...]:
    """Closures that took effect after the start, or were told after it."""
    closed = (each for each in told if isinstance(each.event, planning.CaseClosed))
    return tuple(each for each in closed if each.order > start.order or each.place > start.place)


def _offers(told: Sequence[Told]) -> Iterator[Duty]:
    for start in told:
        if isinstance(start.event, referral.ReferralOffered):
            one = start.event.referral_id
            yield Duty(
                "REFERRAL_UNANSWERED",
                one,
                start,
                start.effective + OFFER,
                stops=_about(told, one, referral.ReferralAccepted, referral.ReferralDeclined),
                ends=(*_about(told, one, referral.ReferralWithdrawn), *_closings(told, start)),
            )


def _follow_ups(told: Sequence[Told]) -> Iterator[Duty]:
    for start in told:
        if isinstance(start.event, monitoring.FollowUpScheduled):
            one = start.event.follow_up_id
            moves = (
                (each, each.event.due_at)
                for each in told
                if isinstance(each.event, monitoring.FollowUpRescheduled) and each.event.follow_up_id == one
            )
            yield Duty(
                "MISSED_FOLLOW_UP",
                one,
                start,
                start.event.due_at,
                stops=_about(told, one, monitoring.ContactRecorded),
                ends=(*_about(told, one, monitoring.FollowUpCancelled), *_closings(told, start)),
                moves=tuple(moves),
            )


def _about(told: Sequence[Told], one: UUID, *kinds: type[Event]) -> tuple[Told, ...]:
    return tuple(each for each in told if isinstance(each.event, kinds) and one in each.event.says().values())


def _stalls(case: UUID, told: Sequence[Told]) -> Iterator[Duty]:
    """After the opening, and after each progress while the case was open by what was known then."""
    progress = [each for each in told if _is_progress(each.event)]
    openings = [each for each in told if isinstance(each.event, intake.CaseOpened)]
    for start in (*openings, *(each for each in progress if _was_open(told, each))):
        stops = tuple(each for each in progress if each.place > start.place)
        yield Duty("STALLED_CASE", case, start, start.effective + STALL, stops=stops, ends=_closings(told, start))


def _is_progress(event: Event) -> bool:
    seen = not isinstance(event, monitoring.ContactRecorded) or event.result is monitoring.ContactResult.REACHED
    return event.TYPE in PROGRESS and seen


def _was_open(told: Sequence[Told], then: Told) -> bool:
    """Opened and not closed, by what was told before and took effect before."""
    before = [each.event for each in told if each.order < then.order and each.place < then.place]
    opened = any(isinstance(event, intake.CaseOpened) for event in before)
    return opened and not any(isinstance(event, planning.CaseClosed) for event in before)
