"""What holds a ladder (domain.md, The ladder): an acknowledgement and work on the alert for a while, a snooze and the rest of its case for
as long as they last. Only what was recorded counts, from when it was recorded.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from casebus.contracts.intake import CaseTriaged, Priority, PriorityChanged
from casebus.contracts.monitoring import (
    AlertAcknowledged,
    AlertAutoCleared,
    AlertEscalated,
    AlertRaised,
    AlertResolved,
    AlertSuppressed,
    AlertTaken,
)
from casebus.contracts.planning import CaseSuspended
from services.monitoring.domain.conditions import Conditions
from services.monitoring.domain.course import Rest, later
from services.monitoring.domain.fact import Fact, History
from services.monitoring.domain.regime import Law

OfAnAlert = AlertAcknowledged | AlertTaken | AlertSuppressed | AlertEscalated | AlertResolved | AlertAutoCleared
TOLD: tuple[type[OfAnAlert], ...] = (AlertAcknowledged, AlertTaken, AlertSuppressed, AlertEscalated, AlertResolved, AlertAutoCleared)
"""What is told of an alert after it was raised, and ends how it was held before."""
RESTING = Conditions(start=())
WindowOf = Callable[[datetime], datetime | None]
"""When a window ends that began then, later by the rests in it; None at the top of the ladder."""


@dataclass(frozen=True)
class Holding:
    """All that holds the ladder of one alert, from when it was raised until what it is about was done or over (`ended`). A case's rest
    holds none that watches over safety."""

    history: History
    law: Law
    raised: Fact
    alert: AlertRaised
    is_safety: bool
    ended: datetime | None = None

    def leaves(self, since: datetime, window_of: WindowOf) -> datetime | None:
        """When a rung is left upwards that was told then; None where it never is. An acknowledgement begins its window anew, once; who took
        the alert in work has until the time that she said."""
        moment = window_of(since)
        if moment is None:
            return None
        seen = self._first(AlertAcknowledged, since, moment)
        if seen is not None:
            moment = window_of(seen.recorded_at) or moment
        taken = self._first(AlertTaken, since, moment)
        moment = moment if taken is None else max(moment, self._end(taken))
        return None if self._is_ended(moment) else moment

    def over(self) -> Iterator[tuple[Fact, datetime]]:
        """Each time that it was in work or put off until its end, and nothing else was told of it before: with that end."""
        for fact in self._told:
            if fact.kind in (AlertTaken, AlertSuppressed):
                end = self._end(fact)
                if not self._is_ended(end) and not any(other.order > fact.order and other.recorded_at <= end for other in self._told):
                    yield fact, end

    @cached_property
    def rests(self) -> tuple[Rest, ...]:
        """The time in which the alert was put off, and in which its case rested."""
        put_off = (Rest(fact.recorded_at, self._cut(fact)) for fact in self._told if fact.kind is AlertSuppressed)
        return (*self._of_case, *put_off)

    def _is_ended(self, moment: datetime) -> bool:
        return self.ended is not None and self.ended <= moment

    def _end(self, fact: Fact) -> datetime:
        """Until when this one holds; a rest of the case moves the time by which work has to be done."""
        said = fact.event
        assert isinstance(said, AlertTaken | AlertSuppressed)  # only those have an end
        if isinstance(said, AlertTaken):
            return later(fact.recorded_at, said.until_at, self._of_case)
        return min([said.until_at, *self._critical_after(fact)])

    def _cut(self, fact: Fact) -> datetime:
        """A snooze lasts until its end, or until something else is told of the alert."""
        return min([self._end(fact), *(other.recorded_at for other in self._told if other.order > fact.order)])

    def _critical_after(self, fact: Fact) -> Iterator[datetime]:
        """From when on the case was critical: what is critical is never put off."""
        if self.history.priority_at(fact) is Priority.CRITICAL:
            yield fact.recorded_at
        told: tuple[type[CaseTriaged | PriorityChanged], ...] = (CaseTriaged, PriorityChanged)
        for kind in told:
            for later_on, event in self.history.of(kind):
                if later_on.order > fact.order and event.priority is Priority.CRITICAL:
                    yield later_on.recorded_at

    def _first(self, kind: type[AlertAcknowledged | AlertTaken], since: datetime, until: datetime) -> Fact | None:
        return next((fact for fact in self._told if fact.kind is kind and since < fact.recorded_at <= until), None)

    @cached_property
    def _told(self) -> list[Fact]:
        one = self.alert.alert_id
        found = (fact for kind in TOLD for fact, event in self.history.of(kind) if event.alert_id == one)
        return sorted((fact for fact in found if fact.order > self.raised.order), key=lambda fact: fact.order)

    @cached_property
    def _of_case(self) -> tuple[Rest, ...]:
        return () if self.is_safety else tuple(_of_case(self.history, self.law))


def _of_case(history: History, law: Law) -> Iterator[Rest]:
    """Each suspension until it was resumed, at the latest until its day of review was over by the calendar of who led the case."""
    for fact in history.facts_of(CaseSuspended):
        policy = law.of(history.lead_at(fact.recorded_at)).at(fact.recorded_at)
        for pause in RESTING.pauses(history, policy):
            if pause.begun == fact:
                resumed = pause.resumed.recorded_at if pause.resumed else pause.until
                yield Rest(fact.recorded_at, min(pause.until.astimezone(UTC), resumed))
