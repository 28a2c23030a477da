"""Referral's routes: its commands, and what may be read."""

from datetime import date
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from sqlalchemy import Connection

from casebus.access import Act, Standing, authorise
from casebus.command import Slug
from casebus.desk import Desk, Spec, Target
from casebus.errors import Absent
from casebus.http import Caller, Seen
from casebus.identity import Principal
from services.referral import commands as asked
from services.referral import handlers
from services.referral.domain import ImportedCase, Referral, Service
from services.referral.storage import Work


def view(referral: Referral) -> dict[str, Any]:
    """A referral as the participants of its case and the agency that it is offered to read it."""
    return {
        "id": str(referral.id),
        "referral_id": str(referral.id),
        "version": referral.version,
        "case_id": str(referral.case_id),
        "state": referral.state,
        "agency": referral.agency,
        "service_type": referral.service_type,
        "service_id": _text(referral.service_id),
        "step_id": _text(referral.step_id),
        "attempt": referral.attempt,
        "candidates": [str(each) for each in referral.candidates],
        "successor": _text(referral.successor),
    }


def view_service(service: Service, today: date | None = None) -> dict[str, Any]:
    """An entry of the directory, which everybody may read; of a day that is given, with what its licence says."""
    return {
        "id": str(service.id),
        "service_id": str(service.id),
        "version": service.version,
        "state": service.state_on(today) if today else service.state,
        "assured_on": service.assured_on.isoformat() if service.assured_on else None,
        "licence_until": service.licence_until.isoformat() if service.licence_until else None,
        "agency": service.agency,
        "service_type": service.service_type,
        "term": service.term,
        "kind": service.kind,
        "region": service.region,
        "capacity": {"available": service.available, "maximum": service.maximum},
    }


def view_import(case: ImportedCase) -> dict[str, Any]:
    """The case whose history is complete here."""
    return {"id": str(case.id), "case_id": str(case.id), "version": case.version}


def specs() -> dict[str, Spec]:
    """Every command of referral, by its name."""
    return {spec.name: spec for spec in (*_of_services(), *_of_referrals(), *_answers())}


def _of_services() -> list[Spec]:
    shown: dict[str, Any] = {"view": view_service, "operator": True, "act": Act.BEGIN}  # no case owns them
    return [
        Spec(name="list-service", path="/services", model=asked.ListService, handler=handlers.list_service, target=Target.NEW, **shown),
        Spec(name="assure-service", path="/services/{id}/assurance", model=asked.AssureService, handler=handlers.assure_service, **shown),
        Spec(name="retire-service", path="/services/{id}/retirement", model=asked.RetireService, handler=handlers.retire_service, **shown),
    ]


def _of_referrals() -> list[Spec]:
    return [
        Spec(
            name="offer-referral",
            path="/referrals",
            model=asked.OfferReferral,
            handler=handlers.offer_referral,
            view=view,
            target=Target.NEW,
            case_of=lambda command: command.case_id,
        ),
        Spec(
            name="withdraw-referral",
            path="/referrals/{id}/withdrawal",
            model=asked.WithdrawReferral,
            handler=handlers.withdraw_referral,
            view=view,
        ),
        Spec(
            name="complete-import",
            path="/cases/{id}/import/completion",
            model=asked.CompleteImport,
            handler=handlers.complete_import,
            view=view_import,
            act=Act.LEAD,
            target=Target.CASE,
        ),
    ]


def _answers() -> list[Spec]:
    one = "/referrals/{id}"
    shown: dict[str, Any] = {"view": view, "act": Act.ANSWER}
    return [
        Spec(name="accept-referral", path=f"{one}/acceptance", model=asked.AcceptReferral, handler=handlers.accept_referral, **shown),
        Spec(name="decline-referral", path=f"{one}/decline", model=asked.DeclineReferral, handler=handlers.decline_referral, **shown),
        Spec(name="begin-service", path=f"{one}/service", model=asked.BeginService, handler=handlers.begin_service, **shown),
        Spec(name="complete-referral", path=f"{one}/completion", model=asked.CompleteReferral, handler=handlers.complete_referral, **shown),
        Spec(name="fail-referral", path=f"{one}/failure", model=asked.FailReferral, handler=handlers.fail_referral, **shown),
    ]


def reading(desk: Desk) -> APIRouter:
    """What may be read of referral."""
    router = APIRouter()
    router.include_router(_reading_referrals(desk))
    router.include_router(_reading_services(desk))
    return router


def _reading_referrals(desk: Desk) -> APIRouter:
    router = APIRouter(tags=["referrals"])

    @router.get("/referrals/{id}")
    def referral(id: UUID, caller: Caller, response: Response) -> dict[str, Any]:
        """One referral, to who takes part in its case and to the agency that it is offered to."""
        with desk.engine.begin() as connection:
            work = _work(connection, desk)
            work.load([id])
            found = work.referrals.get(id)
            if found is None or not _sees(caller, work.readers(found)):
                raise Absent
        response.headers["ETag"] = f'"{found.version}"'
        return view(found)

    @router.get("/referrals")
    def of_case(case_id: UUID, caller: Caller, seen: Seen) -> dict[str, Any]:
        """The referrals of a case, oldest first, to who takes part in it; to an agency that was only asked, what it was asked."""
        desk.see(case_id, seen)
        with desk.engine.begin() as connection:
            work = _work(connection, desk)
            work.load([case_id])
            of_it = [referral for referral in work.referrals.all() if referral.case_id == case_id]
            shown = [referral for referral in of_it if _sees(caller, work.readers(referral))]
            if not shown:
                authorise(caller.cause(), Act.READ, work.standing(case_id))
        return {"items": [view(referral) for referral in sorted(shown, key=lambda each: (each.sought_at, each.attempt, each.id))]}

    return router


def _reading_services(desk: Desk) -> APIRouter:
    router = APIRouter(tags=["services"])

    @router.get("/services")
    def services(caller: Caller, region: Slug | None = None, service_type: Slug | None = None) -> dict[str, Any]:
        """What of the directory can be offered, of a region or a type if wanted."""
        with desk.engine.begin() as connection:
            listed = _work(connection, desk).listed()
        found = [s for s in listed if region in (None, s.region) and service_type in (None, s.service_type)]
        return {"items": [view_service(s) for s in sorted(found, key=lambda s: (s.service_type, s.region, s.agency, s.id))]}

    @router.get("/services/{id}")
    def service(id: UUID, caller: Caller, response: Response) -> dict[str, Any]:
        """One service of the directory, retired or not."""
        with desk.engine.begin() as connection:
            work = _work(connection, desk)
            work.load([id])
            found = work.services.get(id)
            if found is None:
                raise Absent
            today = work.now.date()
        response.headers["ETag"] = f'"{found.version}"'
        return view_service(found, today)

    return router


def _work(connection: Connection, desk: Desk) -> Work:
    work = desk.reader(connection)
    assert isinstance(work, Work)  # referral's desk makes referral's work
    return work


def _sees(caller: Principal, standing: Standing) -> bool:
    try:
        authorise(caller.cause(), Act.READ, standing)
    except Absent:
        return False
    return True


def _text(id: UUID | None) -> str | None:
    return str(id) if id else None
