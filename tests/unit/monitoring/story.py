"""A case's facts as the services would record them, and what monitoring decides of them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from pydantic import TypeAdapter

from casebus.contracts import intake, monitoring, planning, referral
from casebus.contracts.intake import AgencyKind, CaseSource, Nature, Priority
from casebus.contracts.monitoring import ContactChannel, ContactResult
from casebus.contracts.planning import CaseOutcome, ReopenReason
from casebus.contracts.referral import ReferralAccepted, ReferralOffered
from casebus.envelope import Envelope, Origin, Role
from casebus.event import Event
from services.monitoring.domain.decision import Decision, decide
from services.monitoring.domain.fact import Fact, History
from services.monitoring.domain.policy import Policy
from services.monitoring.domain.regime import always
from services.monitoring.rules import RULES
from tests import policies

CASE = UUID("8e55b0a8-9072-5635-ae6b-7bde7d539d83")
IMPORT = UUID(int=77)
LEAD, PARTNER, REGION = "city-hospital", "north-shelter", "north"
MONDAY = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""A Monday noon in winter, when London's time is UTC."""

WRITTEN: dict[str, Any] = {
    "policy": "test",
    "version": "1",
    "region": "*",
    "calendar": {"zone": "Europe/London", "country": "GB", "subdivision": "ENG"},
    "follow_up": {"intervals": ["14d"], "grace": "1d"},
    "duties": {"REFERRAL_UNANSWERED": {"within": "2d", "grace": "1d"}, "STALLED_CASE": {"within": "30d", "grace": "0h"}},
    "progress": ["planning.PlanAgreed", "planning.StepDone", "referral.ReferralAccepted", "monitoring.ContactRecorded"],
    "ladder": {"WORKER": "2d", "SUPERVISOR": "3d"},
    "snooze": {"times": 2, "longest": {"CRITICAL": "0h", "HIGH": "1d", "MEDIUM": "3d", "LOW": "5d"}},
}
POLICY: Policy = TypeAdapter(Policy).validate_python(policies.watching(WRITTEN, "MISSED_FOLLOW_UP", "REFERRAL_UNANSWERED", "STALLED_CASE"))
DUTIES = {
    "INTAKE_OVERDUE": {"within": {"CRITICAL": "1h", "HIGH": "4h", "MEDIUM": "1d", "LOW": "3d"}, "grace": "0h"},
    "FIRST_CONTACT_OVERDUE": {"within": {"CRITICAL": "1d", "HIGH": "2d", "MEDIUM": "5d", "LOW": "14d"}, "grace": "0h"},
    "PLAN_OVERDUE": {"within": {"CRITICAL": "5d", "HIGH": "14d", "MEDIUM": "30d", "LOW": "45d"}, "grace": "0h"},
    "STEP_OVERDUE": {"within": "0h", "grace": "1d"},
    "UNASSIGNED": {"within": {"CRITICAL": "1h", "HIGH": "3h", "MEDIUM": "1d", "LOW": "3d"}, "grace": "0h"},
    "ASSESSMENT_OVERDUE": {"within": "14d", "grace": "0h"},
    "REASSESSMENT_DUE": {"within": "60d", "grace": "0h"},
    "REFERRAL_NO_FIRST_CONTACT": {"within": "5d", "grace": "0h"},
    "HANDOVER_PENDING": {"within": "3d", "grace": "1d"},
    "UNOWNED_NEED": {"within": "14d", "grace": "0h"},
    "DUPLICATE_SERVICE": {"within": "2d", "grace": "0h"},
    "EMERGENCY_ACCESS_UNREVIEWED": {"within": "5d", "grace": "0h"},
    "CONSENT_EXPIRING": {"within": "14d", "grace": "0h"},
    "RESOURCE_STALE": {"within": {"CRITICAL": "30d", "HIGH": "90d", "MEDIUM": "90d", "LOW": "90d"}, "grace": "0h"},
    "CLOSURE_BLOCKED": {"within": "7d", "grace": "0h"},
    "RESISTANCE_UNREVIEWED": {"within": "5d", "grace": "0h"},
}
"""The times of the rules that `POLICY` doesn't watch."""


def watching(*rules: str) -> Policy:
    """A policy that watches these rules alone; without any, all there are."""
    everything = WRITTEN | {"duties": WRITTEN["duties"] | DUTIES, "counts": {"PING_PONG": 3, "LOST_CONTACT": 3}}
    return TypeAdapter(Policy).validate_python(policies.watching(everything, *rules))


EVERYTHING = watching()


def day(number: float) -> datetime:
    """Noon of the day so many days after the Monday on which everything begins."""
    return MONDAY + timedelta(days=number)


def some(name: object) -> UUID:
    """An id that is the same each time."""
    return uuid5(CASE, str(name))


class Story:
    """Facts are told in the order of their calls within each owner; recorded times are the teller's."""

    def __init__(self, *, opened: bool = True, priority: Priority = Priority.MEDIUM, policy: Policy = POLICY) -> None:
        self.policy = policy
        self.facts: list[Fact] = []
        self._told: Counter[str] = Counter()
        if opened:
            self.receive(day(-1), priority=priority)
            self.tell(intake.CaseOpened(case_id=CASE, agency=LEAD, region=REGION, priority=priority, under_way=False), day(0))

    def tell(
        self, event: Event, at: datetime, *, occurred: datetime | None = None, origin: Origin | None = None, import_id: UUID | None = None
    ) -> Fact:
        """Recorded at `at`; one that occurred earlier is OFFLINE, unless it belongs to an import."""
        owner = event.TYPE.partition(".")[0]
        self._told[owner] += 1
        past = Origin.IMPORT if import_id else Origin.OFFLINE
        envelope = Envelope(
            event_id=some(f"{owner} {self._told[owner]}"),
            type=event.TYPE,
            version=event.VERSION,
            owner=owner,
            topic=event.TOPIC,
            subject=event.subject,
            case_seq=self._told[owner],
            generation=1,
            occurred_at=occurred or at,
            recorded_at=at,
            agency=LEAD,
            actor="actor-1",
            actor_role=Role.WORKER,
            actor_agency=LEAD,
            lead_epoch=1,
            correlation_id=CASE,
            origin=origin or (Origin.LIVE if occurred is None else past),
            import_id=import_id,
        )
        self.facts.append(Fact(event, envelope))
        return self.facts[-1]

    def receive(self, at: datetime, *, priority: Priority = Priority.MEDIUM) -> None:
        received = intake.CaseReceived(
            case_id=CASE, agency=LEAD, region=REGION, source=CaseSource.AGENCY, agency_kind=AgencyKind.HOSPITAL, referring_agency=None
        )
        self.tell(received, at)
        self.tell(intake.CaseTriaged(case_id=CASE, priority=priority, nature=Nature.HOUSING, crisis=False), at + timedelta(seconds=1))

    def begin_import(self, at: datetime, *owners: str, one: UUID = IMPORT) -> None:
        self.tell(intake.CaseImportBegun(case_id=CASE, import_id=one, owners=owners), at, occurred=at, import_id=one)

    def complete_import(self, owner: str, at: datetime, one: UUID = IMPORT) -> None:
        imported: dict[str, Event] = {
            "intake": intake.CaseImported(case_id=CASE, import_id=one),
            "planning": planning.CaseImported(case_id=CASE, import_id=one),
            "referral": referral.CaseImported(case_id=CASE, import_id=one),
            "monitoring": monitoring.CaseImported(case_id=CASE, import_id=one),
        }
        self.tell(imported[owner], at, occurred=at, import_id=one)

    def follow_up(self, name: str, *, due: datetime, at: datetime, occurred: datetime | None = None, import_id: UUID | None = None) -> Fact:
        event = monitoring.FollowUpScheduled(case_id=CASE, follow_up_id=some(name), due_at=due, number=1)
        return self.tell(event, at, occurred=occurred, import_id=import_id)

    def contact(
        self,
        name: str | None,
        at: datetime,
        *,
        result: ContactResult = ContactResult.REACHED,
        occurred: datetime | None = None,
        import_id: UUID | None = None,
    ) -> Fact:
        """What it answers is its name; None where it answers nothing."""
        answered = some(name) if name else None
        event = monitoring.ContactRecorded(
            case_id=CASE, contact_id=some(f"contact {at}"), follow_up_id=answered, result=result, channel=ContactChannel.VISIT
        )
        return self.tell(event, at, occurred=occurred, import_id=import_id)

    def offer(self, name: str, at: datetime, *, to: str = PARTNER, step: UUID | None = None, service: str = "shelter") -> Fact:
        event = ReferralOffered(
            case_id=CASE, referral_id=some(name), step_id=step, service_id=None, service_type=service, agency=to, attempt=1
        )
        return self.tell(event, at)

    def accept(self, name: str, at: datetime, *, by: str = PARTNER, occurred: datetime | None = None) -> Fact:
        return self.tell(ReferralAccepted(case_id=CASE, referral_id=some(name), agency=by, step_id=None), at, occurred=occurred)

    def close(self, at: datetime, *, occurred: datetime | None = None, import_id: UUID | None = None) -> Fact:
        event = planning.CaseClosed(case_id=CASE, outcome=CaseOutcome.GOALS_REACHED)
        return self.tell(event, at, occurred=occurred, import_id=import_id)

    def reopen(self, at: datetime) -> Fact:
        return self.tell(planning.CaseReopened(case_id=CASE, reason=ReopenReason.NEW_NEED, under_way=False), at)

    def hand_over(self, at: datetime, *, to: str = PARTNER) -> Fact:
        return self.tell(intake.LeadHandedOver(case_id=CASE, from_agency=LEAD, to_agency=to, lead_epoch=2), at)

    def decisions(self, watermark: datetime) -> list[Decision]:
        return decide(History.below(CASE, self.facts, watermark), watermark, always(lambda *_: self.policy), RULES)[0]

    def look(self, watermark: datetime) -> datetime | None:
        return decide(History.below(CASE, self.facts, watermark), watermark, always(lambda *_: self.policy), RULES)[1]

    def said(self, watermark: datetime, *, about: type[Event] | None = None) -> list[Event]:
        """The events that are decided, of one type if wanted."""
        return [one.event for one in self.decisions(watermark) if about is None or isinstance(one.event, about)]

    def state(self, watermark: datetime) -> list[Event]:
        """Decide and tell what is new, recorded at the watermark, as the clock worker does."""
        known = {(type(fact.event), *fact.event.says().values()) for fact in self.facts}
        new = [one for one in self.said(watermark) if (type(one), *one.says().values()) not in known]
        for number, one in enumerate(new):
            self.tell(one, watermark + timedelta(microseconds=number), origin=Origin.SYSTEM)
        return new
