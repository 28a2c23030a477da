"""A case as the board shows it: who holds it and in what stage, whichever topic told first."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from casebus.contracts import intake, planning, referral
from casebus.contracts.intake import Priority
from casebus.envelope import Envelope
from casebus.event import Event
from services.monitoring.domain.fact import effective

CLOSED_STAGES = frozenset({"CLOSED", "DECLINED", "REDIRECTED"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """Somebody became lead, or accepted a referral."""

    recorded_at: datetime
    owner: str
    seq: int
    at: datetime
    agency: str
    leads: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class HandOff:
    """The holder changed."""

    from_agency: str
    to_agency: str
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseView:
    """Holder: the agency of the last accepted referral, else the lead (domain.md). Planning's stage overrides intake's."""

    id: UUID
    version: int = 0
    region: str = ""
    priority: Priority | None = None
    since: datetime | None = None
    intake_stage: str = "RECEIVED"
    planning_stage: str | None = None
    steps: tuple[Step, ...] = ()
    stage: str = "RECEIVED"
    holder: str = ""
    lead: str = ""

    @property
    def is_open(self) -> bool:
        return bool(self.steps) and self.stage not in CLOSED_STAGES

    def hand_offs(self) -> tuple[HandOff, ...]:
        """Every change of the holder, in order."""
        found: list[HandOff] = []
        holder, accepted = "", False
        for step in self.steps:
            if step.leads and accepted:
                continue
            accepted = accepted or not step.leads
            if holder and holder != step.agency:
                found.append(HandOff(from_agency=holder, to_agency=step.agency, at=step.at))
            holder = step.agency
        return tuple(found)

    def after(self, event: Event, envelope: Envelope) -> "CaseView":
        """The view with this event in it; the result doesn't depend on how topics interleave."""
        changed = self._changed(event, envelope)
        return self if changed is self else changed._settled()

    def _settled(self) -> "CaseView":
        lead = next((step.agency for step in reversed(self.steps) if step.leads), "")
        holder = next((step.agency for step in reversed(self.steps) if not step.leads), lead)
        return replace(self, version=self.version + 1, stage=self.planning_stage or self.intake_stage, lead=lead, holder=holder)

    def _changed(self, event: Event, envelope: Envelope) -> "CaseView":
        match event:
            case intake.CaseReceived():
                return replace(self._with(event.agency, envelope, leads=True), region=event.region, since=effective(envelope))
            case intake.LeadHandedOver():
                return self._with(event.to_agency, envelope, leads=True)
            case intake.CaseTriaged():
                return replace(self, intake_stage="TRIAGED", priority=event.priority)
            case intake.CaseOpened():
                return replace(self, intake_stage="OPENED", priority=event.priority)
            case intake.CaseDeclined():
                return replace(self, intake_stage="DECLINED")
            case intake.CaseRedirected():
                return replace(self, intake_stage="REDIRECTED")
            case planning.PlanDrafted() | planning.CaseReopened():
                return replace(self, planning_stage="PLANNING")
            case planning.PlanAgreed():
                return replace(self, planning_stage="ACTIVE")
            case planning.CaseClosed():
                return replace(self, planning_stage="CLOSED")
            case referral.ReferralAccepted():
                return self._with(event.agency, envelope, leads=False)
            case _:
                return self

    def _with(self, agency: str, envelope: Envelope, *, leads: bool) -> "CaseView":
        at = effective(envelope)
        step = Step(recorded_at=envelope.recorded_at, owner=envelope.owner, seq=envelope.case_seq, at=at, agency=agency, leads=leads)
        ordered = sorted((*self.steps, step), key=lambda s: (s.recorded_at, s.owner, s.seq))
        return replace(self, steps=tuple(ordered))
