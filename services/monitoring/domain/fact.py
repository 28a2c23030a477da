"""What is known of a case: every event of it, in the one order that does not depend on how it arrived."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TypeVar, cast
from uuid import UUID

from casebus.contracts import intake, planning, referral
from casebus.contracts.intake import Priority
from casebus.contracts.monitoring import FollowUpScheduled
from casebus.envelope import Envelope, Head, Origin
from casebus.event import Event
from services.monitoring.domain.importing import TELL_OF_IMPORTS, Import, told_of_import

E = TypeVar("E", bound=Event)
URGENCY = {priority: rank for rank, priority in enumerate((Priority.LOW, Priority.MEDIUM, Priority.HIGH, Priority.CRITICAL))}


def effective(envelope: Head) -> datetime:
    """When an event counts from: for IMPORT and OFFLINE when it occurred, else when it was recorded (domain.md)."""
    return envelope.occurred_at if envelope.origin in (Origin.IMPORT, Origin.OFFLINE) else envelope.recorded_at


@dataclass(frozen=True, slots=True)
class Fact:
    """One event with its envelope. `order` is total: no two facts of a case share it.

    What most decisions ask of most facts is beside them, so that who keeps facts need not read all of each (services/monitoring/kept.py).
    """

    event: Event
    envelope: Envelope

    @property
    def kind(self) -> type[Event]:
        return type(self.event)

    @property
    def id(self) -> UUID:
        return self.envelope.event_id

    @property
    def correlation_id(self) -> UUID:
        return self.envelope.correlation_id

    @property
    def traceparent(self) -> str | None:
        return self.envelope.traceparent

    @property
    def import_id(self) -> UUID | None:
        """The import that brought it, of history; None for anything else."""
        return self.envelope.import_id if self.envelope.origin is Origin.IMPORT else None

    @property
    def recorded_at(self) -> datetime:
        return self.envelope.recorded_at

    @property
    def effective(self) -> datetime:
        return effective(self.envelope)

    @property
    def order(self) -> tuple[datetime, str, int]:
        return self.envelope.recorded_at, self.envelope.owner, self.envelope.case_seq

    @property
    def place(self) -> tuple[datetime, tuple[datetime, str, int]]:
        """Where it lies in what happened: by when it took effect."""
        return self.effective, self.order

    def follows(self, start: "Fact") -> bool:
        """Whether it took effect later than that one, or was told later."""
        return self.order > start.order or self.place > start.place


@dataclass(frozen=True)
class History:
    """The facts of one case recorded before `below`: what a decision may rest on. The order in which they arrived is lost on purpose."""

    case_id: UUID
    facts: tuple[Fact, ...]

    @classmethod
    def below(cls, case_id: UUID, facts: list[Fact], watermark: datetime) -> "History":
        return cls(case_id, tuple(sorted((f for f in facts if f.recorded_at < watermark), key=lambda f: f.order)))

    def of(self, *kinds: type[E]) -> Iterator[tuple[Fact, E]]:
        """The facts of these kinds, in order, each with its event."""
        for fact in self.facts_of(*kinds):
            yield fact, cast(E, fact.event)

    def facts_of(self, *kinds: type[Event]) -> list[Fact]:
        """The same without what they say."""
        if len(kinds) == 1:
            return self._by_kind.get(kinds[0], [])
        return [fact for fact in self.facts if fact.kind in kinds]

    @cached_property
    def _by_kind(self) -> dict[type[Event], list[Fact]]:
        found: dict[type[Event], list[Fact]] = {}
        for fact in self.facts:
            found.setdefault(fact.kind, []).append(fact)
        return found

    @cached_property
    def _begun(self) -> intake.CaseReceived | referral.ServiceListed | None:
        """With what the story begins: a case's, or that of an entry of the directory, which has no lead but its own agency."""
        received = next((event for _, event in self.of(intake.CaseReceived)), None)
        return received or next((event for _, event in self.of(referral.ServiceListed)), None)

    @cached_property
    def region(self) -> str:
        return self._begun.region if self._begun else ""

    def lead_at(self, moment: datetime) -> str:
        """The agency that led, as it was known at a moment: asked later, the answer is the same. Empty where no case was received."""
        handed = [event.to_agency for fact, event in self.of(intake.LeadHandedOver) if fact.recorded_at <= moment]
        return handed[-1] if handed else self._begun.agency if self._begun else ""

    @cached_property
    def leads(self) -> tuple[str, ...]:
        """Every agency that has led it, the first one first."""
        first = (self._begun.agency,) if self._begun else ()
        return tuple(dict.fromkeys((*first, *(event.to_agency for _, event in self.of(intake.LeadHandedOver)))))

    @cached_property
    def is_whole(self) -> bool:
        """Whether it has its beginning: without that, nobody would be responsible for what follows."""
        return self._begun is not None

    def closures_after(self, start: Fact) -> tuple[Fact, ...]:
        """The closures that end what this fact began: those that took effect later, or were told later."""
        return tuple(fact for fact in self._closures if fact.follows(start))

    def priority_at(self, fact: Fact) -> Priority:
        """The priority as it was known when the fact was recorded; MEDIUM before triage. What counts from a moment before that keeps the
        priority of it, where it has fallen meanwhile."""
        priority, later = self._begun_by(fact)
        return max((priority, *(raised for _, raised in later)), key=URGENCY.__getitem__)

    def priority_known(self, moment: datetime) -> Priority:
        """The priority as it was known then; MEDIUM before triage."""
        return next((priority for fact, priority in reversed(self._triages) if fact.recorded_at <= moment), Priority.MEDIUM)

    def fallen_before(self, fact: Fact) -> Priority | None:
        """The priority at the moment that a fact counts from, if one that is lower was told before the fact."""
        priority, later = self._begun_by(fact)
        return priority if any(URGENCY[fallen] < URGENCY[priority] for _, fallen in later) else None

    def _begun_by(self, fact: Fact) -> tuple[Priority, list[tuple[Fact, Priority]]]:
        """The priority at the moment that a fact counts from, and those that took effect after it and were told before the fact."""
        since = fact.event.counted_from if isinstance(fact.event, FollowUpScheduled) else None
        begun, later = Priority.MEDIUM, []
        for number, (known, priority) in enumerate(self._triages):
            if known.order > fact.order:
                break
            if since is None or number == 0 or known.effective <= since:
                begun = priority
            else:
                later.append((known, priority))
        return begun, later

    @property
    def priority(self) -> Priority:
        """As it is known now."""
        return self._triages[-1][1] if self._triages else Priority.MEDIUM

    def rebases_after(self, start: Fact, resets: Iterable[Fact] = ()) -> Iterator[tuple[Fact, Priority]]:
        """What changes the times of clocks that run (domain.md, Clock): the first triage, and each later rise above the priority by which
        the clock runs: that of its start, or of what reset it."""
        current, left = self.priority_at(start), sorted(resets, key=lambda fact: fact.order, reverse=True)
        for number, (fact, priority) in enumerate(self._triages):
            while left and left[-1].order < fact.order:
                current = self.priority_at(left.pop())
            if fact.order > start.order and priority is not current and (number == 0 or URGENCY[priority] > URGENCY[current]):
                current = priority
                yield fact, priority

    def rises_before(self, fact: Fact) -> Iterator[tuple[Fact, Priority]]:
        """What raised the priority after the moment that a fact counts from, and was told before it: who stated that may not have heard."""
        current, later = self._begun_by(fact)
        for known, priority in later:
            if URGENCY[priority] > URGENCY[current]:
                current = priority
                yield known, priority

    def priorities_after(self, moment: datetime) -> Iterator[tuple[datetime, Priority]]:
        """Each that was told later than that, with when."""
        return ((fact.recorded_at, priority) for fact, priority in self._triages if fact.recorded_at > moment)

    @cached_property
    def _closures(self) -> list[Fact]:
        return self.facts_of(planning.CaseClosed)

    @cached_property
    def _triages(self) -> list[tuple[Fact, Priority]]:
        triaged = [(fact, event.priority) for fact, event in self.of(intake.CaseTriaged)]
        changed = [(fact, event.priority) for fact, event in self.of(intake.PriorityChanged)]
        return sorted((*triaged, *changed), key=lambda one: one[0].order)

    @cached_property
    def _completions(self) -> dict[UUID, datetime]:
        """By import: when it became complete. What is said of it after that changes nothing. One that broke off, and whose place another
        took, is complete with that one."""
        known: dict[UUID, Import] = {}
        begun: list[UUID] = []
        complete: dict[UUID, datetime] = {}
        for fact in self.facts_of(*TELL_OF_IMPORTS):
            if (told := told_of_import(fact.event, fact.envelope.owner)) is not None:
                one, part = told
                known[one] = known.get(one, Import()) | part
                if part.named and one not in begun:
                    begun.append(one)
                if known[one].is_complete:
                    for each in begun[: begun.index(one) + 1]:
                        complete.setdefault(each, fact.recorded_at)
        return complete

    def decidable_from(self, start: Fact) -> datetime | None:
        """The earliest moment at which a clock with this start may be decided, None while the import it came by is not complete."""
        import_id = start.import_id
        if import_id is None:
            return start.recorded_at
        complete = self._completions.get(import_id)
        return None if complete is None else max(complete, start.recorded_at)
