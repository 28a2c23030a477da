"""A case as intake knows it: received, triaged, then opened, declined or redirected; who shares it and who leads (S01–S06, S49)."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from casebus.access import Emergency, Standing
from casebus.contracts import intake as said
from casebus.contracts.intake import (
    CaseSource,
    ConsentPurpose,
    DeclineReason,
    Nature,
    ParticipantRole,
    Priority,
    PriorityReason,
    ReviewResult,
)
from casebus.errors import Conflict, Fix, Invalid
from casebus.event import Event


class CaseState(StrEnum):
    """The stages of a case while intake owns it (domain.md, Case)."""

    RECEIVED = "RECEIVED"
    TRIAGED = "TRIAGED"
    OPENED = "OPENED"
    DECLINED = "DECLINED"
    REDIRECTED = "REDIRECTED"


class PartState(StrEnum):
    """Where an agency's participation stands."""

    INVITED = "INVITED"
    ACTIVE = "ACTIVE"
    LEFT = "LEFT"
    DECLINED = "DECLINED"


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One agency's part in a case."""

    role: ParticipantRole
    state: PartState


@dataclass(frozen=True, kw_only=True, slots=True)
class EmergencyAccess:
    """One person may read the case until then. `words` are their own, why; they are in no event."""

    id: UUID
    agency: str
    actor: str
    words: str
    until: datetime
    result: ReviewResult | None = None
    """What another person found, once somebody has looked at it."""


class ConsentState(StrEnum):
    """Where a consent stands; one whose last day is over has expired."""

    GIVEN = "GIVEN"
    WITHDRAWN = "WITHDRAWN"
    SUPERSEDED = "SUPERSEDED"


@dataclass(frozen=True, kw_only=True, slots=True)
class Consent:
    """That the recipient may learn of the case, for one purpose, on these days (S10, S12). It is kept; nothing asks for it yet."""

    id: UUID
    purpose: ConsentPurpose
    recipient: str
    from_on: date
    until_on: date
    state: ConsentState = ConsentState.GIVEN

    def replaces(self, other: "Consent") -> bool:
        return other.state is ConsentState.GIVEN and (other.purpose, other.recipient) == (self.purpose, self.recipient)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """Each method returns the case as it is afterwards and the event that says so; it raises Conflict where the state doesn't allow it."""

    id: UUID
    version: int = 1
    state: CaseState = CaseState.RECEIVED
    region: str
    source: CaseSource
    lead: str
    lead_epoch: int = 1
    proposed_lead: str | None = None
    priority: Priority | None = None
    worker: UUID | None = None
    """Of the lead agency, who has the case."""
    parts: dict[str, Part] = field(default_factory=dict)
    importing: UUID | None = None
    accesses: tuple[EmergencyAccess, ...] = ()
    consents: tuple[Consent, ...] = ()

    def standing(self) -> Standing:
        return Standing(
            case_id=self.id,
            region=self.region,
            lead=self.lead,
            lead_epoch=self.lead_epoch,
            active=frozenset(a for a, part in self.parts.items() if part.state is PartState.ACTIVE),
            emergencies=tuple(Emergency(agency=each.agency, actor=each.actor, until=each.until) for each in self.accesses),
            asked=frozenset(a for a, part in self.parts.items() if part.state is PartState.INVITED) | self._asked_to_lead(),
        )

    def _asked_to_lead(self) -> frozenset[str]:
        return frozenset({self.proposed_lead} if self.proposed_lead else ())

    def triage(self, priority: Priority, nature: Nature, *, crisis: bool) -> tuple["Case", said.CaseTriaged]:
        """S05: what it is about and how urgent. May be repeated until the case is opened."""
        self._must_be(CaseState.RECEIVED, CaseState.TRIAGED, to="triage it")
        event = said.CaseTriaged(case_id=self.id, priority=priority, nature=nature, crisis=crisis)
        return self._next(state=CaseState.TRIAGED, priority=priority), event

    def open(self, *, under_way: bool) -> tuple["Case", said.CaseOpened]:
        """S06: taken on; planning owns it from here. `under_way`: the service had begun before the case came to us."""
        self._must_be(CaseState.TRIAGED, to="open it")
        event = said.CaseOpened(
            case_id=self.id, agency=self.lead, region=self.region, priority=self.priority or Priority.MEDIUM, under_way=under_way
        )
        return self._next(state=CaseState.OPENED), event

    def change_priority(self, priority: Priority, reason: PriorityReason) -> tuple["Case", said.PriorityChanged]:
        """More or less urgent than it was. Until the case is opened its triage is repeated instead."""
        self._must_be(CaseState.OPENED, to="change its priority")
        if priority is self.priority:
            raise Conflict(f"The case is {priority} already.")
        return self._next(priority=priority), said.PriorityChanged(case_id=self.id, priority=priority, reason=reason)

    def assign(self, worker: UUID) -> tuple["Case", said.WorkerAssigned]:
        """S67: one of the lead's workers has the case from now on."""
        self._must_be(CaseState.RECEIVED, CaseState.TRIAGED, CaseState.OPENED, to="assign a worker")
        if worker == self.worker:
            raise Conflict("This worker has the case already.")
        return self._next(worker=worker), said.WorkerAssigned(case_id=self.id, agency=self.lead, worker_id=worker)

    def decline(self, reason: DeclineReason) -> tuple["Case", said.CaseDeclined]:
        self._must_be(CaseState.RECEIVED, CaseState.TRIAGED, to="decline it")
        return self._next(state=CaseState.DECLINED), said.CaseDeclined(case_id=self.id, reason=reason)

    def redirect(self, target_agency: str, reason: DeclineReason) -> tuple["Case", said.CaseRedirected]:
        self._must_be(CaseState.RECEIVED, CaseState.TRIAGED, to="redirect it")
        event = said.CaseRedirected(case_id=self.id, target_agency=target_agency, reason=reason)
        return self._next(state=CaseState.REDIRECTED), event

    def invite(self, agency: str, role: ParticipantRole) -> tuple["Case", said.AgencyInvited]:
        self._must_be(CaseState.RECEIVED, CaseState.TRIAGED, CaseState.OPENED, to="invite an agency")
        if role is ParticipantRole.LEAD:
            raise Conflict("A case has one lead: propose a hand-over of the lead instead.")
        if self._state_of(agency) in (PartState.INVITED, PartState.ACTIVE):
            raise Conflict("This agency is invited or takes part already.")
        event = said.AgencyInvited(case_id=self.id, agency=agency, role=role)
        return self._with(agency, Part(role=role, state=PartState.INVITED)), event

    def join(self, agency: str) -> tuple["Case", said.AgencyJoined]:
        """The invited agency accepts."""
        if self._state_of(agency) is not PartState.INVITED:
            raise Conflict("There is no open invitation for your agency.")
        return self.take_part(agency, self.parts[agency].role)

    def take_part(self, agency: str, role: ParticipantRole) -> tuple["Case", said.AgencyJoined]:
        """An agency is active from now on, as after accepting a referral."""
        joined = self._with(agency, Part(role=role, state=PartState.ACTIVE))
        return joined, said.AgencyJoined(case_id=self.id, agency=agency, role=role)

    def takes_part(self, agency: str) -> bool:
        return self._state_of(agency) is PartState.ACTIVE

    def decline_invitation(self, agency: str) -> tuple["Case", said.AgencyDeclinedInvitation]:
        if self._state_of(agency) is not PartState.INVITED:
            raise Conflict("There is no open invitation for your agency.")
        declined = replace(self.parts[agency], state=PartState.DECLINED)
        return self._with(agency, declined), said.AgencyDeclinedInvitation(case_id=self.id, agency=agency)

    def leave(self, agency: str) -> tuple["Case", said.AgencyLeft]:
        if agency == self.lead:
            raise Conflict("The lead can't leave: hand over the lead first.")
        left = replace(self.parts[agency], state=PartState.LEFT)
        return self._with(agency, left), said.AgencyLeft(case_id=self.id, agency=agency)

    def propose_lead(self, to_agency: str) -> tuple["Case", said.LeadHandoverProposed]:
        """The lead stays where it is until the other agency accepts."""
        self._must_be(CaseState.RECEIVED, CaseState.TRIAGED, CaseState.OPENED, to="hand over its lead")
        if self.proposed_lead is not None:
            raise Conflict("A hand-over of the lead is already proposed.")
        if to_agency == self.lead:
            raise Conflict("This agency leads already.")
        event = said.LeadHandoverProposed(case_id=self.id, from_agency=self.lead, to_agency=to_agency)
        return self._next(proposed_lead=to_agency), event

    def accept_lead(self, agency: str) -> tuple["Case", said.LeadHandedOver]:
        """From this event on the other agency leads; the epoch fences commands of the old lead."""
        self._must_be_proposed_to(agency)
        led = self._with(agency, Part(role=ParticipantRole.LEAD, state=PartState.ACTIVE))
        old = replace(led.parts[self.lead], role=ParticipantRole.CO_MANAGER)
        handed = replace(
            led, parts={**led.parts, self.lead: old}, lead=agency, lead_epoch=self.lead_epoch + 1, proposed_lead=None, worker=None
        )
        event = said.LeadHandedOver(case_id=self.id, from_agency=self.lead, to_agency=agency, lead_epoch=handed.lead_epoch)
        return handed, event

    def reject_lead(self, agency: str) -> tuple["Case", said.LeadHandoverRejected]:
        self._must_be_proposed_to(agency)
        event = said.LeadHandoverRejected(case_id=self.id, from_agency=self.lead, to_agency=agency)
        return self._next(proposed_lead=None), event

    def give_consent(self, consent: Consent, today: date) -> "tuple[Case, *tuple[Event, ...]]":
        """S10, S12. It takes the place of one for the same purpose and agency."""
        if any(known.id == consent.id for known in self.consents):
            raise Conflict("The case has a consent of this id already.")
        if consent.until_on < max(consent.from_on, today):
            raise Invalid("A consent holds for a time.", Fix("until_on", "a day to come, not before from_on"))
        before = [known for known in self.consents if consent.replaces(known)]
        superseded = (said.ConsentSuperseded(case_id=self.id, consent_id=each.id, successor=consent.id) for each in before)
        kept = tuple(replace(each, state=ConsentState.SUPERSEDED) if each in before else each for each in self.consents)
        given = said.ConsentGiven(
            case_id=self.id,
            consent_id=consent.id,
            purpose=consent.purpose,
            recipient=consent.recipient,
            from_on=consent.from_on,
            until_on=consent.until_on,
        )
        events: tuple[Event, ...] = (*superseded, given)
        return self._next(consents=(*kept, consent)), *events

    def withdraw_consent(self, consent_id: UUID) -> tuple["Case", said.ConsentWithdrawn]:
        found = next((each for each in self.consents if each.id == consent_id), None)
        if found is None:
            raise Invalid("The case has no such consent.", Fix("consent_id", "the id of a consent of this case"))
        if found.state is not ConsentState.GIVEN:
            raise Conflict(f"The consent is {found.state}.")
        kept = tuple(replace(each, state=ConsentState.WITHDRAWN) if each is found else each for each in self.consents)
        return self._next(consents=kept), said.ConsentWithdrawn(case_id=self.id, consent_id=consent_id)

    def open_in_emergency(self, access: EmergencyAccess, now: datetime) -> tuple["Case", said.EmergencyAccessGranted]:
        """S11: for one person, and for some hours. Somebody else looks at it afterwards."""
        if self.takes_part(access.agency):
            raise Conflict("Your agency takes part in the case: you can read it.")
        if any((each.agency, each.actor) == (access.agency, access.actor) and now < each.until for each in self.accesses):
            raise Conflict("You have access until it ends.")
        event = said.EmergencyAccessGranted(
            case_id=self.id, access_id=access.id, agency=access.agency, actor=access.actor, until=access.until
        )
        return self._next(accesses=(*self.accesses, access)), event

    def review_access(self, access_id: UUID, by: str, result: ReviewResult) -> tuple["Case", said.EmergencyAccessReviewed]:
        """By another person than who had it."""
        found = next((each for each in self.accesses if each.id == access_id), None)
        if found is None:
            raise Invalid("There was no such access to the case.", Fix("access_id", "the id of an emergency access to this case"))
        if found.result is not None:
            raise Conflict("It was reviewed already.")
        if found.actor == by:
            raise Conflict("Somebody else than who had it reviews an emergency access.")
        reviewed = tuple(replace(each, result=result) if each is found else each for each in self.accesses)
        event = said.EmergencyAccessReviewed(case_id=self.id, access_id=access_id, result=result)
        return self._next(accesses=reviewed), event

    def begin_import(self, import_id: UUID, owners: tuple[str, ...]) -> tuple["Case", said.CaseImportBegun]:
        """Clocks of the case wait until each of the owners has said that its part is complete. It takes the place of one that broke off."""
        return self._next(importing=import_id), said.CaseImportBegun(case_id=self.id, import_id=import_id, owners=owners)

    def complete_import(self, import_id: UUID) -> tuple["Case", said.CaseImported]:
        if self.importing != import_id:
            raise Conflict("This import of the case is not open.")
        return self._next(importing=None), said.CaseImported(case_id=self.id, import_id=import_id)

    def _must_be(self, *states: CaseState, to: str) -> None:
        if self.state not in states:
            raise Conflict(f"The case is {self.state}; to {to} it must be {' or '.join(states)}.")

    def _must_be_proposed_to(self, agency: str) -> None:
        if self.proposed_lead != agency:
            raise Conflict("No hand-over of the lead is proposed to your agency.")

    def _state_of(self, agency: str) -> PartState | None:
        part = self.parts.get(agency)
        return part.state if part else None

    def _with(self, agency: str, part: Part) -> "Case":
        return self._next(parts={**self.parts, agency: part})

    def _next(self, **changes: object) -> "Case":
        return replace(self, version=self.version + 1, **changes)  # type: ignore[arg-type]  # names and types are checked by its callers' tests


def receive(
    case_id: UUID, *, agency: str, region: str, source: CaseSource, agency_kind: said.AgencyKind, referring_agency: str | None
) -> tuple[Case, said.CaseReceived]:
    """S01, S02: a new case, led by the agency that received it until the lead is handed over."""
    case = Case(
        id=case_id, region=region, source=source, lead=agency, parts={agency: Part(role=ParticipantRole.LEAD, state=PartState.ACTIVE)}
    )
    event = said.CaseReceived(
        case_id=case_id, agency=agency, region=region, source=source, agency_kind=agency_kind, referring_agency=referring_agency
    )
    return case, event
