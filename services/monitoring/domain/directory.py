"""Who can be told of alerts (S67, S73): people by opaque id, with functions, teams, absences and deputies, as known at any moment."""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from casebus.contracts.monitoring import AbsenceNoted, Function, PersonListed, PersonUnlisted, Rung

Said = PersonListed | PersonUnlisted | AbsenceNoted
OF_A_REGION = frozenset({Rung.COORDINATOR, Rung.DUTY_AUTHORITY})
"""The rungs whose people are of the region; all others are of an agency."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """An entry of the directory. `absences`: from and until, by their beginning."""

    id: UUID
    version: int = 0
    person: str = ""
    agency: str = ""
    region: str = ""
    functions: frozenset[Function] = frozenset()
    team: str | None = None
    deputy: str | None = None
    is_listed: bool = False
    absences: tuple[tuple[datetime, datetime], ...] = ()

    def after(self, said: Said) -> "Person":
        """The entry with this said of it; itself where that is nothing new."""
        changed = self
        match said:
            case PersonListed():
                told = {name: getattr(said, name) for name in ("person", "agency", "region", "team", "deputy")}
                changed = replace(self, functions=frozenset(said.functions), is_listed=True, **told)
            case PersonUnlisted():
                changed = replace(self, is_listed=False)
            case AbsenceNoted():
                others = (each for each in self.absences if each[0] != said.begins_at)
                new = ((said.begins_at, said.ends_at),) if said.ends_at > said.begins_at else ()
                changed = replace(self, absences=tuple(sorted((*others, *new))))
        return self if changed == self else replace(changed, version=self.version + 1)

    def is_away(self, moment: datetime) -> bool:
        return any(begins <= moment < ends for begins, ends in self.absences)


@dataclass(frozen=True, kw_only=True, slots=True)
class Duty:
    """Of what a target is looked for: the agencies that share the duty (the responsible one first), the region, and whose case it is: the
    first of `workers` who is listed."""

    agencies: tuple[str, ...]
    region: str
    workers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Who is told on a rung: people by id; none where the directory lists nobody of the place, which is told as a whole then."""

    rung: Rung
    place: str
    also: str | None = None
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class People:
    """The directory at one moment."""

    listed: tuple[Person, ...]
    moment: datetime

    def target(self, rung: Rung, duty: Duty, told: Collection[str]) -> Target | None:
        """Who is told on this rung and was not told below it; None where it is vacant, or all of its people are away or were told."""
        if rung in OF_A_REGION:
            return self._of_region(rung, duty.region, told)
        agencies = duty.agencies if rung is Rung.MANAGER else duty.agencies[:1]
        found = {agency: self._of_agency(rung, agency, duty, told) for agency in agencies}
        places = [agency for agency in agencies if found[agency] is not None]
        if not places:
            return None
        people = dict.fromkeys(person for agency in places for person in found[agency] or ())
        return Target(rung=rung, place=places[0], also=next(iter(places[1:]), None), people=tuple(people))

    def last(self, duty: Duty, told: Collection[str]) -> Target | None:
        """The region's duty authority, away or not: somebody always has to act. Where none is listed, the region's coordinators as a whole.
        None where all of them were told."""
        named = {one.person for one in self.listed if one.region == duty.region and Function.DUTY_AUTHORITY in one.functions}
        if named and named <= set(told):
            return None
        return Target(rung=Rung.DUTY_AUTHORITY, place=duty.region, people=tuple(sorted(named - set(told))))

    def _of_region(self, rung: Rung, region: str, told: Collection[str]) -> Target | None:
        function = Function(rung)
        of_region = [one for one in self.listed if one.region == region and one.functions & {Function.COORDINATOR, Function.DUTY_AUTHORITY}]
        if not of_region:
            return Target(rung=rung, place=region)
        people = self._present([one for one in of_region if function in one.functions], of_region, told)
        return Target(rung=rung, place=region, people=people) if people else None

    def _of_agency(self, rung: Rung, agency: str, duty: Duty, told: Collection[str]) -> tuple[str, ...] | None:
        """Its people; () where nobody of it is listed; None where none of the listed can be told."""
        mates = [one for one in self.listed if one.agency == agency]
        if not mates:
            return ()
        holders = [one for one in mates if Function(rung) in one.functions]
        workers = duty.workers if rung is Rung.WORKER else ()
        mine = next(([one] for worker in workers for one in holders if one.person == worker), holders)
        return self._present(mine, mates, told) or None

    def _present(self, wanted: Sequence[Person], mates: Sequence[Person], told: Collection[str]) -> tuple[str, ...]:
        found = {person for one in wanted for person in self._instead_of(one, {mate.person: mate for mate in mates})}
        return tuple(sorted(found - set(told)))

    def _instead_of(self, one: Person, mates: dict[str, Person]) -> tuple[str, ...]:
        """The person; while away, the first deputy in turn who is there, else the team's members of the same functions."""
        seen: set[str] = set()
        now: Person | None = one
        while now is not None and now.person not in seen:
            if not now.is_away(self.moment):
                return (now.person,)
            seen.add(now.person)
            now = mates.get(now.deputy) if now.deputy else None
        if one.team is None:
            return ()
        team = (mate for mate in mates.values() if mate.team == one.team and mate.functions & one.functions)
        return tuple(mate.person for mate in team if not mate.is_away(self.moment))


@dataclass(frozen=True)
class Directory:
    """Everything that was said of people, in the order in which it was recorded."""

    said: tuple[tuple[datetime, Said], ...] = ()
    _states: dict[int, tuple[Person, ...]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, said: Iterable[tuple[datetime, Said]]) -> "Directory":
        return cls(tuple(sorted(said, key=lambda one: (one[0], one[1].entry_id))))

    def at(self, moment: datetime) -> People:
        """As it was known then."""
        count = bisect_right(self.said, moment, key=lambda one: one[0])
        if count not in self._states:
            entries: dict[UUID, Person] = {}
            for _, said in self.said[:count]:
                entries[said.entry_id] = entries.get(said.entry_id, Person(id=said.entry_id)).after(said)
            self._states[count] = tuple(one for _, one in sorted(entries.items()) if one.is_listed)
        return People(self._states[count], moment)


NOBODY = Directory()
