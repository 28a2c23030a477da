"""Intake's routes: its commands, and what may be read."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from sqlalchemy import Connection

from casebus.access import Act, authorise
from casebus.desk import Desk, Spec, Target
from casebus.errors import Absent
from casebus.http import Caller, Seen
from casebus.identity import Principal
from services.intake import commands as asked
from services.intake import handlers
from services.intake.domain import Case, Consent, EmergencyAccess
from services.intake.storage import Work, case_by_reference


def view(case: Case) -> dict[str, Any]:
    """A case as its participants read it."""
    case_id = str(case.id)
    return {
        "id": case_id,
        "case_id": case_id,
        "version": case.version,
        "state": case.state,
        "region": case.region,
        "lead": case.lead,
        "lead_epoch": case.lead_epoch,
        "proposed_lead": case.proposed_lead,
        "priority": case.priority,
        "worker_id": str(case.worker) if case.worker else None,
        "import_id": str(case.importing) if case.importing else None,
        "consents": [_consent(consent) for consent in case.consents],
        "emergency_accesses": [_access(access) for access in case.accesses],
        "agencies": [{"agency": a, "role": part.role, "state": part.state} for a, part in sorted(case.parts.items())],
    }


def _consent(consent: Consent) -> dict[str, Any]:
    return {
        "consent_id": str(consent.id),
        "purpose": consent.purpose,
        "recipient": consent.recipient,
        "from_on": consent.from_on.isoformat(),
        "until_on": consent.until_on.isoformat(),
        "state": consent.state,
    }


def _access(access: EmergencyAccess) -> dict[str, Any]:
    """Without the words: those are for who reviews it."""
    return {
        "access_id": str(access.id),
        "agency": access.agency,
        "until": access.until.isoformat(),
        "result": access.result,
    }


def specs() -> dict[str, Spec]:
    """Every command of intake, by its name."""
    return {
        spec.name: spec
        for spec in (*_of_reception(), *_of_participation(), *_of_leading(), *_of_consents(), *_of_emergencies(), *_of_imports())
    }


def _of_reception() -> list[Spec]:
    one = "/cases/{id}"
    return [
        Spec(name="receive-case", path="/cases", model=asked.ReceiveCase, handler=handlers.receive_case, view=view, target=Target.NEW),
        Spec(name="triage-case", path=f"{one}/triage", model=asked.TriageCase, handler=handlers.triage_case, view=view),
        Spec(name="open-case", path=f"{one}/opening", model=asked.OpenCase, handler=handlers.open_case, view=view),
        Spec(name="change-priority", path=f"{one}/priority", model=asked.ChangePriority, handler=handlers.change_priority, view=view),
        Spec(name="assign-worker", path=f"{one}/worker", model=asked.AssignWorker, handler=handlers.assign_worker, view=view, act=Act.LEAD),
        Spec(name="decline-case", path=f"{one}/decline", model=asked.DeclineCase, handler=handlers.decline_case, view=view),
        Spec(name="redirect-case", path=f"{one}/redirection", model=asked.RedirectCase, handler=handlers.redirect_case, view=view),
    ]


def _of_participation() -> list[Spec]:
    one, part = "/cases/{id}", "/cases/{id}/participation"
    asked_for: dict[str, Any] = {"view": view, "act": Act.ANSWER}
    return [
        Spec(
            name="invite-agency", path=f"{one}/agencies", model=asked.InviteAgency, handler=handlers.invite_agency, view=view, act=Act.LEAD
        ),
        Spec(name="join-case", path=part, model=asked.JoinCase, handler=handlers.join_case, **asked_for),
        Spec(
            name="decline-invitation",
            path=f"{part}/decline",
            model=asked.DeclineInvitation,
            handler=handlers.decline_invitation,
            **asked_for,
        ),
        Spec(name="leave-case", path=f"{part}/end", model=asked.LeaveCase, handler=handlers.leave_case, view=view),
    ]


def _of_leading() -> list[Spec]:
    lead = "/cases/{id}/lead"
    asked_for: dict[str, Any] = {"view": view, "act": Act.ANSWER}
    return [
        Spec(name="propose-lead", path=lead, model=asked.ProposeLead, handler=handlers.propose_lead, view=view, act=Act.LEAD),
        Spec(name="accept-lead", path=f"{lead}/acceptance", model=asked.AcceptLead, handler=handlers.accept_lead, **asked_for),
        Spec(name="reject-lead", path=f"{lead}/rejection", model=asked.RejectLead, handler=handlers.reject_lead, **asked_for),
    ]


def _of_consents() -> list[Spec]:
    several = "/cases/{id}/consents"
    return [
        Spec(name="give-consent", path=several, model=asked.GiveConsent, handler=handlers.give_consent, view=view),
        Spec(
            name="withdraw-consent", path=f"{several}/withdrawal", model=asked.WithdrawConsent, handler=handlers.withdraw_consent, view=view
        ),
    ]


def _of_emergencies() -> list[Spec]:
    one = "/cases/{id}/emergency-access"
    return [
        Spec(
            name="open-in-emergency",
            path=one,
            model=asked.OpenInEmergency,
            handler=handlers.open_in_emergency,
            view=view,
            act=Act.EMERGENCY,
            target=Target.CASE,
        ),
        Spec(
            name="review-access", path=f"{one}/review", model=asked.ReviewAccess, handler=handlers.review_access, view=view, act=Act.REVIEW
        ),
    ]


def _of_imports() -> list[Spec]:
    one = "/cases/{id}/import"
    completion: dict[str, Any] = {"model": asked.CompleteImport, "handler": handlers.complete_import, "view": view, "act": Act.LEAD}
    return [
        Spec(name="begin-import", path=one, model=asked.BeginImport, handler=handlers.begin_import, view=view),
        Spec(name="complete-import", path=f"{one}/completion", **completion),
    ]


def reading(desk: Desk) -> APIRouter:
    """What may be read of intake."""
    router = APIRouter(tags=["cases"])

    @router.get("/cases/{id}")
    def case(id: UUID, caller: Caller, seen: Seen, response: Response) -> dict[str, Any]:
        """One case, to an agency that takes part in it or was asked to, and to its region's coordinator."""
        desk.see(id, seen)
        with desk.engine.begin() as connection:
            found = _read(connection, desk, id, caller, Act.READ)
        response.headers["ETag"] = f'"{found.version}"'
        return view(found)

    @router.get("/cases/{id}/emergency-access")
    def accesses(id: UUID, caller: Caller) -> dict[str, Any]:
        """Who read the case in an emergency, with their own words: for its agencies and its region's coordinator."""
        with desk.engine.begin() as connection:
            found = _read(connection, desk, id, caller, Act.REVIEW)
        return {"items": [_access(access) | {"actor": access.actor, "words": access.words} for access in found.accesses]}

    @router.get("/cases")
    def by_reference(caller: Caller, reference: Annotated[str, Query(pattern=r"^[!-~]{1,64}$")]) -> dict[str, Any]:
        """The case that your agency knows by this reference."""
        with desk.engine.begin() as connection:
            case_id = case_by_reference(connection, caller.agency, reference)
            found = _work(connection, desk, case_id).cases.get(case_id) if case_id else None
        if found is None:
            raise Absent
        return view(found)

    return router


def _read(connection: Connection, desk: Desk, case_id: UUID, caller: Principal, act: Act) -> Case:
    """The case, where the caller may; else raises Absent or Forbidden."""
    work = _work(connection, desk, case_id)
    authorise(caller.cause(), act, work.standing(case_id))
    found = work.cases.get(case_id)
    if found is None:
        raise Absent
    return found


def _work(connection: Connection, desk: Desk, case_id: UUID) -> Work:
    work = desk.reader(connection)
    assert isinstance(work, Work)  # intake's desk makes intake's work
    work.load([case_id])
    return work
