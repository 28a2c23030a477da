"""Who may do what with a case: the one place that decides. A later issue replaces it by consent (domain.md, Consent)."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from casebus.cause import Cause
from casebus.envelope import Role
from casebus.errors import Absent, Forbidden


class Act(StrEnum):
    """What is asked of a case; each command and reading route names one."""

    READ = "READ"  # active participants; supervisor and coordinator of an agency or region that takes part
    COMMAND = "COMMAND"  # active participants
    LEAD = "LEAD"  # the lead agency alone
    ANSWER = "ANSWER"  # the agency that something was offered to
    REVIEW = "REVIEW"  # whoever may command, and the coordinator of the region
    EMERGENCY = "EMERGENCY"  # a worker or supervisor of the case's region
    ALERT = "ALERT"  # whoever may command, and the supervisor or coordinator of the alert's agency or region
    BEGIN = "BEGIN"  # nobody owns it yet


@dataclass(frozen=True, kw_only=True, slots=True)
class Emergency:
    """That somebody may read the case until then, whoever takes part in it (domain.md, Emergency access)."""

    agency: str
    actor: str
    until: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What a service's own copy knows of who takes part in a case. `active` are agencies whose participation is ACTIVE.

    `now` is the system time, where there are emergencies: without it none of them opens anything (casebus.work, `timed`).
    """

    case_id: UUID
    region: str
    lead: str
    lead_epoch: int = 0
    active: frozenset[str] = field(default_factory=frozenset)
    asked: frozenset[str] = field(default_factory=frozenset)  # invited, or offered to: they may answer and read
    importing: UUID | None = None  # the import that brings its history, the last one that was begun
    emergencies: tuple[Emergency, ...] = ()
    now: datetime | None = None


def authorise(who: Cause, act: Act, standing: Standing | None) -> None:
    """Returns, or raises Absent for a stranger (as for what doesn't exist) and Forbidden for a participant whose part doesn't allow it."""
    if act is Act.BEGIN:
        return
    if standing is not None and act is Act.EMERGENCY and _may_be_called(who, standing):
        return
    if standing is None or not _sees(who, standing):
        raise Absent
    if act is Act.READ or _may(who, act, standing):
        return
    raise Forbidden(f"This needs {_NEEDS[act]}. Ask the lead agency of the case.")


_NEEDS = {
    Act.COMMAND: "an agency that takes an active part in the case",
    Act.LEAD: "the case's lead agency",
    Act.ANSWER: "the agency that was asked",
    Act.REVIEW: "an agency that takes an active part in the case, or the coordinator of its region",
    Act.EMERGENCY: "a worker or supervisor of the case's region",
    Act.ALERT: "an agency of the case, or the supervisor or coordinator that the alert climbs to",
}


def _oversees(who: Cause, standing: Standing) -> bool:
    return who.actor_role is Role.COORDINATOR and who.region == standing.region


def _may_be_called(who: Cause, standing: Standing) -> bool:
    return who.actor_role in (Role.WORKER, Role.SUPERVISOR) and who.region == standing.region


def _sees(who: Cause, standing: Standing) -> bool:
    return who.agency in standing.active or who.agency in standing.asked or _oversees(who, standing) or _has_emergency(who, standing)


def _has_emergency(who: Cause, standing: Standing) -> bool:
    now = standing.now
    return now is not None and any((one.agency, one.actor) == (who.agency, who.actor) and now < one.until for one in standing.emergencies)


def _may(who: Cause, act: Act, standing: Standing) -> bool:
    match act:
        case Act.COMMAND:
            return who.agency in standing.active
        case Act.LEAD:
            return who.agency == standing.lead and who.agency in standing.active
        case Act.ANSWER:
            return who.agency in standing.asked
        case Act.EMERGENCY:
            return False
        case _:
            return who.agency in standing.active or _oversees(who, standing)
