"""The plan of a case: its goals and steps, what becomes of them, and how the case is closed and reopened (S25–S37, S56, S59)."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from casebus.contracts import planning as said
from casebus.contracts.planning import (
    BlockReason,
    CaseOutcome,
    ClosureBlocker,
    Domain,
    Horizon,
    NeedResult,
    ReopenReason,
    ReturnReason,
    SkipReason,
    StepKind,
    StepResult,
    SuspendReason,
)
from casebus.errors import Conflict, Fix, Invalid
from casebus.event import Event
from services.planning.domain.assessment import Assessment, AssessmentState, superseded
from services.planning.domain.closing import BLOCKS, Closing
from services.planning.domain.need import Need, NeedState, Weight, replaced
from services.planning.domain.step import Step, StepState


class PlanState(StrEnum):
    """The stages of a case once planning owns it (domain.md, Case). ACTIVE says that its plan is agreed."""

    PLANNING = "PLANNING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"  # ACTIVE, and resting until a day of review
    CLOSED = "CLOSED"


WORKED_ON = (PlanState.PLANNING, PlanState.ACTIVE, PlanState.SUSPENDED)
LONGEST_REST = timedelta(days=30)
"""How far ahead the review of a suspended case may lie (domain.md, Case)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """What the plan is to reach (S25, S26)."""

    id: UUID
    horizon: Horizon
    domain: Domain
    target_on: date | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Its id is the case's. Each method returns the plan as it is afterwards and the events that say so; it raises Conflict where the state
    doesn't allow it. `plan_version` counts the drafts: a reopened case has a new one."""

    id: UUID
    version: int = 1
    state: PlanState = PlanState.PLANNING
    plan_version: int = 1
    needs: tuple[Need, ...] = ()
    goals: tuple[Goal, ...] = ()
    steps: tuple[Step, ...] = ()
    assessments: tuple[Assessment, ...] = ()
    closing: Closing | None = None
    """That it is to be closed was proposed."""
    outcome: CaseOutcome | None = None

    def next_id(self, kind: str) -> UUID:
        """The id of what is added next, the same each time it is asked."""
        return uuid5(self.id, f"{kind} {self.version}")

    def step(self, step_id: UUID) -> Step:
        """Raises Invalid where the plan has none of this id."""
        found = self.find_step(step_id)
        if found is None:
            raise Invalid("The plan has no such step.", Fix("step_id", "the id of a step of this plan"))
        return found

    def find_step(self, step_id: UUID | None) -> Step | None:
        return next((step for step in self.steps if step.id == step_id), None)

    def open_referral(self, step_id: UUID | None) -> Step | None:
        """The step of kind REFERRAL that an answer of referral can still change."""
        step = self.find_step(step_id)
        return step if step and step.is_open and step.kind is StepKind.REFERRAL else None

    def need(self, need_id: UUID) -> Need:
        """Raises Invalid where the case has none of this id."""
        found = next((each for each in self.needs if each.id == need_id), None)
        if found is None:
            raise Invalid("The case has no such need.", Fix("need_id", "the id of a need of this case"))
        return found

    def identify_need(self, need: Need) -> tuple["Plan", said.NeedIdentified]:
        """S20, S21: what the client needs; a step has to be there for it."""
        self._must_be(*WORKED_ON, to="identify a need")
        if any(known.id == need.id for known in self.needs):
            raise Conflict("The case has a need of this id already.")
        event = said.NeedIdentified(case_id=self.id, need_id=need.id, domain=need.domain, need_class=need.need_class, agency=need.agency)
        return self._next(needs=(*self.needs, need)), event

    def prioritise_need(self, need_id: UUID, weight: Weight) -> tuple["Plan", said.NeedPrioritised]:
        self._must_be(*WORKED_ON, to="prioritise a need")
        need, event = self.need(need_id).prioritise(self.id, weight)
        return self._next(needs=replaced(self.needs, need)), event

    def judge_need(self, need_id: UUID, result: NeedResult, referred_to: str | None) -> tuple["Plan", said.NeedJudged]:
        """S62: met or not; what is left of it may be referred."""
        self._must_be(*WORKED_ON, to="judge a need")
        need, event = self.need(need_id).judge(self.id, result, referred_to)
        return self._next(needs=replaced(self.needs, need)), event

    def _leaving_needs(self, *before: Event, anew: bool = False) -> "tuple[Plan, *tuple[Event, ...]]":
        """After the events, each need that is left without a step; `anew`: each open one without a step to come."""
        served = {step.need_id for step in self.steps if step.is_open or (step.state is StepState.DONE and not anew)}
        left = [need for need in self.needs if need.id not in served and (need.is_open if anew else need.state is NeedState.ADDRESSED)]
        needs = {each.id: each.leave(self.id) for each in left}
        kept = tuple(needs[each.id][0] if each.id in needs else each for each in self.needs)
        events: tuple[Event, ...] = (*before, *(event for _, event in needs.values()))
        return replace(self, needs=kept), *events

    def set_goal(self, goal: Goal) -> tuple["Plan", said.GoalSet]:
        """S25: what is to be reached, and by when."""
        self._must_be(PlanState.PLANNING, PlanState.ACTIVE, to="set a goal")
        if any(known.id == goal.id for known in self.goals):
            raise Conflict("The plan has a goal of this id already.")
        event = said.GoalSet(case_id=self.id, goal_id=goal.id, horizon=goal.horizon, domain=goal.domain, target_on=goal.target_on)
        return self._next(goals=(*self.goals, goal)), event

    def plan_step(self, step: Step) -> "tuple[Plan, *tuple[Event, ...]]":
        """S30: what is to be done. Where the plan is agreed already, a REFERRAL step asks referral at once."""
        self._must_be(PlanState.PLANNING, PlanState.ACTIVE, to="plan a step")
        step.must_fit_its_kind()
        if self.find_step(step.id):
            raise Conflict("The plan has a step of this id already.")
        if step.goal_id is not None and all(goal.id != step.goal_id for goal in self.goals):
            raise Invalid("The plan has no such goal.", Fix("goal_id", "the id of a goal of this plan"))
        event = said.StepPlanned(
            case_id=self.id,
            step_id=step.id,
            goal_id=step.goal_id,
            kind=step.kind,
            agency=step.agency,
            service_type=step.service_type,
            due_on=step.due_on,
        )
        if step.need_id is None:
            return self._next(steps=(*self.steps, step))._asking_referral(event)
        need, addressed = self.need(step.need_id).address(self.id, step.id)
        return self._next(steps=(*self.steps, step), needs=replaced(self.needs, need))._asking_referral(event, addressed)

    def agree(self) -> "tuple[Plan, *tuple[Event, ...]]":
        """S37: client and worker agree. From here on each REFERRAL step asks referral."""
        self._must_be(PlanState.PLANNING, to="agree on its plan")
        steps = sum(step.state not in (StepState.SKIPPED, StepState.CANCELLED) for step in self.steps)
        if not self.goals or not steps:
            raise Conflict("There is nothing to agree on yet: the plan needs a goal and a step.")
        event = said.PlanAgreed(case_id=self.id, plan_version=self.plan_version, goals=len(self.goals), steps=steps)
        return self._next(state=PlanState.ACTIVE)._asking_referral(event)

    def finish_step(self, step_id: UUID, result: StepResult) -> tuple["Plan", said.StepDone]:
        """S31: done, with its result."""
        step = self._open_step(step_id, to="finish it")
        event = said.StepDone(case_id=self.id, step_id=step.id, result=result)
        return self._with(step, state=StepState.DONE, blocked_by=None, result=result), event

    def block_step(self, step_id: UUID, reason: BlockReason) -> tuple["Plan", said.StepBlocked]:
        """It can't go on for now; a waiting list is a reason (S34)."""
        step = self._open_step(step_id, to="block it")
        if step.state is StepState.BLOCKED:
            raise Conflict("The step is blocked already.")
        event = said.StepBlocked(case_id=self.id, step_id=step.id, reason=reason)
        return self._with(step, state=StepState.BLOCKED, after_block=step.state, blocked_by=reason), event

    def resume_step(self, step_id: UUID) -> "tuple[Plan, *tuple[Event, ...]]":
        """It goes on where it was. A REFERRAL step of an agreed plan that no referral serves asks again."""
        step = self._open_step(step_id, to="resume it")
        if step.state is not StepState.BLOCKED:
            raise Conflict("The step is not blocked.")
        event = said.StepResumed(case_id=self.id, step_id=step.id)
        return self._with(step, state=step.after_block, blocked_by=None)._asking_referral(event)

    def seek_again(self) -> "tuple[Plan, *tuple[Event, ...]]":
        """S46: each step of an agreed plan that has no provider left asks referral again."""
        unserved = (StepState.BLOCKED, StepState.PLANNED, BlockReason.NO_PROVIDER)
        wanted = [step for step in self.steps if (step.state, step.after_block, step.blocked_by) == unserved]
        if self.state is not PlanState.ACTIVE or not wanted:
            return (self,)
        plan = self
        for step in wanted:
            plan = plan._with(step, state=step.after_block, blocked_by=None)
        return plan._asking_referral(*(said.StepResumed(case_id=self.id, step_id=step.id) for step in wanted))

    def skip_step(self, step_id: UUID, reason: SkipReason) -> "tuple[Plan, *tuple[Event, ...]]":
        """It is left out, with the reason."""
        step = self._open_step(step_id, to="skip it")
        event = said.StepSkipped(case_id=self.id, step_id=step.id, reason=reason)
        return self._with(step, state=StepState.SKIPPED, blocked_by=None)._leaving_needs(event)

    def take_on(self, step: Step) -> "tuple[Plan, *tuple[Event, ...]]":
        """An agency accepted the step's referral. What only the want of one had blocked goes on; what a person blocked stays so."""
        if step.state is not StepState.BLOCKED:
            return (self._with(step, state=StepState.IN_REFERRAL),)
        if step.after_block is not StepState.PLANNED:
            return (self._with(step, after_block=StepState.IN_REFERRAL),)
        resumed = said.StepResumed(case_id=self.id, step_id=step.id)
        return self._with(step, state=StepState.IN_REFERRAL, blocked_by=None), resumed

    def lose_provider(self, step: Step, reason: BlockReason) -> "tuple[Plan, *tuple[Event, ...]]":
        """The step's referral ended without service and no other follows. Said once, however many of referral's events say it."""
        if step.state is StepState.BLOCKED and step.after_block is StepState.PLANNED:
            return (self,)
        blocked = said.StepBlocked(case_id=self.id, step_id=step.id, reason=reason)
        return self._with(step, state=StepState.BLOCKED, after_block=StepState.PLANNED, blocked_by=reason), blocked

    def submit_assessment(self, assessment: Assessment) -> tuple["Plan", said.AssessmentSubmitted]:
        """S14: written down; a supervisor approves it or gives it back."""
        self._must_be(PlanState.PLANNING, PlanState.ACTIVE, to="assess it")
        if any(known.id == assessment.id for known in self.assessments):
            raise Conflict("There is an assessment of this id already.")
        event = said.AssessmentSubmitted(case_id=self.id, assessment_id=assessment.id, kind=assessment.kind)
        return self._next(assessments=(*self.assessments, assessment)), event

    def approve_assessment(self, assessment_id: UUID, by: str) -> tuple["Plan", said.AssessmentApproved]:
        """By another person than who wrote it. The one that was approved before is superseded."""
        found = self._submitted(assessment_id)
        if found.submitted_by == by:
            raise Conflict("Somebody else than who submitted it approves an assessment.")
        kept = tuple(
            superseded(each) if each.id != found.id else replace(each, state=AssessmentState.APPROVED) for each in self.assessments
        )
        return self._next(assessments=kept), said.AssessmentApproved(case_id=self.id, assessment_id=found.id, kind=found.kind)

    def return_assessment(self, assessment_id: UUID, reason: ReturnReason) -> tuple["Plan", said.AssessmentReturned]:
        """Given back: another one is to be submitted."""
        found = self._submitted(assessment_id)
        returned = replace(found, state=AssessmentState.RETURNED)
        kept = tuple(returned if each.id == found.id else each for each in self.assessments)
        event = said.AssessmentReturned(case_id=self.id, assessment_id=found.id, kind=found.kind, reason=reason)
        return self._next(assessments=kept), event

    def _submitted(self, assessment_id: UUID) -> Assessment:
        found = next((each for each in self.assessments if each.id == assessment_id), None)
        if found is None:
            raise Invalid("The case has no such assessment.", Fix("assessment_id", "the id of an assessment of this case"))
        if found.state is not AssessmentState.SUBMITTED:
            raise Conflict(f"The assessment is {found.state}.")
        return found

    def suspend(self, reason: SuspendReason, review_on: date, today: date) -> tuple["Plan", said.CaseSuspended]:
        """The work rests, at the latest until somebody looks at it again; its clocks rest too."""
        self._must_be(PlanState.ACTIVE, to="suspend it")
        if not today < review_on <= today + LONGEST_REST:
            raise Invalid("A case rests for a while only.", Fix("review_on", "a day to come, within 30 days"))
        return self._next(state=PlanState.SUSPENDED), said.CaseSuspended(case_id=self.id, reason=reason, review_on=review_on)

    def resume(self) -> "tuple[Plan, *tuple[Event, ...]]":
        """The work goes on. Each REFERRAL step that became ready meanwhile asks referral."""
        self._must_be(PlanState.SUSPENDED, to="resume it")
        return self._next(state=PlanState.ACTIVE)._asking_referral(said.CaseResumed(case_id=self.id))

    @property
    def blockers(self) -> tuple[ClosureBlocker, ...]:
        """What of the checklist stands against closing it (domain.md, Closure), whatever the day."""
        found = {
            ClosureBlocker.OPEN_STEP: any(step.is_open for step in self.steps),
            ClosureBlocker.UNMET_NEED: not all(need.is_settled for need in self.needs),
        }
        return tuple(each for each, stands in found.items() if stands)

    def propose_closing(self, closing: Closing, today: date) -> tuple["Plan", said.ClosureProposed]:
        """S60: it is to be closed, and the client was told. The work goes on until nothing stands against it and somebody approves."""
        self._must_be(*WORKED_ON, to="propose that it is closed")
        if self.closing is not None:
            raise Conflict("That it is closed is proposed already: withdraw that first.")
        closing.must_be_told(today)
        event = said.ClosureProposed(
            case_id=self.id, outcome=closing.outcome, closes_from=closing.closes_from or today, blockers=self.blockers
        )
        return self._next(closing=closing), event

    def withdraw_closing(self) -> tuple["Plan", said.ClosureWithdrawn]:
        if self.closing is None:
            raise Conflict("Nobody has proposed to close the case.")
        return self._next(closing=None), said.ClosureWithdrawn(case_id=self.id)

    def must_leave_no_need(self) -> None:
        """S62: raises Conflict where a need is neither met nor referred."""
        if ClosureBlocker.UNMET_NEED in self.blockers:
            raise Conflict("A need is neither met nor referred.", BLOCKS[ClosureBlocker.UNMET_NEED])

    def must_be_closable(self, outcome: CaseOutcome, by: str, today: date) -> None:
        """Raises Conflict with everything that stands against it: not proposed, not by another person, not told in time, not done."""
        if self.closing is None:
            raise Conflict("Nobody has proposed to close the case: propose it first (POST /api/plans/{id}/closure/proposal).")
        against = [*self.closing.against(outcome, by, today), *(BLOCKS[each] for each in self.blockers)]
        if against:
            raise Conflict("Something stands against closing the case.", *against)

    def close(self, outcome: CaseOutcome) -> tuple["Plan", said.CaseClosed]:
        """S59: the work has ended, and with it every step that is open. Referral withdraws its open offers by itself."""
        self._must_be(*WORKED_ON, to="close it")
        steps = tuple(replace(step, state=StepState.CANCELLED) if step.is_open else step for step in self.steps)
        event = said.CaseClosed(case_id=self.id, outcome=outcome)
        return self._next(state=PlanState.CLOSED, steps=steps, closing=None, outcome=outcome), event

    def reopen(self, reason: ReopenReason, *, under_way: bool) -> "tuple[Plan, *tuple[Event, ...]]":
        """The case is taken up again with a new draft of its plan, which begins with the needs, goals and results of the one before."""
        self._must_be(PlanState.CLOSED, to="reopen it")
        reopened = said.CaseReopened(case_id=self.id, reason=reason, under_way=under_way)
        drafted = said.PlanDrafted(case_id=self.id, plan_version=self.plan_version + 1)
        return self._next(state=PlanState.PLANNING, plan_version=drafted.plan_version, outcome=None)._leaving_needs(
            reopened, drafted, anew=True
        )

    def _asking_referral(self, *before: Event) -> "tuple[Plan, *tuple[Event, ...]]":
        """After the events, in an agreed plan, each REFERRAL step that waits for nothing else asks referral (domain.md, Plan step)."""
        agreed = self.state is PlanState.ACTIVE
        ready = [step for step in self.steps if agreed and step.kind is StepKind.REFERRAL and step.state is StepState.PLANNED]
        steps = tuple(replace(step, state=StepState.REQUESTED) if step in ready else step for step in self.steps)
        events: tuple[Event, ...] = (*before, *(self._request(step) for step in ready))
        return replace(self, steps=steps), *events

    def _request(self, step: Step) -> said.ReferralRequested:
        return said.ReferralRequested(case_id=self.id, step_id=step.id, service_type=step.service_type or "", candidates=step.candidates)

    def _open_step(self, step_id: UUID, *, to: str) -> Step:
        self._must_be(*WORKED_ON, to="work on its steps")
        step = self.step(step_id)
        if not step.is_open:
            raise Conflict(f"The step is {step.state}; to {to} it must be open.")
        return step

    def _must_be(self, *states: PlanState, to: str) -> None:
        if self.state not in states:
            raise Conflict(f"The case is {self.state}; to {to} it must be {' or '.join(states)}.")

    def _with(self, step: Step, **changes: object) -> "Plan":
        changed = replace(step, **changes)  # type: ignore[arg-type]  # as in _next
        return self._next(steps=tuple(changed if known.id == step.id else known for known in self.steps))

    def _next(self, **changes: object) -> "Plan":
        return replace(self, version=self.version + 1, **changes)  # type: ignore[arg-type]  # names and types are checked by its callers' tests


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportedCase:
    """A case whose history is complete here, whether it came to a plan or not. Nothing is kept of it, so it has no versions."""

    id: UUID
    version: int = 0


def draft(case_id: UUID) -> tuple[Plan, said.PlanDrafted]:
    """S29: an opened case has a plan, empty at first."""
    plan = Plan(id=case_id)
    return plan, said.PlanDrafted(case_id=case_id, plan_version=plan.plan_version)
