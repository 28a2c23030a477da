"""What planning does: one function a command, and its reactions to others. They load, ask the domain, put and emit; they never commit."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from casebus.aggregate import Holds
from casebus.cause import Cause
from casebus.contracts.intake import CaseOpened
from casebus.contracts.monitoring import StallCause, StallExplained
from casebus.contracts.planning import BlockReason, CaseImported, StepResult
from casebus.contracts.referral import (
    DeclineReason,
    NoProviderLeft,
    ReferralAccepted,
    ReferralCompleted,
    ReferralDeclined,
    ReferralFailed,
    ReferralOutcome,
)
from casebus.envelope import Origin, Role
from casebus.errors import Absent, Fix, Forbidden, Invalid
from casebus.event import Event
from casebus.sharing import Sharing
from services.planning import commands as asked
from services.planning.domain.assessment import Assessment
from services.planning.domain.closing import Closing
from services.planning.domain.need import Need, Weight
from services.planning.domain.plan import Goal, ImportedCase, Plan, draft
from services.planning.domain.step import Step

STALE = timedelta(days=30)
"""Heard so long after it was given, an answer asks for nothing: as of a database that hears of such answers for the first time."""


class Work(Protocol):
    """What the handlers need of the transaction they run in."""

    cause: Cause

    @property
    def now(self) -> datetime: ...
    @property
    def effective(self) -> datetime: ...
    @property
    def plans(self) -> Holds[Plan]: ...
    @property
    def sharing(self) -> Holds[Sharing]: ...
    def emit(self, event: Event) -> None: ...


def submit_assessment(case_id: UUID, command: asked.SubmitAssessment, work: Work) -> Plan:
    """S14: the client's situation is assessed, at first in full, and again when time or the situation asks for it (S23)."""
    plan = _plan(work, case_id)
    one = command.assessment_id or plan.next_id("assessment")
    return _put(work, *plan.submit_assessment(Assessment(id=one, kind=command.kind, submitted_by=work.cause.actor)))


def approve_assessment(case_id: UUID, command: asked.ApproveAssessment, work: Work) -> Plan:
    """S73: by a supervisor who did not write it."""
    _must_supervise(work)
    return _put(work, *_plan(work, case_id).approve_assessment(command.assessment_id, work.cause.actor))


def return_assessment(case_id: UUID, command: asked.ReturnAssessment, work: Work) -> Plan:
    """S73: given back by a supervisor, with the reason."""
    _must_supervise(work)
    return _put(work, *_plan(work, case_id).return_assessment(command.assessment_id, command.reason))


def identify_need(case_id: UUID, command: asked.IdentifyNeed, work: Work) -> Plan:
    """S20, S21: what the client needs, and which of the case's agencies answers for it."""
    plan = _plan(work, case_id)
    if command.agency is not None:
        _must_take_part(work, case_id, command.agency, "answer for a need")
    one = command.need_id or plan.next_id("need")
    return _put(work, *plan.identify_need(Need(id=one, domain=command.domain, need_class=command.need_class, agency=command.agency)))


def prioritise_need(case_id: UUID, command: asked.PrioritiseNeed, work: Work) -> Plan:
    """S21, S22: how much it presses, set with the client."""
    weight = Weight(urgency=command.urgency, severity=command.severity, wish=command.wish)
    return _put(work, *_plan(work, case_id).prioritise_need(command.need_id, weight))


def judge_need(case_id: UUID, command: asked.JudgeNeed, work: Work) -> Plan:
    """S62: what became of it. For the agency that answers for it and the lead."""
    plan = _plan(work, case_id)
    _must_answer_for(work, case_id, plan.need(command.need_id).agency, "agency that answers for the need")
    return _put(work, *plan.judge_need(command.need_id, command.result, command.referred_to))


def set_goal(case_id: UUID, command: asked.SetGoal, work: Work) -> Plan:
    """S25, S26: what is to be reached, how far ahead it lies, and by when."""
    plan = _plan(work, case_id)
    goal_id = command.goal_id or plan.next_id("goal")
    return _put(work, *plan.set_goal(Goal(id=goal_id, horizon=command.horizon, domain=command.domain, target_on=command.target_on)))


def plan_step(case_id: UUID, command: asked.PlanStep, work: Work) -> Plan:
    """S30: what is to be done, and by which of the case's agencies. In an agreed plan a REFERRAL step asks referral at once."""
    plan = _plan(work, case_id)
    agency = command.agency or work.cause.agency
    _must_take_part(work, case_id, agency, "be responsible for a step")
    step = Step(
        id=command.step_id or plan.next_id("step"),
        kind=command.kind,
        agency=agency,
        goal_id=command.goal_id,
        need_id=command.need_id,
        service_type=command.service_type,
        candidates=command.candidates,
        due_on=command.due_on,
    )
    return _put(work, *plan.plan_step(step))


def agree_plan(case_id: UUID, command: asked.AgreePlan, work: Work) -> Plan:
    """S37: client and worker agree on the plan. Each of its REFERRAL steps asks referral."""
    return _put(work, *_plan(work, case_id).agree())


def finish_step(case_id: UUID, command: asked.FinishStep, work: Work) -> Plan:
    """S31: a step is done, with its result. For its responsible agency and the lead."""
    return _put(work, *_plan_of_own_step(work, case_id, command.step_id).finish_step(command.step_id, command.result))


def block_step(case_id: UUID, command: asked.BlockStep, work: Work) -> Plan:
    """A step can't go on for now, with the reason (S34). For its responsible agency and the lead."""
    return _put(work, *_plan_of_own_step(work, case_id, command.step_id).block_step(command.step_id, command.reason))


def resume_step(case_id: UUID, command: asked.ResumeStep, work: Work) -> Plan:
    """A blocked step goes on; one that has no provider asks referral again. For its responsible agency and the lead."""
    return _put(work, *_plan_of_own_step(work, case_id, command.step_id).resume_step(command.step_id))


def skip_step(case_id: UUID, command: asked.SkipStep, work: Work) -> Plan:
    """A step is left out, with the reason. For its responsible agency and the lead."""
    return _put(work, *_plan_of_own_step(work, case_id, command.step_id).skip_step(command.step_id, command.reason))


def suspend_case(case_id: UUID, command: asked.SuspendCase, work: Work) -> Plan:
    """Work on the case rests, with the reason and the day of its review."""
    return _put(work, *_plan(work, case_id).suspend(command.reason, command.review_on, work.effective.date()))


def resume_case(case_id: UUID, _: asked.ResumeCase, work: Work) -> Plan:
    """Work on the case goes on."""
    return _put(work, *_plan(work, case_id).resume())


def propose_closure(case_id: UUID, command: asked.ProposeClosure, work: Work) -> Plan:
    """S58, S60: the case is to be closed; what stands against it is said."""
    closing = Closing(outcome=command.outcome, told_on=command.told_on, proposed_by=work.cause.actor)
    return _put(work, *_plan(work, case_id).propose_closing(closing, work.effective.date()))


def withdraw_closure(case_id: UUID, _: asked.WithdrawClosure, work: Work) -> Plan:
    """The case is not to be closed after all."""
    return _put(work, *_plan(work, case_id).withdraw_closing())


def close_case(case_id: UUID, command: asked.CloseCase, work: Work) -> Plan:
    """S59, S60: a supervisor approves the closing that somebody else proposed, once nothing stands against it. An integrator reports one
    that took place: the steps that are open end with it; needs have to be judged before, but in history."""
    plan = _plan(work, case_id)
    if work.cause.actor_role is Role.INTEGRATOR:
        if work.cause.origin is not Origin.IMPORT:
            plan.must_leave_no_need()
    else:
        _must_supervise(work)
        plan.must_be_closable(command.outcome, work.cause.actor, work.effective.date())
    return _put(work, *plan.close(command.outcome))


def reopen_case(case_id: UUID, command: asked.ReopenCase, work: Work) -> Plan:
    """A closed case is taken up again, with a new draft of its plan."""
    return _put(work, *_plan(work, case_id).reopen(command.reason, under_way=command.under_way))


def complete_import(case_id: UUID, command: asked.CompleteImport, work: Work) -> ImportedCase:
    """Planning's part of the case's history is complete, also where the case was never opened. Monitoring knows which import is open."""
    work.emit(CaseImported(case_id=case_id, import_id=command.import_id))
    return ImportedCase(id=case_id)


def draft_plan(event: CaseOpened, work: Work) -> None:
    """S29: an opened case gets a plan, and only one."""
    if work.plans.get(event.case_id) is None:
        _put(work, *draft(event.case_id))


def begin_service(event: ReferralAccepted, work: Work) -> None:
    """S45: an agency has taken what the step asked for."""
    plan, step = _referred(work, event.case_id, event.step_id)
    if plan and step:
        _put(work, *plan.take_on(step))


def give_up_declined(event: ReferralDeclined, work: Work) -> None:
    """A step whose next candidate is asked goes on waiting (S46); without one it is blocked, so that nobody waits for nothing."""
    plan, step = _referred(work, event.case_id, event.step_id)
    if plan and step and event.successor is None:
        client = event.reason is DeclineReason.CLIENT_DECLINED
        _put(work, *plan.lose_provider(step, BlockReason.CLIENT if client else BlockReason.NO_PROVIDER))


def give_up_unserved(event: NoProviderLeft, work: Work) -> None:
    """All candidates have declined: a person must look for another way."""
    plan, step = _referred(work, event.case_id, event.step_id)
    if plan and step:
        _put(work, *plan.lose_provider(step, BlockReason.NO_PROVIDER))


def give_up_failed(event: ReferralFailed, work: Work) -> None:
    """The service did not come about: a person must look for another way."""
    plan, step = _referred(work, event.case_id, event.step_id)
    if plan and step:
        client = event.outcome is ReferralOutcome.CLIENT_DECLINED
        _put(work, *plan.lose_provider(step, BlockReason.CLIENT if client else BlockReason.NO_PROVIDER))


def seek_again(event: StallExplained, work: Work) -> None:
    """S46: a case stands still for want of a service: what has no provider is asked for once more; history asks nobody, nor does an
    answer that is heard long after it was given: since then people have done what they could."""
    plan = work.plans.get(event.case_id)
    said = work.cause.recorded_at
    is_old = work.cause.origin is Origin.IMPORT or (said is not None and work.now - said > STALE)
    if plan is not None and event.cause is StallCause.NO_RESOURCE and not is_old:
        again, *events = plan.seek_again()
        if events:
            _put(work, again, *events)


def finish_referred_step(event: ReferralCompleted, work: Work) -> None:
    """The closed loop: what came of the referral is the result of the step."""
    plan, step = _referred(work, event.case_id, event.step_id)
    if plan and step:
        _put(work, *plan.finish_step(step.id, RESULTS.get(event.outcome, StepResult.NOT_ACHIEVED)))


RESULTS: Mapping[ReferralOutcome, StepResult] = {
    ReferralOutcome.SERVICES_RECEIVED: StepResult.ACHIEVED,
    ReferralOutcome.PARTLY: StepResult.PARTLY,
    ReferralOutcome.NO_LONGER_NEEDED: StepResult.OTHER,
    ReferralOutcome.OTHER: StepResult.OTHER,
}
"""What a completed referral brought; any other outcome is a service that the client didn't get."""

REACTIONS: Mapping[type[Event], Callable[[Any, Any], None]] = {
    CaseOpened: draft_plan,
    ReferralAccepted: begin_service,
    ReferralDeclined: give_up_declined,
    NoProviderLeft: give_up_unserved,
    ReferralFailed: give_up_failed,
    ReferralCompleted: finish_referred_step,
    StallExplained: seek_again,
}


def _plan(work: Work, case_id: UUID) -> Plan:
    plan = work.plans.get(case_id)
    if plan is None:
        raise Absent
    return plan


def _must_supervise(work: Work) -> None:
    """An integrator reports what a supervisor of its agency did."""
    if work.cause.actor_role not in (Role.SUPERVISOR, Role.INTEGRATOR):
        raise Forbidden("This needs a supervisor of an agency of the case.")


def _must_take_part(work: Work, case_id: UUID, agency: str, to: str) -> None:
    shared = work.sharing.get(case_id)
    if shared is None or agency not in shared.active:
        raise Invalid(f"Only an agency of the case can {to}.", Fix("agency", "one that takes an active part in the case"))


def _must_answer_for(work: Work, case_id: UUID, agency: str | None, whose: str) -> None:
    """Raises Forbidden for who is neither that agency nor the case's lead."""
    shared = work.sharing.get(case_id)
    if work.cause.agency != agency and (shared is None or work.cause.agency != shared.lead):
        raise Forbidden(f"This needs the {whose} or the case's lead agency. Ask one of them.")


def _plan_of_own_step(work: Work, case_id: UUID, step_id: UUID) -> Plan:
    """The plan, where the caller's agency is responsible for the step or leads the case; else raises Forbidden."""
    plan = _plan(work, case_id)
    _must_answer_for(work, case_id, plan.step(step_id).agency, "step's responsible agency")
    return plan


def _referred(work: Work, case_id: UUID, step_id: UUID | None) -> tuple[Plan | None, Step | None]:
    """The open REFERRAL step that an answer of referral is about, with its plan.

    Between topics there is no order, yet nothing has to wait here: referral knows a step only from our ReferralRequested, so the plan is
    there before any answer. An answer without a step, or about one that is over or not of this plan, is for others, and passed over.
    """
    plan = work.plans.get(case_id)
    return plan, plan.open_referral(step_id) if plan else None


def _put(work: Work, plan: Plan, *events: Event) -> Plan:
    for event in events:
        work.emit(event)
    work.plans.put(plan)
    return plan
