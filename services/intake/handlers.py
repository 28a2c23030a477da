"""What intake does: one function a command, and its reactions to others. They load, ask the domain, put and emit; they never commit."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid5

from casebus.aggregate import Holds
from casebus.cause import Cause
from casebus.contracts.intake import ParticipantRole
from casebus.contracts.referral import ReferralAccepted
from casebus.envelope import Origin, Role
from casebus.errors import Absent, Conflict, Fix, Forbidden, Invalid
from casebus.event import Event
from services.intake import commands as asked
from services.intake import domain
from services.intake.domain import Case, Consent, EmergencyAccess


class Work(Protocol):
    """What the handlers need of the transaction they run in."""

    cause: Cause
    now: datetime

    @property
    def effective(self) -> datetime: ...

    @property
    def cases(self) -> Holds[Case]: ...
    def claim_reference(self, agency: str, reference: str, case_id: UUID) -> bool: ...
    def emit(self, event: Event) -> None: ...


def receive_case(case_id: UUID, command: asked.ReceiveCase, work: Work) -> Case:
    """A new case, led by the caller's agency. Of an imported one, the first event names the import and the services that take part."""
    case, received = domain.receive(
        case_id,
        agency=work.cause.agency,
        region=command.region,
        source=command.source,
        agency_kind=command.agency_kind,
        referring_agency=command.referring_agency,
    )
    if (work.cause.origin is Origin.IMPORT) != (command.imported is not None):
        raise Invalid(
            "An import names the services that take part.", Fix("import.owners", "the services, with origin IMPORT and only with it")
        )
    events: list[Event] = [received]
    if command.imported and work.cause.import_id:
        case, begun = case.begin_import(work.cause.import_id, command.imported.owners)
        events.insert(0, begun)
    # Last of all that may refuse: the claim is not taken back with a command that is refused in a batch.
    if command.reference and not work.claim_reference(work.cause.agency, command.reference, case_id):
        raise Conflict("Your agency has a case with this reference already: look it up by GET /api/cases?reference=.")
    for event in events:
        work.emit(event)
    work.cases.put(case)
    return case


def triage_case(case_id: UUID, command: asked.TriageCase, work: Work) -> Case:
    """S05: priority, with what the problem is about."""
    return _put(work, *_case(work, case_id).triage(command.priority, command.nature, crisis=command.crisis))


def open_case(case_id: UUID, command: asked.OpenCase, work: Work) -> Case:
    """S06: the case is taken on. Planning drafts its plan, monitoring its first follow-up."""
    return _put(work, *_case(work, case_id).open(under_way=command.under_way))


def change_priority(case_id: UUID, command: asked.ChangePriority, work: Work) -> Case:
    """S05: more or less urgent than it was, with the reason."""
    return _put(work, *_case(work, case_id).change_priority(command.priority, command.reason))


def assign_worker(case_id: UUID, command: asked.AssignWorker, work: Work) -> Case:
    """S67: a worker of the lead agency has the case. After a hand-over of the lead the new one assigns its own."""
    return _put(work, *_case(work, case_id).assign(command.worker_id))


def decline_case(case_id: UUID, command: asked.DeclineCase, work: Work) -> Case:
    """S06: not taken on, with the reason."""
    return _put(work, *_case(work, case_id).decline(command.reason))


def redirect_case(case_id: UUID, command: asked.RedirectCase, work: Work) -> Case:
    """S06: sent to an agency that fits better."""
    return _put(work, *_case(work, case_id).redirect(command.target_agency, command.reason))


def invite_agency(case_id: UUID, command: asked.InviteAgency, work: Work) -> Case:
    """S49: another agency is asked to take part."""
    return _put(work, *_case(work, case_id).invite(command.agency, command.role))


def join_case(case_id: UUID, command: asked.JoinCase, work: Work) -> Case:
    """The invited agency takes part from now on."""
    return _put(work, *_case(work, case_id).join(work.cause.agency))


def decline_invitation(case_id: UUID, command: asked.DeclineInvitation, work: Work) -> Case:
    """The invited agency does not take part."""
    return _put(work, *_case(work, case_id).decline_invitation(work.cause.agency))


def leave_case(case_id: UUID, command: asked.LeaveCase, work: Work) -> Case:
    """An agency that isn't the lead ends its part."""
    return _put(work, *_case(work, case_id).leave(work.cause.agency))


def propose_lead(case_id: UUID, command: asked.ProposeLead, work: Work) -> Case:
    """The lead offers the lead to another agency, and keeps it until that one accepts."""
    return _put(work, *_case(work, case_id).propose_lead(command.to_agency))


def accept_lead(case_id: UUID, command: asked.AcceptLead, work: Work) -> Case:
    """The other agency leads from now on; the lead's epoch rises."""
    return _put(work, *_case(work, case_id).accept_lead(work.cause.agency))


def reject_lead(case_id: UUID, command: asked.RejectLead, work: Work) -> Case:
    """The other agency does not take the lead."""
    return _put(work, *_case(work, case_id).reject_lead(work.cause.agency))


def give_consent(case_id: UUID, command: asked.GiveConsent, work: Work) -> Case:
    """S10, S12: the client agrees that an agency learns of the case."""
    case = _case(work, case_id)
    consent = Consent(
        id=command.consent_id or uuid5(case_id, f"consent {case.version}"),
        purpose=command.purpose,
        recipient=command.recipient,
        from_on=command.from_on,
        until_on=command.until_on,
    )
    return _put(work, *case.give_consent(consent, work.effective.date()))


def withdraw_consent(case_id: UUID, command: asked.WithdrawConsent, work: Work) -> Case:
    """The client agrees no more."""
    return _put(work, *_case(work, case_id).withdraw_consent(command.consent_id))


def open_in_emergency(case_id: UUID, command: asked.OpenInEmergency, work: Work) -> Case:
    """S11: somebody who takes no part in it has to read the case at once."""
    case, cause = _case(work, case_id), work.cause
    access = EmergencyAccess(
        id=uuid5(case_id, f"access {case.version}"),
        agency=cause.agency,
        actor=cause.actor,
        words=command.words,
        until=work.now + timedelta(minutes=command.minutes),
    )
    return _put(work, *case.open_in_emergency(access, work.now))


def review_access(case_id: UUID, command: asked.ReviewAccess, work: Work) -> Case:
    """S71, S73: a supervisor or the coordinator says whether an emergency access was justified."""
    if work.cause.actor_role not in (Role.SUPERVISOR, Role.COORDINATOR):
        raise Forbidden("This needs a supervisor of an agency of the case, or the coordinator of its region.")
    return _put(work, *_case(work, case_id).review_access(command.access_id, work.cause.actor, command.result))


def begin_import(case_id: UUID, command: asked.BeginImport, work: Work) -> Case:
    """More history of a case that is here already."""
    return _put(work, *_case(work, case_id).begin_import(command.import_id, command.owners))


def complete_import(case_id: UUID, command: asked.CompleteImport, work: Work) -> Case:
    """Intake's part of the case's history is complete."""
    return _put(work, *_case(work, case_id).complete_import(command.import_id))


def join_provider(event: ReferralAccepted, work: Work) -> None:
    """An agency that accepted a referral takes part in the case as its provider."""
    case = work.cases.get(event.case_id)
    if case is not None and not case.takes_part(event.agency):
        _put(work, *case.take_part(event.agency, ParticipantRole.PROVIDER))


REACTIONS: Mapping[type[Event], Callable[[Any, Any], None]] = {ReferralAccepted: join_provider}


def _case(work: Work, case_id: UUID) -> Case:
    case = work.cases.get(case_id)
    if case is None:
        raise Absent
    return case


def _put(work: Work, case: Case, *events: Event) -> Case:
    for event in events:
        work.emit(event)
    work.cases.put(case)
    return case
