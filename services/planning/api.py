"""Planning's routes: its commands, and what may be read."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from casebus.access import Act, authorise
from casebus.desk import Desk, Spec, Target
from casebus.errors import Absent
from casebus.http import Caller, Seen
from services.planning import commands as asked
from services.planning import handlers
from services.planning.domain.need import Need
from services.planning.domain.plan import Goal, ImportedCase, Plan
from services.planning.domain.step import Step
from services.planning.storage import Work


def view(plan: Plan) -> dict[str, Any]:
    """A plan as the participants of its case read it."""
    return {
        "id": str(plan.id),
        "case_id": str(plan.id),
        "version": plan.version,
        "state": plan.state,
        "plan_version": plan.plan_version,
        "outcome": plan.outcome,
        "closing": _closing(plan),
        "assessments": [{"assessment_id": str(each.id), "kind": each.kind, "state": each.state} for each in plan.assessments],
        "needs": [_need(need) for need in sorted(plan.needs, key=lambda each: each.rank)],
        "goals": [_goal(goal) for goal in plan.goals],
        "steps": [_step(step) for step in plan.steps],
    }


def _closing(plan: Plan) -> dict[str, Any] | None:
    """What was proposed, and what stands against it now."""
    closing = plan.closing
    return (
        None
        if closing is None
        else {
            "outcome": closing.outcome,
            "told_on": closing.told_on.isoformat() if closing.told_on else None,
            "closes_from": closing.closes_from.isoformat() if closing.closes_from else None,
            "blocked_by": list(plan.blockers),
        }
    )


def _need(need: Need) -> dict[str, Any]:
    weight = need.weight
    return {
        "need_id": str(need.id),
        "domain": need.domain,
        "need_class": need.need_class,
        "agency": need.agency,
        "urgency": weight.urgency if weight else None,
        "severity": weight.severity if weight else None,
        "wish": weight.wish if weight else None,
        "state": need.state,
        "referred_to": need.referred_to,
    }


def _goal(goal: Goal) -> dict[str, Any]:
    return {
        "goal_id": str(goal.id),
        "horizon": goal.horizon,
        "domain": goal.domain,
        "target_on": goal.target_on.isoformat() if goal.target_on else None,
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "step_id": str(step.id),
        "goal_id": str(step.goal_id) if step.goal_id else None,
        "need_id": str(step.need_id) if step.need_id else None,
        "kind": step.kind,
        "agency": step.agency,
        "service_type": step.service_type,
        "candidates": [str(candidate) for candidate in step.candidates],
        "due_on": step.due_on.isoformat() if step.due_on else None,
        "state": step.state,
        "blocked_by": step.blocked_by,
        "result": step.result,
    }


def view_import(case: ImportedCase) -> dict[str, Any]:
    """The case whose history is complete here."""
    return {"id": str(case.id), "case_id": str(case.id), "version": case.version}


def specs() -> dict[str, Spec]:
    """Every command of planning, by its name."""
    return {spec.name: spec for spec in (*_of_assessments(), *_of_needs(), *_of_plans(), *_of_cases())}


def _of_assessments() -> list[Spec]:
    several = "/plans/{id}/assessments"
    return [
        Spec(name="submit-assessment", path=several, model=asked.SubmitAssessment, handler=handlers.submit_assessment, view=view),
        Spec(
            name="approve-assessment",
            path=f"{several}/approval",
            model=asked.ApproveAssessment,
            handler=handlers.approve_assessment,
            view=view,
        ),
        Spec(
            name="return-assessment", path=f"{several}/return", model=asked.ReturnAssessment, handler=handlers.return_assessment, view=view
        ),
    ]


def _of_needs() -> list[Spec]:
    several = "/plans/{id}/needs"
    return [
        Spec(name="identify-need", path=several, model=asked.IdentifyNeed, handler=handlers.identify_need, view=view),
        Spec(name="prioritise-need", path=f"{several}/priority", model=asked.PrioritiseNeed, handler=handlers.prioritise_need, view=view),
        Spec(name="judge-need", path=f"{several}/judgement", model=asked.JudgeNeed, handler=handlers.judge_need, view=view),
    ]


def _of_plans() -> list[Spec]:
    one, steps, lead = "/plans/{id}", "/plans/{id}/steps", Act.LEAD
    return [
        Spec(name="set-goal", path=f"{one}/goals", model=asked.SetGoal, handler=handlers.set_goal, view=view),
        Spec(name="plan-step", path=steps, model=asked.PlanStep, handler=handlers.plan_step, view=view),
        Spec(name="agree-plan", path=f"{one}/agreement", model=asked.AgreePlan, handler=handlers.agree_plan, view=view, act=lead),
        Spec(name="finish-step", path=f"{steps}/completion", model=asked.FinishStep, handler=handlers.finish_step, view=view),
        Spec(name="block-step", path=f"{steps}/block", model=asked.BlockStep, handler=handlers.block_step, view=view),
        Spec(name="resume-step", path=f"{steps}/resumption", model=asked.ResumeStep, handler=handlers.resume_step, view=view),
        Spec(name="skip-step", path=f"{steps}/skip", model=asked.SkipStep, handler=handlers.skip_step, view=view),
    ]


def _of_cases() -> list[Spec]:
    one = "/plans/{id}"
    shown: dict[str, Any] = {"view": view, "act": Act.LEAD}
    return [
        Spec(name="suspend-case", path=f"{one}/suspension", model=asked.SuspendCase, handler=handlers.suspend_case, **shown),
        Spec(name="resume-case", path=f"{one}/suspension/end", model=asked.ResumeCase, handler=handlers.resume_case, **shown),
        Spec(name="propose-closure", path=f"{one}/closure/proposal", model=asked.ProposeClosure, handler=handlers.propose_closure, **shown),
        Spec(
            name="withdraw-closure",
            path=f"{one}/closure/proposal/withdrawal",
            model=asked.WithdrawClosure,
            handler=handlers.withdraw_closure,
            **shown,
        ),
        Spec(name="close-case", path=f"{one}/closure", model=asked.CloseCase, handler=handlers.close_case, **shown),
        Spec(name="reopen-case", path=f"{one}/reopening", model=asked.ReopenCase, handler=handlers.reopen_case, **shown),
        Spec(
            name="complete-import",
            path=f"{one}/import/completion",
            model=asked.CompleteImport,
            handler=handlers.complete_import,
            view=view_import,
            act=Act.LEAD,
            target=Target.CASE,
        ),
    ]


def reading(desk: Desk) -> APIRouter:
    """What may be read of planning."""
    router = APIRouter(tags=["plans"])

    @router.get("/plans/{id}")
    def plan(id: UUID, caller: Caller, seen: Seen, response: Response) -> dict[str, Any]:
        """The plan of one case, to an agency that takes part in it or was asked to, and to its region's coordinator."""
        desk.see(id, seen)
        with desk.engine.begin() as connection:
            work = desk.reader(connection)
            assert isinstance(work, Work)  # planning's desk makes planning's work
            work.load([id])
            found, standing = work.plans.get(id), work.standing(id)
        authorise(caller.cause(), Act.READ, standing)
        if found is None:
            raise Absent
        response.headers["ETag"] = f'"{found.version}"'
        return view(found)

    return router
