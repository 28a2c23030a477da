"""The directory's commands: who can be told of alerts, and who is away. No case owns it; who may change what is decided here."""

from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID, uuid5

from casebus.aggregate import Holds
from casebus.cause import Cause
from casebus.contracts.monitoring import AbsenceNoted, Function, PersonListed, PersonUnlisted
from casebus.envelope import Role
from casebus.errors import Absent, Fix, Forbidden, Invalid
from casebus.event import Event
from services.monitoring import commands as asked
from services.monitoring.domain.directory import Person, Said
from services.monitoring.domain.policy import Policy

NAMESPACE = UUID("c2f0a1de-54a7-5d0b-9f5e-3b8a7d2c9e60")
OF_A_SUPERVISOR = frozenset({Function.WORKER, Function.SUPERVISOR})
"""What a supervisor may make somebody of her own agency."""


class Work(Protocol):
    """What the handlers need of the transaction they run in."""

    cause: Cause
    now: datetime

    @property
    def people(self) -> Holds[Person]: ...
    def person(self, one: UUID) -> Person | None: ...
    def policy(self, region: str, agency: str = "") -> Policy: ...
    def emit(self, event: Event) -> None: ...


def entry_of(person: str) -> UUID:
    """The id of a person's entry."""
    return uuid5(NAMESPACE, person)


def list_person(_: UUID, command: asked.ListPerson, work: Work) -> Person:
    """Somebody can be told of alerts from now on, as this and nothing else. The same again changes nothing."""
    if command.deputy == command.person:
        raise Invalid("Nobody stands in for herself.", Fix("deputy", "another person, or none"))
    before = work.person(entry_of(command.person))
    if before is not None and before.is_listed:
        _must_direct(work.cause, before.agency, before.region, before.functions)
    _must_direct(work.cause, command.agency, command.region, command.functions)
    said = PersonListed(
        entry_id=entry_of(command.person),
        person=command.person,
        agency=command.agency,
        region=command.region,
        functions=tuple(sorted(command.functions)),
        team=command.team,
        deputy=command.deputy,
    )
    return _say(work, before or Person(id=said.entry_id), said)


def unlist_person(_: UUID, command: asked.UnlistPerson, work: Work) -> Person:
    """Somebody is told of no alert any more."""
    found = _listed(work, command.person)
    _must_direct(work.cause, found.agency, found.region, found.functions)
    return _say(work, found, PersonUnlisted(entry_id=found.id))


def note_absence(_: UUID, command: asked.NoteAbsence, work: Work) -> Person:
    """Away from the first day to the end of the last one, in the agency's zone; without a last one it is taken back."""
    found = _listed(work, command.person)
    if work.cause.actor != found.person:
        _must_direct(work.cause, found.agency, found.region, found.functions)
    if command.last is not None and command.last < command.first:
        raise Invalid("It ends before it begins.", Fix("last", "the first day or a later one"))
    calendar = work.policy(found.region, found.agency).calendar
    begins = calendar.end_of(command.first - timedelta(days=1)).astimezone(work.now.tzinfo)
    ends = calendar.end_of(command.last).astimezone(work.now.tzinfo) if command.last else begins
    return _say(work, found, AbsenceNoted(entry_id=found.id, begins_at=begins, ends_at=ends))


def _say(work: Work, before: Person, said: Said) -> Person:
    after = before.after(said)
    if after is not before:
        work.people.put(after)
        work.emit(said)
    return after


def _listed(work: Work, person: str) -> Person:
    found = work.person(entry_of(person))
    if found is None or not found.is_listed:
        raise Absent
    return found


def _must_direct(who: Cause, agency: str, region: str, functions: frozenset[Function]) -> None:
    """Operators and integrators change every entry, a coordinator those of her region, a supervisor those of her agency up to her own."""
    match who.actor_role:
        case Role.OPERATOR:
            allowed = True
        case Role.INTEGRATOR | Role.SUPERVISOR:
            allowed = agency == who.agency and (who.actor_role is Role.INTEGRATOR or functions <= OF_A_SUPERVISOR)
        case Role.COORDINATOR:
            allowed = region == who.region
        case _:
            allowed = False
    if not allowed:
        raise Forbidden("This needs the agency's supervisor or integrator, its region's coordinator, or an operator.")
