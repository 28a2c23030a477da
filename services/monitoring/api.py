"""Monitoring's routes: its commands, the board and its lists, alerts, and the timeline of a case."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Header, Query, Response

from casebus.access import Act, authorise
from casebus.contracts.referral import ServiceListed
from casebus.desk import Desk, Spec, Target
from casebus.errors import Absent
from casebus.http import Caller
from casebus.watermark import reached
from services.monitoring import board as boards
from services.monitoring import commands as asked
from services.monitoring import contacts, handlers, people, timelines
from services.monitoring.board import Page
from services.monitoring.domain.alert import Alert
from services.monitoring.domain.directory import Person
from services.monitoring.domain.fact import Fact, History
from services.monitoring.domain.follow_up import FollowUp
from services.monitoring.domain.why import why
from services.monitoring.explaining import view_why
from services.monitoring.handlers import Noted
from services.monitoring.kept import facts_of
from services.monitoring.rules import RULES
from services.monitoring.storage import Work
from services.monitoring.timelines import readable


def view_follow_up(one: FollowUp) -> dict[str, Any]:
    """A follow-up as its case's agencies read it."""
    return {
        "id": str(one.id),
        "follow_up_id": str(one.id),
        "case_id": str(one.case_id),
        "state": one.state,
        "number": one.number,
        "due_at": one.due_at.isoformat(),
        "version": one.version,
    }


def view_alert(one: Alert) -> dict[str, Any]:
    """An alert as those who act on it read it."""
    return {
        "id": str(one.id),
        "alert_id": str(one.id),
        "case_id": str(one.case_id),
        "subject_id": str(one.subject_id),
        "rule": one.rule,
        "state": one.state,
        "rung": one.rung,
        "agency": one.agency,
        "target_agency": one.target_agency,
        "also_agency": one.also_agency,
        "targets": list(one.targets),
        "escalations": one.escalations,
        "due_at": one.due_at.isoformat(),
        "raised_at": one.raised_at.isoformat(),
        "told_at": (one.told_at or one.raised_at).isoformat(),
        "worker": one.worker,
        "until": one.until.isoformat() if one.until else None,
        "policy_version": one.policy_version,
        "version": one.version,
    }


def view_person(one: Person) -> dict[str, Any]:
    """An entry of the directory as those who direct it read it."""
    return {
        "id": str(one.id),
        "person": one.person,
        "agency": one.agency,
        "region": one.region,
        "functions": sorted(one.functions),
        "team": one.team,
        "deputy": one.deputy,
        "is_listed": one.is_listed,
        "absences": [{"from": begins.isoformat(), "until": ends.isoformat()} for begins, ends in one.absences],
    }


def view_noted(one: Noted) -> dict[str, Any]:
    """What a fact that was added led to."""
    following = one.next_due_at.isoformat() if one.next_due_at else None
    return {"id": str(one.id), "follow_up_id": str(one.follow_up_id) if one.follow_up_id else None, "next_due_at": following}


def specs() -> dict[str, Spec]:
    """Every command of monitoring, by its name."""
    return {
        spec.name: spec for spec in (*_of_follow_ups(), *_of_alerts(), *_of_people(), *contacts.specs(), _of_resistance(), _of_imports())
    }


def _of_follow_ups() -> list[Spec]:
    new: dict[str, Any] = {"target": Target.NEW, "case_of": lambda command: command.case_id}
    one = "/follow-ups/{id}"
    shown: dict[str, Any] = {"view": view_follow_up}
    return [
        Spec(name="record-contact", path="/contacts", model=asked.RecordContact, handler=handlers.record_contact, view=view_noted, **new),
        Spec(
            name="schedule-follow-up",
            path="/follow-ups",
            model=asked.ScheduleFollowUp,
            handler=handlers.schedule_follow_up,
            **shown,
            **new,
        ),
        Spec(
            name="reschedule-follow-up",
            path=f"{one}/rescheduling",
            model=asked.RescheduleFollowUp,
            handler=handlers.reschedule_follow_up,
            **shown,
        ),
        Spec(name="cancel-follow-up", path=f"{one}/cancellation", model=asked.CancelFollowUp, handler=handlers.cancel_follow_up, **shown),
    ]


def _of_alerts() -> list[Spec]:
    one = "/alerts/{id}"
    shown: dict[str, Any] = {"view": view_alert}
    return [
        Spec(
            name="acknowledge-alert",
            path=f"{one}/acknowledgement",
            model=asked.AcknowledgeAlert,
            handler=handlers.acknowledge_alert,
            act=Act.ALERT,
            **shown,
        ),
        Spec(name="take-alert", path=f"{one}/work", model=asked.TakeAlert, handler=handlers.take_alert, act=Act.ALERT, **shown),
        Spec(
            name="suppress-alert",
            path=f"{one}/suppression",
            model=asked.SuppressAlert,
            handler=handlers.suppress_alert,
            act=Act.ALERT,
            **shown,
        ),
        Spec(
            name="resolve-alert",
            path=f"{one}/resolution",
            model=asked.ResolveAlert,
            handler=handlers.resolve_alert,
            act=Act.ALERT,
            **shown,
        ),
        Spec(name="explain-stall", path=f"{one}/cause", model=asked.ExplainStall, handler=handlers.explain_stall, act=Act.ALERT, **shown),
    ]


def _of_resistance() -> Spec:
    return Spec(
        name="review-resistance",
        path="/cases/{id}/resistance/review",
        model=asked.ReviewResistance,
        handler=handlers.review_resistance,
        view=view_noted,
        act=Act.REVIEW,
        target=Target.CASE,
    )


def _of_people() -> list[Spec]:
    new: dict[str, Any] = {"target": Target.NEW, "view": view_person}
    return [
        Spec(name="list-person", path="/people", model=asked.ListPerson, handler=people.list_person, **new),
        Spec(name="unlist-person", path="/people/removal", model=asked.UnlistPerson, handler=people.unlist_person, **new),
        Spec(name="note-absence", path="/people/absences", model=asked.NoteAbsence, handler=people.note_absence, **new),
    ]


def _of_imports() -> Spec:
    return Spec(
        name="complete-import",
        path="/cases/{id}/import/completion",
        model=asked.CompleteImport,
        handler=handlers.complete_import,
        view=view_noted,
        act=Act.LEAD,
        target=Target.CASE,
    )


def page(limit: Annotated[int, Query(ge=1, le=500)] = 100, after: Annotated[str | None, Query(max_length=100)] = None) -> Page:
    """Which part of a list: `after` is `next` of the page before."""
    return Page(limit, after)


OnePage = Annotated[Page, Depends(page)]
SlugQuery = Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9-]{1,62}$")]
Word = Annotated[str | None, Query(pattern=r"^[A-Z][A-Z0-9_]{1,40}$")]


def reading(desk: Desk) -> APIRouter:
    """What may be read of monitoring."""
    router = APIRouter(tags=["board"])
    for part in (
        _reading_board(desk),
        _reading_lists(desk),
        _reading_one(desk),
        _reading_people(desk),
        contacts.reading(desk),
        timelines.reading(desk),
    ):
        router.include_router(part)
    return router


def _reading_board(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.get("/board")
    def board(caller: Caller, if_none_match: Annotated[str | None, Header()] = None) -> Response:
        """All numbers of the board. The ETag is that of everything but the time: 304 says that only the time has passed."""
        with desk.engine.begin() as connection:
            found = boards.board(connection, caller)
        steady = {name: value for name, value in found.items() if name not in ("at", "watermark")}
        headers = {"ETag": f'"{hashlib.sha256(orjson.dumps(steady)).hexdigest()[:16]}"'}
        if if_none_match == headers["ETag"]:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(orjson.dumps(found), media_type="application/json", headers=headers)

    return router


def _reading_lists(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.get("/cases")
    def cases(caller: Caller, one: OnePage, holder: SlugQuery = None, stage: Word = None) -> dict[str, Any]:
        """The cases behind a number of the board."""
        with desk.engine.begin() as connection:
            return boards.cases(connection, caller, one, holder=holder, stage=stage)

    @router.get("/hand-offs")
    def hand_offs(
        caller: Caller,
        one: OnePage,
        giver: Annotated[SlugQuery, Query(alias="from")] = None,
        taker: Annotated[SlugQuery, Query(alias="to")] = None,
    ) -> dict[str, Any]:
        """The hand-offs behind a number of the board."""
        with desk.engine.begin() as connection:
            return boards.hand_offs(connection, caller, one, giver=giver, taker=taker)

    @router.get("/alerts")
    def alerts(caller: Caller, one: OnePage, wanted: Annotated[AlertsWanted, Depends()]) -> dict[str, Any]:
        """The alerts behind a number of the board: whose turn it is, since when, and by which policy."""
        with desk.engine.begin() as connection:
            return boards.alerts(connection, caller, one, wanted.values())

    return router


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertsWanted:
    """Which alerts: those that are open, unless any is asked for."""

    rung: Word = None
    age: Word = None
    rule: Word = None
    case_id: UUID | None = None
    state: Literal["open", "any"] = "open"

    def values(self) -> dict[str, str | None]:
        case_id = str(self.case_id) if self.case_id else None
        return {"rung": self.rung, "age": self.age, "rule": self.rule, "state": self.state, "case_id": case_id}


def _reading_one(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.get("/follow-ups/{id}")
    def follow_up(id: UUID, caller: Caller, response: Response) -> dict[str, Any]:
        """One follow-up, to who takes part in its case, and to its region's coordinator."""
        found = readable(desk, id, caller).follow_ups.get(id)
        if found is None:
            raise Absent
        response.headers["ETag"] = f'"{found.version}"'
        return view_follow_up(found)

    @router.get("/alerts/{id}")
    def alert(id: UUID, caller: Caller, response: Response) -> dict[str, Any]:
        """One alert, to who may act on it."""
        found = readable(desk, id, caller).alerts.get(id)
        if found is None:
            raise Absent
        response.headers["ETag"] = f'"{found.version}"'
        return view_alert(found)

    @router.get("/alerts/{id}/why")
    def explain(id: UUID, caller: Caller) -> dict[str, Any]:
        """Why there is this alert: what started its clock, what failed to stop it, by which policy, and what was known. For who takes
        part in its case, and its region's coordinator."""
        with desk.engine.begin() as connection:
            work = desk.reader(connection)
            assert isinstance(work, Work)  # monitoring's desk makes monitoring's work
            work.load([id])
            found = work.alerts.get(id)
            if found is None:
                raise Absent
            facts = facts_of(connection, desk.codec, [found.case_id])[found.case_id]
            is_entry = any(fact.kind is ServiceListed for fact in facts)  # nobody takes part in it: who answers for the alert reads it
            authorise(caller.cause(), Act.READ, work.standing(id if is_entry else found.case_id))
            return _explained(found, work, facts, reached(connection).least)

    return router


def _explained(alert: Alert, work: Work, facts: list[Fact], now_known: datetime | None) -> dict[str, Any]:
    """Judged again from what is known now; what was known at the decision lies below `watermark`."""
    below = max(each for each in (alert.decided_below, now_known, alert.raised_at) if each is not None)
    history = History.below(alert.case_id, facts, below)
    found = why(alert.id, history, below, work.regimes, [rule for rule in RULES if rule.name == alert.rule])
    decision = {"alert_id": str(alert.id), "rule": alert.rule, "policy_version": alert.policy_version, "watermark": alert.decided_below}
    if found is None:
        return decision | {"started_by": None}
    return decision | view_why(found)


def _reading_people(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.get("/people")
    def listed(caller: Caller, one: OnePage) -> dict[str, Any]:
        """The directory: a coordinator's region, everybody else's agency."""
        with desk.engine.begin() as connection:
            return boards.people(connection, caller, one)

    return router
