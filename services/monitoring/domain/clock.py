"""A duty's clock: started by one fact, stopped by others, decided once and for all (domain.md, "Never a false accusation").

It is decided when the watermark is greater than its moment: its deadline, or, where later, the moment from which its start may be decided. It is
breached iff no stop took effect by the deadline and was recorded by the moment. One recorded later, effective in time, clears it.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

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
    """`round` is the id of the event that started it: the same duty started again is another clock. `ends` cancel it; `retimes` move its deadline."""

    subject: UUID
    start: Fact
    due: datetime
    deadline: datetime
    agency: str
    stops: tuple[Fact, ...] = ()
    ends: tuple[Fact, ...] = ()
    retimes: tuple[tuple[Fact, datetime, datetime], ...] = ()

    @property
    def round(self) -> UUID:
        return self.start.envelope.event_id


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What is known of a clock below a watermark. What was said stays said as the watermark rises.

    `history`: what ended the breach was known when it was decided, so nobody is told. `look` is the moment after which to look again.
    """

    state: State
    due: datetime
    deadline: datetime
    history: bool = False
    ending: Ending | None = None
    evidence: Fact | None = None
    look: datetime | None = None


def judge(clock: Clock, watermark: datetime, decidable_from: datetime | None) -> Verdict:
    """Decide the clock from the facts it holds, all of which were recorded below the watermark."""
    due, deadline = _retimed(clock)
    answered = sorted((*clock.stops, *clock.ends), key=lambda fact: fact.order)
    in_time = [fact for fact in answered if fact.effective <= deadline]
    if decidable_from is None:
        return Verdict(state=State.RUNNING, due=due, deadline=deadline)
    moment = max(deadline, decidable_from)
    if any(fact.recorded_at <= moment for fact in in_time):
        first = min((fact for fact in in_time if fact.recorded_at <= moment), key=lambda fact: (fact.effective, fact.order))
        return Verdict(state=State.MET if first in clock.stops else State.CANCELLED, due=due, deadline=deadline)
    if watermark <= moment:
        return Verdict(state=State.RUNNING, due=due, deadline=deadline, look=moment)
    return _breached(clock, due, deadline, moment, answered)


def _breached(clock: Clock, due: datetime, deadline: datetime, moment: datetime, answered: list[Fact]) -> Verdict:
    """Whatever is recorded first ends the breach; it is history where that was known by the moment of the decision."""
    if not answered:
        return Verdict(state=State.BREACHED, due=due, deadline=deadline)
    known = [fact for fact in answered if fact.recorded_at <= moment]
    evidence = min(known, key=lambda fact: (fact.effective, fact.order)) if known else answered[0]
    if evidence in clock.ends:
        ending = Ending.ENDED
    else:
        ending = Ending.CLEARED if evidence.effective <= deadline else Ending.MADE_UP
    return Verdict(state=State.BREACHED, due=due, deadline=deadline, history=bool(known), ending=ending, evidence=evidence)


def _retimed(clock: Clock) -> tuple[datetime, datetime]:
    """A re-time counts only if it was recorded by the deadline that it changes."""
    due, deadline = clock.due, clock.deadline
    for fact, new_due, new_deadline in sorted(clock.retimes, key=lambda retime: retime[0].order):
        if fact.recorded_at > deadline:
            break
        due, deadline = new_due, new_deadline
    return due, deadline
