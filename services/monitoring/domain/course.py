"""How the due time of a clock moves while it runs: set anew by one fact, moved by pauses as long as they last (domain.md, Clock)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from casebus.envelope import Origin
from services.monitoring.domain.fact import Fact


@dataclass(frozen=True, kw_only=True, slots=True)
class Retime:
    """The fact sets due and deadline anew. `since`: only pauses from then on move them; None: those before it count too."""

    fact: Fact
    due: datetime
    deadline: datetime
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """A clock's times by one policy, at first and after each fact that sets them anew."""

    due: datetime
    deadline: datetime
    retimes: tuple[Retime, ...] = ()

    def after(self, fact: Fact | None) -> tuple[datetime, datetime]:
        return next(((one.due, one.deadline) for one in self.retimes if one.fact == fact), (self.due, self.deadline))


@dataclass(frozen=True, kw_only=True, slots=True)
class Rebase:
    """A policy was adopted while the clock ran: its times by that one, counted from its start."""

    since: datetime
    times: Times
    may_lengthen: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Pause:
    """Time that doesn't count: from a fact until another one, at the latest until a moment that was set when it began."""

    begun: Fact
    until: datetime
    resumed: Fact | None = None


@dataclass(frozen=True, slots=True)
class Rest:
    """Time that doesn't count."""

    begins: datetime
    ends: datetime


def later(since: datetime, moment: datetime, rests: Iterable[Rest]) -> datetime:
    """A moment that is counted from `since`, later by the rests that begin before it: those that overlap count once."""
    reached = since
    for rest in sorted(rests, key=lambda one: (one.begins, one.ends)):
        if rest.begins >= moment:
            break
        begins = max(rest.begins, reached)
        if rest.ends > begins:
            moment += rest.ends - begins
            reached = rest.ends
    return moment


def awake(moment: datetime, rests: Iterable[Rest]) -> datetime:
    """The moment, or the end of the rest in which it lies."""
    for rest in sorted(rests, key=lambda one: (one.begins, one.ends)):
        if rest.begins <= moment < rest.ends:
            moment = rest.ends
    return moment


@dataclass(frozen=True, slots=True)
class Course:
    """Where a clock's due time stands after some of the facts that move it.

    `floor`: nobody is late before the fact that shortened the time was known.
    """

    set_due: datetime
    set_deadline: datetime
    since: datetime
    floor: datetime
    began: tuple[datetime, str, int]
    spans: tuple[tuple[Fact, datetime], ...] = ()
    """What began each pause, and when it ended or ends."""
    moved_by: tuple[Fact, ...] = ()
    retime: Fact | None = None
    """What set its time last."""

    @classmethod
    def of(cls, start: Fact, since: datetime, due: datetime, deadline: datetime) -> "Course":
        """`since`: what pauses from then on move them."""
        return cls(due, deadline, since, min(deadline, start.effective), start.order)

    @property
    def due(self) -> datetime:
        """What was due before it stood still was due then: a rest that begins later moves only the deadline."""
        return later(self.since, self.set_due, self._rests)

    @property
    def deadline(self) -> datetime:
        """Nobody becomes late while the clock stands still."""
        return max(self.set_deadline + self._paused, later(self.floor, self.floor, self._rests))

    @property
    def _paused(self) -> timedelta:
        """How long it stood still since it was last set: pauses that overlap count once."""
        total, reached = timedelta(0), self.since
        for rest in sorted(self._rests, key=lambda one: (one.begins, one.ends)):
            total += max(rest.ends - max(rest.begins, reached), timedelta(0))
            reached = max(reached, rest.ends)
        return total

    @property
    def _rests(self) -> list[Rest]:
        return [Rest(begun.effective, end) for begun, end in self.spans]

    def through(self, changes: Iterable[Retime | Pause | Rebase], answered: Sequence[Fact], decidable_from: datetime | None) -> "Course":
        """What moves it counts if it was recorded by the deadline that it changes, and before anything answered in time.

        Of imported history: if it took effect by that deadline and was recorded by the moment of the decision.
        """
        course = self
        halves = (half for change in changes for half in (_halves(change) if isinstance(change, Pause) else (change,)))
        for change in sorted(halves, key=_order):
            deadline = course.deadline
            is_answered = any(each.order < _order(change) and each.effective <= deadline for each in answered)
            if isinstance(change, Rebase):
                course = course if is_answered or change.since > deadline else course._rebased(change)
                continue
            fact = _told(change)
            too_late = fact.effective > deadline or fact.recorded_at > max(deadline, decidable_from or deadline)
            if fact.order > self.began and (is_answered or too_late):
                break
            course = course._after(change, fact)
        return course

    def _after(self, change: Retime | Pause, fact: Fact) -> "Course":
        if isinstance(change, Retime):
            moved = replace(self, set_due=change.due, set_deadline=change.deadline, since=change.since or self.since, retime=fact)
        else:
            end = change.until if change.resumed is None else min(change.until, change.resumed.effective)
            others = tuple(each for each in self.spans if each[0] is not change.begun)
            moved = replace(self, spans=(*others, (change.begun, end)))
        if (moved.due, moved.deadline) == (self.due, self.deadline):
            return moved
        if moved.deadline < self.deadline:
            known = fact.effective if fact.envelope.origin is Origin.IMPORT else fact.recorded_at
            moved = replace(moved, floor=max(self.floor, known))
        return replace(moved, moved_by=(*self.moved_by, fact))

    def _rebased(self, change: Rebase) -> "Course":
        """Earlier, but not before the adoption: nobody is late by a policy that wasn't there. Later only where the policy says so."""
        due, deadline = change.times.after(self.retime)
        begun = change.since - self._paused

        def moved(old: datetime, new: datetime) -> datetime:
            return new if change.may_lengthen and new > old else min(old, max(new, begun))

        course = replace(self, set_due=moved(self.set_due, due), set_deadline=moved(self.set_deadline, deadline))
        return course if course.deadline >= self.deadline else replace(course, floor=max(self.floor, change.since))


def _order(change: Retime | Pause | Rebase) -> tuple[datetime, str, int]:
    """A policy holds for what is recorded at the moment of its adoption."""
    return (change.since, "", 0) if isinstance(change, Rebase) else _told(change).order


def _halves(pause: Pause) -> Iterable[Pause]:
    """A pause counts from when it began, as if it lasted to its end; what resumes it shortens it."""
    yield replace(pause, resumed=None)
    if pause.resumed is not None:
        yield pause


def _told(change: Retime | Pause) -> Fact:
    """The fact by which it is known."""
    return change.fact if isinstance(change, Retime) else change.resumed or change.begun
