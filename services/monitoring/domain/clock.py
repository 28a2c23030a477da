"""A duty's clock: started by one fact, stopped by others, decided once and for all (domain.md, "Never a false accusation").

It is decided when the watermark is greater than its moment: its deadline, or, where later, the moment from which its start may be decided.
It is breached iff no stop took effect by the deadline and was recorded by the moment. One recorded later, effective in time, clears it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.monitoring.domain.course import Course, Pause, Rebase, Retime
from services.monitoring.domain.fact import Fact


class State(StrEnum):
    """Where a clock stands."""

    RUNNING = "RUNNING"
    MET = "MET"
    CANCELLED = "CANCELLED"
    BREACHED = "BREACHED"


class Ending(StrEnum):
    """How a breach came to its end."""

    MADE_UP = "MADE_UP"  # done, too late
    CLEARED = "CLEARED"  # done in time, known too late
    ENDED = "ENDED"  # what it was about came to its end


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """`round` is the id of the event that started it: the same duty started again is another clock.

    `ends` cancel it, `retimes` set it anew, `pauses` move it by as long as they last, `rebases` are policies
    that were adopted while it ran. `counted_from`: what time pauses from then on move; None: its start.
    `agency` is responsible; None says that it is whoever leads the case at the moment of the decision.
    """

    subject: UUID
    start: Fact
    due: datetime
    deadline: datetime
    counted_from: datetime | None = None
    agency: str | None = None
    stops: tuple[Fact, ...] = ()
    ends: tuple[Fact, ...] = ()
    retimes: tuple[Retime, ...] = ()
    pauses: tuple[Pause, ...] = ()
    rebases: tuple[Rebase, ...] = ()

    @property
    def round(self) -> UUID:
        return self.start.id


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What is known of a clock below a watermark. What was said stays said as the watermark rises.

    `moment` is when it is decided, None where that isn't known yet. `history`: what ended the breach was known by then, so nobody is told.
    `look` is the moment after which to look again. `moved_by`: the facts that changed when it was due.
    """

    state: State
    due: datetime
    deadline: datetime
    moment: datetime | None = None
    history: bool = False
    ending: Ending | None = None
    evidence: Fact | None = None
    look: datetime | None = None
    moved_by: tuple[Fact, ...] = field(default=(), compare=False)


def judge(clock: Clock, watermark: datetime, decidable_from: datetime | None) -> Verdict:
    """Decide the clock from the facts it holds, all of which were recorded below the watermark."""
    answered = sorted((*clock.stops, *clock.ends), key=lambda fact: fact.order)
    course = Course.of(clock.start, clock.counted_from or clock.start.effective, clock.due, clock.deadline).through(
        [*clock.retimes, *clock.pauses, *clock.rebases], answered, decidable_from
    )
    due, deadline, moved = course.due, course.deadline, course.moved_by
    in_time = [fact for fact in answered if fact.effective <= deadline]
    if decidable_from is None:
        return Verdict(state=State.RUNNING, due=due, deadline=deadline, moved_by=moved)
    moment = max(deadline, decidable_from)
    if in_time and in_time[0].recorded_at <= moment:
        state = State.MET if in_time[0] in clock.stops else State.CANCELLED
        return Verdict(state=state, due=due, deadline=deadline, moment=moment, moved_by=moved)
    if watermark <= moment:
        return Verdict(state=State.RUNNING, due=due, deadline=deadline, moment=moment, look=moment, moved_by=moved)
    return _breached(clock, course, moment, answered)


def _breached(clock: Clock, course: Course, moment: datetime, answered: list[Fact]) -> Verdict:
    """Whatever is recorded first ends the breach; it is history where that was known by the moment of the decision."""
    known = [fact for fact in answered if fact.recorded_at <= moment]
    evidence = min(known, key=lambda fact: (fact.effective, fact.order)) if known else next(iter(answered), None)
    return Verdict(
        state=State.BREACHED,
        due=course.due,
        deadline=course.deadline,
        moment=moment,
        history=bool(known),
        ending=_ending(clock, evidence, course.deadline) if evidence else None,
        evidence=evidence,
        moved_by=course.moved_by,
    )


def _ending(clock: Clock, evidence: Fact, deadline: datetime) -> Ending:
    if evidence in clock.ends:
        return Ending.ENDED
    return Ending.CLEARED if evidence.effective <= deadline else Ending.MADE_UP
