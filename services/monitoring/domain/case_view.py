"""A case as the board shows it: who holds it and in what stage, whichever topic told first."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from casebus.contracts import intake, planning, referral
from casebus.contracts.intake import Priority
from casebus.envelope import Head
from casebus.event import Event
from services.monitoring.domain.fact import effective
from services.monitoring.domain.importing import Import, told_of_import
from services.monitoring.domain.tally import Tally

ENTRY = "DIRECTORY"
"""The stage of what is no case: an entry of the directory, which has alerts."""
CLOSED_STAGES = frozenset({"CLOSED", "DECLINED", "REDIRECTED", ENTRY})
INTAKE_STAGES: Mapping[type[Event], str] = {
    intake.CaseTriaged: "TRIAGED",
    intake.CaseOpened: "OPENED",
    intake.CaseDeclined: "DECLINED",
    intake.CaseRedirected: "REDIRECTED",
}
PLANNING_STAGES: Mapping[type[Event], str] = {
    planning.PlanDrafted: "PLANNING",
    planning.PlanAgreed: "ACTIVE",
    planning.CaseSuspended: "SUSPENDED",
    planning.CaseResumed: "ACTIVE",
    planning.CaseClosed: "CLOSED",
    planning.CaseReopened: "PLANNING",
}


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
    imports: Mapping[UUID, Import] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    def waits_for(self, import_id: UUID | None) -> bool:
        """Whether the import is still bringing the case's history: until it is complete there is nothing to decide about what it brings."""
        return import_id is not None and not self.imports.get(import_id, Import()).is_complete

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

    def after(self, event: Event, head: Head) -> "CaseView":
        """The view with this event in it; the result doesn't depend on how topics interleave."""
        changed = self._changed(event, head)
        return self if changed is self else changed._settled()

    def _settled(self) -> "CaseView":
        lead = next((step.agency for step in reversed(self.steps) if step.leads), "")
        holder = next((step.agency for step in reversed(self.steps) if not step.leads), lead)
        return replace(self, version=self.version + 1, stage=self.planning_stage or self.intake_stage, lead=lead, holder=holder)

    def _changed(self, event: Event, head: Head) -> "CaseView":
        match event:
            case intake.CaseReceived():
                return replace(self._with(event.agency, head, leads=True), region=event.region, since=effective(head))
            case referral.ServiceListed():
                return replace(self, region=event.region, intake_stage=ENTRY)
            case intake.LeadHandedOver():
                return self._with(event.to_agency, head, leads=True)
            case referral.ReferralAccepted():
                return self._with(event.agency, head, leads=False)
            case intake.CaseTriaged() | intake.CaseOpened():
                return replace(self, intake_stage=INTAKE_STAGES[type(event)], priority=event.priority)
            case intake.PriorityChanged():
                return replace(self, priority=event.priority)
            case _ if type(event) in INTAKE_STAGES:
                return replace(self, intake_stage=INTAKE_STAGES[type(event)])
            case _ if type(event) in PLANNING_STAGES:
                return replace(self, planning_stage=PLANNING_STAGES[type(event)])
            case _:
                return self._importing(event, head)._counting(event, head)

    def _counting(self, event: Event, head: Head) -> "CaseView":
        tally = self.tally.after(event, head)
        return self if tally is self.tally else replace(self, tally=tally)

    def _importing(self, event: Event, head: Head) -> "CaseView":
        told = told_of_import(event, head.owner)
        if told is None:
            return self
        one, part = told
        return replace(self, imports={**self.imports, one: self.imports.get(one, Import()) | part})

    def _with(self, agency: str, head: Head, *, leads: bool) -> "CaseView":
        at = effective(head)
        step = Step(recorded_at=head.recorded_at, owner=head.owner, seq=head.case_seq, at=at, agency=agency, leads=leads)
        ordered = sorted((*self.steps, step), key=lambda s: (s.recorded_at, s.owner, s.seq))
        return replace(self, steps=tuple(ordered))
