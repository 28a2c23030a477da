"""What referral does: one function a command, and its reactions to what others say. They load, ask the domain, put, emit; never commit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID, uuid5

from casebus.aggregate import Holds
from casebus.cause import Cause
from casebus.contracts.planning import CaseClosed, ReferralRequested, StepDone, StepSkipped
from casebus.contracts.referral import CaseImported, NoProviderLeft, WithdrawReason
from casebus.envelope import Origin, Role
from casebus.errors import Absent, Conflict, Fix, Invalid
from casebus.event import Event
from casebus.sharing import SHARING, Sharing
from services.referral import commands as asked
from services.referral import domain
from services.referral.domain import ImportedCase, Referral, ReferralState, Service


class Work(Protocol):
    """What the handlers need of the transaction they run in."""

    cause: Cause

    @property
    def effective(self) -> datetime: ...
    @property
    def sharing(self) -> Holds[Sharing]: ...
    @property
    def referrals(self) -> Holds[Referral]: ...
    @property
    def services(self) -> Holds[Service]: ...
    def listed(self) -> list[Service]: ...
    def emit(self, event: Event) -> None: ...


def list_service(service_id: UUID, command: asked.ListService, work: Work) -> Service:
    """S42: a service that referrals can be offered to."""
    service = Service(
        id=service_id,
        agency=command.agency or work.cause.agency,
        service_type=command.service_type,
        kind=command.kind,
        region=command.region,
        available=command.capacity.available,
        maximum=command.capacity.maximum,
        term=command.term,
        licence_until=command.licence_until,
        is_told=True,
    )
    return _put_service(work, service, service.listed(work.effective.date()))


def assure_service(service_id: UUID, command: asked.AssureService, work: Work) -> Service:
    """S41, S42: what the directory says of it is right, and its licence is valid."""
    return _put_service(work, *_service(work, service_id).assure(command.licence_until, work.effective.date()))


def retire_service(service_id: UUID, command: asked.RetireService, work: Work) -> Service:
    """The service is offered no more referrals."""
    return _put_service(work, *_service(work, service_id).retire())


def offer_referral(referral_id: UUID, command: asked.OfferReferral, work: Work) -> Referral:
    """S45: a service is asked for. Without room there, the next candidate is asked by itself."""
    queue = _queue(command, work)
    if command.agency is None and not queue:
        raise Conflict("No listed service of this type has room. Name an agency that is to be asked.")
    first = None if command.agency else queue.pop(0)
    referral = Referral(
        id=referral_id,
        case_id=command.case_id,
        step_id=command.step_id,
        service_id=first.id if first else None,
        service_type=command.service_type,
        agency=first.agency if first else command.agency or "",
        candidates=tuple(service.id for service in queue),
        sought_at=work.effective,
    )
    return _put(work, referral, referral.offered())


def accept_referral(referral_id: UUID, command: asked.AcceptReferral, work: Work) -> Referral:
    """The agency takes the referral; intake makes it a participant, planning goes on with the step."""
    return _put(work, *_referral(work, referral_id).accept())


def decline_referral(referral_id: UUID, command: asked.DeclineReferral, work: Work) -> Referral:
    """S46: not taken, with the reason. For want of room, or out of its area, the next candidate is asked at once; history asks nobody."""
    referral = _referral(work, referral_id)
    goes_on = command.reason in domain.NEXT_IS_ASKED and work.cause.origin is not Origin.IMPORT
    queue = domain.named(work.listed(), referral.candidates, referral.service_type) if goes_on and referral.candidates else []
    declined = _put(work, *referral.decline(command.reason, successor=referral.next_id if queue else None))
    if goes_on:
        work.cause = _by_itself(work.cause)
    if queue:
        _put(work, *referral.pass_on(queue))
    elif goes_on and referral.step_id is not None:
        work.emit(NoProviderLeft(case_id=referral.case_id, step_id=referral.step_id, service_type=referral.service_type))
    return declined


def begin_service(referral_id: UUID, _: asked.BeginService, work: Work) -> Referral:
    """S45: the first contact of the service with the client. For its agency and the lead."""
    return _put(work, *_referral(work, referral_id).begin())


def complete_referral(referral_id: UUID, command: asked.CompleteReferral, work: Work) -> Referral:
    """The service has ended, with its outcome. For its agency and the lead."""
    return _put(work, *_referral(work, referral_id).complete(command.outcome))


def fail_referral(referral_id: UUID, command: asked.FailReferral, work: Work) -> Referral:
    """The service did not come about, with what became of it. For its agency and the lead."""
    return _put(work, *_referral(work, referral_id).fail(command.outcome))


def withdraw_referral(referral_id: UUID, command: asked.WithdrawReferral, work: Work) -> Referral:
    """Taken back before it was completed, with the reason."""
    return _put(work, *_referral(work, referral_id).withdraw(command.reason))


def complete_import(case_id: UUID, command: asked.CompleteImport, work: Work) -> ImportedCase:
    """Referral's part of the case's history is complete."""
    work.emit(CaseImported(case_id=case_id, import_id=command.import_id))
    return ImportedCase(id=case_id)


def offer_to_first(event: ReferralRequested, work: Work) -> None:
    """S45: the first candidate is asked for what a step needs, unless somebody is being asked; history asks nobody. Where the step asks
    again, those who were asked before come last."""
    before = [r for r in work.referrals.all() if r.case_id == event.case_id and r.step_id == event.step_id]
    if work.cause.origin is Origin.IMPORT or any(r.is_open for r in before):
        return
    known = {r.service_id for r in before}
    queue = sorted(_candidates(work, event.case_id, event.service_type, event.candidates), key=lambda each: each.id in known)
    if not queue:
        work.emit(NoProviderLeft(case_id=event.case_id, step_id=event.step_id, service_type=event.service_type))
        return
    first, *rest = queue
    referral = Referral(
        id=uuid5(event.step_id, str(work.cause.causation_id)),
        case_id=event.case_id,
        step_id=event.step_id,
        service_id=first.id,
        service_type=event.service_type,
        agency=first.agency,
        candidates=tuple(service.id for service in rest),
        sought_at=work.effective,
    )
    _put(work, referral, referral.offered())


def withdraw_offers(event: CaseClosed, work: Work) -> None:
    """S59: offers that nobody has answered end with the case, but not those for a later, reopened period that are known here already."""
    for referral in _offered_until_now(work, event.case_id):
        _put(work, *referral.withdraw(WithdrawReason.CASE_CLOSED))


def withdraw_offers_for_step(event: StepDone | StepSkipped, work: Work) -> None:
    """A step that is over needs nobody any more: what was offered for it and isn't answered is withdrawn."""
    for referral in _offered_until_now(work, event.case_id):
        if referral.step_id == event.step_id:
            _put(work, *referral.withdraw(WithdrawReason.NO_LONGER_NEEDED))


COPIES = SHARING
REACTIONS: Mapping[type[Event], Callable[[Any, Any], None]] = {
    ReferralRequested: offer_to_first,
    StepDone: withdraw_offers_for_step,
    StepSkipped: withdraw_offers_for_step,
    CaseClosed: withdraw_offers,
}


def _offered_until_now(work: Work, case_id: UUID) -> list[Referral]:
    """The case's offers that wait for an answer and were sought before what happens now took effect."""
    return [r for r in work.referrals.all() if r.case_id == case_id and r.state is ReferralState.OFFERED and r.sought_at <= work.effective]


def _queue(command: asked.OfferReferral, work: Work) -> list[Service]:
    """The services of the directory to be asked, in order: the one that is named first. Raises Invalid for one that can't be offered."""
    chosen = (command.service_id,) if command.service_id else ()
    backups = command.candidates or ()
    _must_be_listed(work, "service_id", chosen, command.service_type)
    _must_be_listed(work, "candidates", backups, command.service_type)
    if command.candidates is None and work.cause.origin is not Origin.IMPORT:
        found = _candidates(work, command.case_id, command.service_type, ())
        backups = tuple(service.id for service in found if service.agency != command.agency)
    wanted = (*chosen, *backups)
    return domain.named(work.listed(), wanted, command.service_type) if wanted else []


def _must_be_listed(work: Work, field: str, ids: Sequence[UUID], service_type: str) -> None:
    if ids and len(domain.named(work.listed(), ids, service_type)) < len(set(ids)):
        raise Invalid("A service can't be offered.", Fix(field, "of this service_type, as GET /api/services lists it"))


def _candidates(work: Work, case_id: UUID, service_type: str, chosen: Sequence[UUID]) -> list[Service]:
    """Those that were chosen, else those of the directory; where the copy doesn't know the case yet, its region puts none first."""
    if chosen:
        return domain.named(work.listed(), chosen, service_type)
    shared = work.sharing.get(case_id)
    return domain.suitable(work.listed(), service_type, shared.region if shared else "")


def _by_itself(cause: Cause) -> Cause:
    """What follows from an answer is the system's own act and happens now, even where the answer was given earlier and entered late."""
    return replace(cause, actor="system-referral", actor_role=Role.SYSTEM, origin=Origin.SYSTEM, occurred_at=None)


def _referral(work: Work, referral_id: UUID) -> Referral:
    referral = work.referrals.get(referral_id)
    if referral is None:
        raise Absent
    return referral


def _service(work: Work, service_id: UUID) -> Service:
    service = work.services.get(service_id)
    if service is None:
        raise Absent
    return service


def _put_service(work: Work, service: Service, *events: Event) -> Service:
    for event in events:
        work.emit(event)
    work.services.put(service)
    return service


def _put(work: Work, referral: Referral, event: Event) -> Referral:
    work.emit(event)
    work.referrals.put(referral)
    return referral
