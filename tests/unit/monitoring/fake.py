"""Monitoring's work in memory: one case, of which planning's topic may be read first."""

from datetime import datetime
from uuid import UUID

from casebus.aggregate import Holds
from casebus.cause import Cause
from casebus.contracts import intake, planning
from casebus.contracts.intake import Priority
from casebus.contracts.monitoring import ContactChannel, ContactResult
from casebus.contracts.planning import CaseOutcome, ReopenReason
from casebus.envelope import Envelope
from casebus.event import Event
from casebus.testing import MemoryShelf, MemoryWork, cause
from services.monitoring import commands as asked
from services.monitoring import handlers
from services.monitoring.domain.alert import Alert
from services.monitoring.domain.case_view import CaseView
from services.monitoring.domain.follow_up import Care, FollowUp
from services.monitoring.domain.policy import Policy
from services.monitoring.handlers import Noted
from tests.unit.monitoring.story import CASE, LEAD, MONDAY, POLICY, REGION, some


class FakeWork(MemoryWork):
    """`at` is the time of what happens next."""

    def __init__(self, now: datetime = MONDAY) -> None:
        super().__init__(cause(LEAD), now)
        self.cares: Holds[Care] = MemoryShelf()
        self.follow_ups: Holds[FollowUp] = MemoryShelf()
        self.alerts: Holds[Alert] = MemoryShelf()
        self.views: Holds[CaseView] = MemoryShelf()
        self.regions: list[str] = []

    @property
    def head(self) -> Envelope:
        raise NotImplementedError

    def keep_fact(self) -> None:
        raise NotImplementedError

    def policy(self, region: str, agency: str = "") -> Policy:
        self.regions.append(region)
        return POLICY

    def priority(self, case_id: UUID) -> Priority:
        care = self.cares.get(case_id)
        return care.priority if care else Priority.MEDIUM

    def said(self) -> list[Event]:
        """What was emitted since it was last asked."""
        events, self.emitted = self.emitted, []
        return events

    def open_follow_ups(self) -> list[FollowUp]:
        return sorted((one for one in self.follow_ups.all() if one.is_open), key=lambda one: one.due_at)

    def hear(self, event: Event, at: datetime) -> list[Event]:
        """React to an event that was recorded then; what was said about it."""
        self.now, self.cause = max(at, self.now), cause(LEAD, recorded_at=at, effective_at=at)
        handlers.REACTIONS[type(event)](event, self)
        return self.said()

    def act(self, at: datetime, *, occurred: datetime | None = None, by: Cause | None = None) -> "FakeWork":
        """Somebody acts now, about what happened then."""
        self.now, self.cause = at, by or cause(LEAD, occurred_at=occurred)
        return self

    def contact(
        self, at: datetime, result: ContactResult = ContactResult.REACHED, *, occurred: datetime | None = None, answers: bool = True
    ) -> Noted:
        command = asked.RecordContact(case_id=CASE, result=result, channel=ContactChannel.VISIT, answers=answers)
        return handlers.record_contact(some(f"contact {at}"), command, self.act(at, occurred=occurred))


def opened(*, under_way: bool = False, priority: Priority = Priority.MEDIUM) -> intake.CaseOpened:
    return intake.CaseOpened(case_id=CASE, agency=LEAD, region=REGION, priority=priority, under_way=under_way)


def closed() -> planning.CaseClosed:
    return planning.CaseClosed(case_id=CASE, outcome=CaseOutcome.GOALS_REACHED)


def reopened(*, under_way: bool = False) -> planning.CaseReopened:
    return planning.CaseReopened(case_id=CASE, reason=ReopenReason.NEW_NEED, under_way=under_way)
