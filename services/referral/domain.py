"""The directory of services (S42–S45), and referrals: offered, answered, ended; without room, offered to the next candidate (S45, S46)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID, uuid5

from casebus.contracts import referral as said
from casebus.contracts.referral import DeclineReason, ReferralOutcome, ServiceTerm, WithdrawReason
from casebus.errors import Conflict, Fix, Invalid

NEXT_IS_ASKED = frozenset({DeclineReason.NO_CAPACITY, DeclineReason.OUT_OF_AREA})
"""The reasons of a decline that say nothing against the next candidate (domain.md, Backup)."""


class ServiceKind(StrEnum):
    """Who gives a service (S41)."""

    GOVERNMENT = "GOVERNMENT"
    NGO = "NGO"
    MARKET = "MARKET"
    COMMUNITY = "COMMUNITY"


class ServiceState(StrEnum):
    """Where an entry stands. That nobody has assured it for long (STALE) is monitoring's to tell, by its policy."""

    LISTED = "LISTED"
    VERIFIED = "VERIFIED"  # somebody has made sure of it
    SUSPENDED = "SUSPENDED"  # its licence has run out: a matter of the day, never kept
    RETIRED = "RETIRED"


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """An entry of the directory. `available` and `maximum` are clients it can take, as its agency last said. `licence_until`: the last day
    on which its licence is valid, where it needs one. `is_told`: whether others have heard that it is there."""

    id: UUID
    version: int = 1
    state: ServiceState = ServiceState.LISTED
    agency: str
    service_type: str
    kind: ServiceKind
    region: str
    available: int
    maximum: int
    term: ServiceTerm = ServiceTerm.LONG
    licence_until: date | None = None
    assured_on: date | None = None
    is_told: bool = False
    """Of entries that are older than this field it isn't known."""

    def state_on(self, today: date) -> ServiceState:
        """With its licence, which runs out by itself (S42)."""
        is_listed = self.state is not ServiceState.RETIRED
        has_run_out = self.licence_until is not None and self.licence_until < today
        return ServiceState.SUSPENDED if is_listed and has_run_out else self.state

    def can_be_offered(self, today: date) -> bool:
        return self.state_on(today) in (ServiceState.LISTED, ServiceState.VERIFIED)

    def listed(self, today: date) -> said.ServiceListed:
        self._must_be_licensed(today)
        return said.ServiceListed(case_id=self.id, agency=self.agency, region=self.region, service_type=self.service_type, term=self.term)

    def assure(self, licence_until: date | None, today: date) -> tuple["Service", *tuple[said.ServiceListed | said.ServiceAssured, ...]]:
        """S41, S42: somebody has made sure that the entry is right. A licence that has run out is given anew. Of an entry that others
        may not have heard of they hear first that it is there."""
        if self.state is ServiceState.RETIRED:
            raise Conflict("The service is RETIRED: list it again.")
        assured = replace(
            self,
            version=self.version + 1,
            state=ServiceState.VERIFIED,
            licence_until=licence_until or self.licence_until,
            assured_on=today,
            is_told=True,
        )
        listed = assured.listed(today)
        return assured, *(() if self.is_told else (listed,)), said.ServiceAssured(case_id=self.id, term=self.term)

    def _must_be_licensed(self, today: date) -> None:
        if self.licence_until is not None and self.licence_until < today:
            raise Invalid("Its licence has run out.", Fix("licence_until", "the last day of a licence that is valid"))

    def retire(self) -> tuple["Service", said.ServiceRetired]:
        """It is offered to nobody any more; referrals that it has stay."""
        if self.state is ServiceState.RETIRED:
            raise Conflict("The service is RETIRED already.")
        return replace(self, version=self.version + 1, state=ServiceState.RETIRED), said.ServiceRetired(case_id=self.id)


def suitable(listed: Iterable[Service], service_type: str, region: str) -> list[Service]:
    """S45: services of the type with room, those of the case's region first, then by room. An unknown region ("") prefers none."""
    found = [service for service in listed if service.service_type == service_type and service.available > 0]
    return sorted(found, key=lambda service: (service.region != region, -service.available, service.id))


def named(listed: Iterable[Service], ids: Sequence[UUID], service_type: str) -> list[Service]:
    """Those of the ids that are listed and of the type, each once and in the order of the ids: who named them chose them, room or not."""
    known = {service.id: service for service in listed if service.service_type == service_type}
    return [known[each] for each in dict.fromkeys(ids) if each in known]


class ReferralState(StrEnum):
    """The stages of a referral (domain.md, Referral)."""

    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    IN_SERVICE = "IN_SERVICE"
    DECLINED = "DECLINED"
    WITHDRAWN = "WITHDRAWN"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


TAKEN = (ReferralState.ACCEPTED, ReferralState.IN_SERVICE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Referral:
    """Each method returns the referral as it is afterwards and the event that says so; it raises Conflict where the state doesn't allow it.

    `agency` is asked, for its service `service_id` if the directory lists it; `candidates` are the services to be asked after it.
    `sought_at` is when the service was first asked for: a successor keeps it, so that it is known which offers a closure ends.
    """

    id: UUID
    version: int = 1
    state: ReferralState = ReferralState.OFFERED
    case_id: UUID
    step_id: UUID | None = None
    service_id: UUID | None = None
    service_type: str
    agency: str
    attempt: int = 1
    candidates: tuple[UUID, ...] = ()
    sought_at: datetime
    successor: UUID | None = None

    @property
    def is_open(self) -> bool:
        return self.state in (ReferralState.OFFERED, *TAKEN)

    @property
    def next_id(self) -> UUID:
        """The id of the referral that follows if this one is declined."""
        return uuid5(self.id, str(self.attempt + 1))

    def answered_by(self, lead: str) -> frozenset[str]:
        """The agency that it is offered to, alone; after that, the case's lead too may say how it ended (the closed loop)."""
        return frozenset({self.agency} if self.state is ReferralState.OFFERED else {self.agency, lead or self.agency})

    def offered(self) -> said.ReferralOffered:
        return said.ReferralOffered(
            case_id=self.case_id,
            referral_id=self.id,
            step_id=self.step_id,
            service_id=self.service_id,
            service_type=self.service_type,
            agency=self.agency,
            attempt=self.attempt,
        )

    def accept(self) -> tuple["Referral", said.ReferralAccepted]:
        self._must_be(ReferralState.OFFERED, to="accept it")
        event = said.ReferralAccepted(case_id=self.case_id, referral_id=self.id, agency=self.agency, step_id=self.step_id)
        return self._next(ReferralState.ACCEPTED), event

    def decline(self, reason: DeclineReason, *, successor: UUID | None) -> tuple["Referral", said.ReferralDeclined]:
        """`successor` is the referral by which the next candidate is asked, if one is."""
        self._must_be(ReferralState.OFFERED, to="decline it")
        event = said.ReferralDeclined(
            case_id=self.case_id, referral_id=self.id, agency=self.agency, step_id=self.step_id, reason=reason, successor=successor
        )
        return replace(self._next(ReferralState.DECLINED), successor=successor), event

    def pass_on(self, queue: Sequence[Service]) -> tuple["Referral", said.ReferralOffered]:
        """S46: the same is asked of the first of the queue; the others remain."""
        first, *rest = queue
        following = replace(
            self,
            id=self.next_id,
            version=1,
            state=ReferralState.OFFERED,
            service_id=first.id,
            agency=first.agency,
            attempt=self.attempt + 1,
            candidates=tuple(service.id for service in rest),
        )
        return following, following.offered()

    def withdraw(self, reason: WithdrawReason) -> tuple["Referral", said.ReferralWithdrawn]:
        self._must_be(ReferralState.OFFERED, *TAKEN, to="withdraw it")
        event = said.ReferralWithdrawn(case_id=self.case_id, referral_id=self.id, agency=self.agency, reason=reason)
        return self._next(ReferralState.WITHDRAWN), event

    def begin(self) -> tuple["Referral", said.ServiceBegun]:
        """S45: the agency has seen the client for the first time."""
        self._must_be(ReferralState.ACCEPTED, to="begin its service")
        event = said.ServiceBegun(case_id=self.case_id, referral_id=self.id, agency=self.agency, step_id=self.step_id)
        return self._next(ReferralState.IN_SERVICE), event

    def complete(self, outcome: ReferralOutcome) -> tuple["Referral", said.ReferralCompleted]:
        self._must_be(*TAKEN, to="complete it")
        event = said.ReferralCompleted(case_id=self.case_id, referral_id=self.id, agency=self.agency, step_id=self.step_id, outcome=outcome)
        return self._next(ReferralState.COMPLETED), event

    def fail(self, outcome: ReferralOutcome) -> tuple["Referral", said.ReferralFailed]:
        self._must_be(*TAKEN, to="say that it failed")
        event = said.ReferralFailed(case_id=self.case_id, referral_id=self.id, agency=self.agency, step_id=self.step_id, outcome=outcome)
        return self._next(ReferralState.FAILED), event

    def _must_be(self, *states: ReferralState, to: str) -> None:
        if self.state not in states:
            raise Conflict(f"The referral is {self.state}; to {to} it must be {' or '.join(states)}.")

    def _next(self, state: ReferralState) -> "Referral":
        return replace(self, version=self.version + 1, state=state)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportedCase:
    """A case whose history is complete here. Nothing is kept of it, so it has no versions."""

    id: UUID
    version: int = 0
