"""A planning desk in memory: one open case of two agencies, led by the hospital."""

from uuid import UUID

from casebus.aggregate import Holds
from casebus.cause import Cause
from casebus.contracts.intake import CaseOpened, Priority
from casebus.contracts.planning import CaseOutcome, Domain, Horizon, StepKind
from casebus.envelope import Role
from casebus.event import Event
from casebus.sharing import Sharing
from casebus.testing import MemoryShelf, MemoryWork, cause
from services.planning import commands as asked
from services.planning import handlers
from services.planning.domain.plan import Plan
from services.planning.domain.step import Step

CASE = UUID("8e55b0a8-9072-5635-ae6b-7bde7d539d83")
LEAD, PARTNER = "city-hospital", "north-shelter"
OPENED = CaseOpened(case_id=CASE, agency=LEAD, region="north", priority=Priority.HIGH, under_way=False)


class FakeWork(MemoryWork):
    """Planning's work without a database."""

    def __init__(self, because: Cause | None = None) -> None:
        super().__init__(because or cause(LEAD))
        self.plans: Holds[Plan] = MemoryShelf()
        self.sharing: Holds[Sharing] = MemoryShelf(Sharing(id=CASE, region="north", lead=LEAD, active=frozenset({LEAD, PARTNER})))

    @property
    def plan(self) -> Plan:
        plan = self.plans.get(CASE)
        assert plan is not None
        return plan

    def step(self) -> Step:
        """The only step."""
        (step,) = self.plan.steps
        return step

    def said(self) -> list[Event]:
        """What was emitted since it was last asked."""
        events, self.emitted = self.emitted, []
        return events


def drafted() -> FakeWork:
    """A case that was just opened."""
    work = FakeWork()
    handlers.draft_plan(OPENED, work)
    work.said()
    return work


def with_goal() -> FakeWork:
    work = drafted()
    handlers.set_goal(CASE, asked.SetGoal(horizon=Horizon.SHORT, domain=Domain.HOUSING), work)
    work.said()
    return work


def with_step(kind: StepKind = StepKind.DIRECT, agency: str = LEAD) -> FakeWork:
    """A draft with a goal and one step."""
    work = with_goal()
    service = "shelter" if kind is StepKind.REFERRAL else None
    handlers.plan_step(CASE, asked.PlanStep(kind=kind, agency=agency, service_type=service), work)
    work.said()
    return work


def waiting() -> FakeWork:
    """An agreed plan whose only step has asked referral."""
    work = with_step(StepKind.REFERRAL)
    handlers.agree_plan(CASE, asked.AgreePlan(), work)
    work.said()
    return work


def closes(work: FakeWork, outcome: CaseOutcome = CaseOutcome.GOALS_REACHED) -> Plan:
    """An integrator reports that the case was closed, whatever was open."""
    work.cause, before = cause(LEAD, role=Role.INTEGRATOR), work.cause
    plan = handlers.close_case(CASE, asked.CloseCase(outcome=outcome), work)
    work.cause = before
    return plan
