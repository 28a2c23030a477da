"""The six conditions of a duty's clock, as data beside the rule that uses them: start, stop, cancel, reset, pause, resume."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from casebus.contracts.intake import CaseDeclined, CaseRedirected, Priority
from casebus.contracts.planning import CaseClosed, CaseResumed, CaseSuspended
from casebus.event import Event
from services.monitoring.domain.clock import Clock
from services.monitoring.domain.course import Pause, Retime
from services.monitoring.domain.fact import Fact, History
from services.monitoring.domain.policy import Policy

Times = tuple[datetime, datetime]
"""When it is due, and, with its grace, when it is missed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What times depend on: the fact that they count from (the start, or what reset it), policy and priority; `raised`: since then."""

    start: Fact
    since: Fact
    policy: Policy
    priority: Priority
    raised: bool = False


TimesOf = Callable[[Asked], Times | None]
"""None where this one has no time."""
AgencyOf = Callable[[Any], str | None]
"""Of the start's event, who answers for it; None: the lead."""


@dataclass(frozen=True, slots=True)
class On:
    """Events of a kind; `having`: only those in which each of these fields has one of its values."""

    kind: type[Event]
    having: tuple[tuple[str, frozenset[object]], ...] = ()

    def facts(self, history: History) -> Iterator[Fact]:
        for fact in history.facts_of(self.kind):
            if all(getattr(fact.event, name) in values for name, values in self.having):
                yield fact


def on(kind: type[Event], /, **having: Collection[object]) -> On:
    """`on(ContactRecorded, result={REACHED})`."""
    return On(kind, tuple((name, frozenset(values)) for name, values in sorted(having.items())))


CASE_ENDS = (on(CaseClosed), on(CaseDeclined), on(CaseRedirected))


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """`stop` is the duty done; `cancel` the end of what it was about; `reset` begins its time anew. It stands still from a `pause` to the
    next `resume`, at the latest until the pause's day of review is over; a safety clock has no pause.

    `about`: the field by which an answer belongs to a start ("referral_id"); empty where all of them are of the case as a whole. What lacks
    the field is about the case. An answer took effect after the start, or was told after it.
    """

    start: tuple[On, ...]
    stop: tuple[On, ...] = ()
    cancel: tuple[On, ...] = CASE_ENDS
    reset: tuple[On, ...] = ()
    pause: tuple[On, ...] = (on(CaseSuspended),)
    resume: tuple[On, ...] = (on(CaseResumed), *CASE_ENDS)
    about: str = ""

    def starts(self, history: History) -> Iterator[Fact]:
        return _facts(self.start, history)

    def subject(self, start: Fact) -> UUID:
        """What the clock is about: the thing, or the case."""
        found: UUID = getattr(start.event, self.about or "subject")
        return found

    def answers(self, wanted: tuple[On, ...], history: History, start: Fact) -> tuple[Fact, ...]:
        return tuple(fact for fact in _facts(wanted, history) if self.belongs(fact, start))

    def pauses(self, history: History, policy: Policy) -> Iterator[Pause]:
        """Each pause of the case with what ended it. What lies before a clock's start doesn't move it."""
        ends = sorted(_facts(self.resume, history), key=lambda fact: fact.order)
        for begun in _facts(self.pause, history):
            review_on: date = begun.event.review_on  # type: ignore[attr-defined]  # what pauses names the day of its review
            resumed = next((fact for fact in ends if fact.order > begun.order), None)
            yield Pause(begun=begun, until=policy.calendar.end_of(review_on).astimezone(UTC), resumed=resumed)

    def belongs(self, fact: Fact, start: Fact) -> bool:
        """Whether it can be an answer to what the start began."""
        if not fact.follows(start):
            return False
        if not self.about or not hasattr(fact.kind, self.about):
            return True
        return bool(getattr(fact.event, self.about) == getattr(start.event, self.about))


def by_policy(name: str) -> TimesOf:
    """The policy's time of the duty, counted from its start."""

    def times(asked: Asked) -> Times:
        return asked.policy.duty(name, asked.since.effective, asked.priority)

    return times


def at_once(asked: Asked) -> Times:
    """Due the moment it starts: whoever is told has to act."""
    return asked.since.effective, asked.since.effective


def clocks_of(conditions: Conditions, times: TimesOf, agency: AgencyOf | None) -> Callable[[History, Policy], Iterator[Clock]]:
    """The clocks that these conditions give a history. Without an agency the lead answers for it."""

    def clocks(history: History, policy: Policy) -> Iterator[Clock]:
        pauses = tuple(conditions.pauses(history, policy))
        for start in conditions.starts(history):
            due = times(Asked(start, start, policy, history.priority_at(start)))
            if due is None:
                continue
            yield Clock(
                subject=conditions.subject(start),
                start=start,
                due=due[0],
                deadline=due[1],
                agency=agency(start.event) if agency else None,
                stops=conditions.answers(conditions.stop, history, start),
                ends=conditions.answers(conditions.cancel, history, start),
                retimes=tuple(retimes(history, policy, start, times, conditions.answers(conditions.reset, history, start))),
                pauses=pauses,
            )

    return clocks


def retimes(history: History, policy: Policy, start: Fact, times: TimesOf, resets: Iterable[Fact] = ()) -> Iterator[Retime]:
    """A reset begins the time anew. A raised priority counts from the original start: what has passed is kept, and so are the pauses."""
    begun, resets = start, tuple(resets)
    anew = [(fact, history.priority_at(fact), True) for fact in resets]
    raised = [(fact, priority, False) for fact, priority in history.rebases_after(start, resets)]
    for fact, priority, is_reset in sorted((*anew, *raised), key=lambda one: one[0].order):
        begun = fact if is_reset else begun
        moved = times(Asked(start, begun, policy, priority, raised=not is_reset))
        if moved is not None:
            yield Retime(fact=fact, due=moved[0], deadline=moved[1], since=fact.effective if is_reset else None)


def _facts(wanted: tuple[On, ...], history: History) -> Iterator[Fact]:
    for each in wanted:
        yield from each.facts(history)
