"""The way of a plan: drafted for an opened case, filled, agreed, closed and reopened."""

from collections.abc import Callable
from datetime import date
from uuid import UUID

import pytest

from casebus.contracts.planning import (
    CaseClosed,
    CaseImported,
    CaseOutcome,
    CaseReopened,
    Domain,
    GoalSet,
    Horizon,
    PlanAgreed,
    PlanDrafted,
    ReferralRequested,
    ReopenReason,
    SkipReason,
    StepKind,
    StepPlanned,
)
from casebus.errors import Absent, Conflict, Invalid
from services.planning import commands as asked
from services.planning import handlers
from services.planning.domain.plan import PlanState
from services.planning.domain.step import StepState
from tests.unit.planning.fake import CASE, LEAD, OPENED, PARTNER, FakeWork, closes, drafted, waiting, with_goal, with_step

SOME_ID = UUID("c3ebf4b0-18f5-4a0c-a0a1-ae5c95e6cd5b")
SERVICES = (UUID(int=1), UUID(int=2))


def test_an_opened_case_gets_a_draft_plan() -> None:
    work = FakeWork()
    handlers.draft_plan(OPENED, work)
    assert work.emitted == [PlanDrafted(case_id=CASE, plan_version=1)]
    assert (work.plan.state, work.plan.version) == (PlanState.PLANNING, 1)


def test_a_plan_that_exists_is_not_drafted_twice() -> None:
    work = with_goal()
    handlers.draft_plan(OPENED, work)
    assert work.emitted == []
    assert len(work.plan.goals) == 1


def test_a_case_without_a_plan_is_absent() -> None:
    with pytest.raises(Absent):
        handlers.agree_plan(CASE, asked.AgreePlan(), FakeWork())


def test_a_goal_says_how_far_ahead_it_lies() -> None:
    work = drafted()
    command = asked.SetGoal(goal_id=SOME_ID, horizon=Horizon.LONG, domain=Domain.INCOME, target_on=date(2026, 9, 1))
    plan = handlers.set_goal(CASE, command, work)
    assert work.emitted == [GoalSet(case_id=CASE, goal_id=SOME_ID, horizon=Horizon.LONG, domain=Domain.INCOME, target_on=date(2026, 9, 1))]
    assert plan.version == 2


def test_things_without_an_id_get_one_and_each_its_own() -> None:
    work = with_goal()
    handlers.set_goal(CASE, asked.SetGoal(horizon=Horizon.MID, domain=Domain.HEALTH), work)
    first, second = work.plan.goals
    assert first.id != second.id


def test_the_same_goal_is_not_set_twice() -> None:
    work = with_goal()
    command = asked.SetGoal(goal_id=work.plan.goals[0].id, horizon=Horizon.MID, domain=Domain.HEALTH)
    with pytest.raises(Conflict):
        handlers.set_goal(CASE, command, work)


def test_a_step_is_its_planners_own_unless_another_agency_of_the_case_is_named() -> None:
    work = with_goal()
    goal = work.plan.goals[0].id
    handlers.plan_step(CASE, asked.PlanStep(kind=StepKind.DIRECT, goal_id=goal), work)
    handlers.plan_step(CASE, asked.PlanStep(kind=StepKind.APPLICATION, agency=PARTNER), work)
    assert [(step.agency, step.goal_id) for step in work.plan.steps] == [(LEAD, goal), (PARTNER, None)]
    assert all(isinstance(event, StepPlanned) for event in work.emitted)


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (asked.PlanStep(kind=StepKind.DIRECT, agency="far-clinic"), "agency"),
        (asked.PlanStep(kind=StepKind.DIRECT, goal_id=SOME_ID), "goal_id"),
        (asked.PlanStep(kind=StepKind.REFERRAL), "service_type"),
        (asked.PlanStep(kind=StepKind.DIRECT, service_type="shelter"), "kind"),
        (asked.PlanStep(kind=StepKind.DIRECT, candidates=SERVICES), "kind"),
        (asked.PlanStep(kind=StepKind.REFERRAL, service_type="shelter", candidates=SERVICES[:1] * 2), "candidates"),
    ],
)
def test_a_step_that_cannot_be_is_refused_by_the_field_that_is_wrong(command: asked.PlanStep, field: str) -> None:
    work = with_goal()
    with pytest.raises(Invalid) as refused:
        handlers.plan_step(CASE, command, work)
    assert [fix.field for fix in refused.value.fixes] == [field]
    assert work.emitted == []


def test_a_plan_needs_a_goal_and_a_step_to_be_agreed_on() -> None:
    goal_alone, step_alone = with_goal(), drafted()
    handlers.plan_step(CASE, asked.PlanStep(kind=StepKind.DIRECT), step_alone)
    for work in (goal_alone, step_alone):
        with pytest.raises(Conflict):
            handlers.agree_plan(CASE, asked.AgreePlan(), work)


def test_a_step_that_was_left_out_is_none_to_agree_on() -> None:
    work = with_step()
    handlers.skip_step(CASE, asked.SkipStep(step_id=work.step().id, reason=SkipReason.NO_LONGER_NEEDED), work)
    with pytest.raises(Conflict):
        handlers.agree_plan(CASE, asked.AgreePlan(), work)


def test_the_referral_steps_of_an_agreed_plan_ask_referral() -> None:
    work = with_step()
    command = asked.PlanStep(step_id=SOME_ID, kind=StepKind.REFERRAL, service_type="shelter", candidates=SERVICES)
    handlers.plan_step(CASE, command, work)
    work.said()
    plan = handlers.agree_plan(CASE, asked.AgreePlan(), work)
    assert work.said() == [
        PlanAgreed(case_id=CASE, plan_version=1, goals=1, steps=2),
        ReferralRequested(case_id=CASE, step_id=SOME_ID, service_type="shelter", candidates=SERVICES),
    ]
    assert [step.state for step in plan.steps] == [StepState.PLANNED, StepState.REQUESTED]
    assert plan.state is PlanState.ACTIVE


def test_a_referral_step_added_to_an_agreed_plan_asks_at_once_and_alone() -> None:
    work = waiting()
    handlers.plan_step(CASE, asked.PlanStep(step_id=SOME_ID, kind=StepKind.REFERRAL, service_type="clinic"), work)
    assert work.said()[1:] == [ReferralRequested(case_id=CASE, step_id=SOME_ID, service_type="clinic", candidates=())]


def test_a_plan_is_agreed_once() -> None:
    with pytest.raises(Conflict):
        handlers.agree_plan(CASE, asked.AgreePlan(), waiting())


@pytest.mark.parametrize("make", [drafted, waiting])
def test_a_case_is_closed_with_its_outcome_and_its_open_steps_end(make: Callable[[], FakeWork]) -> None:
    work = make()
    plan = closes(work, CaseOutcome.MOVED)
    assert work.said() == [CaseClosed(case_id=CASE, outcome=CaseOutcome.MOVED)]
    assert (plan.state, plan.outcome) == (PlanState.CLOSED, CaseOutcome.MOVED)
    assert all(step.state is StepState.CANCELLED for step in plan.steps)


def closed() -> FakeWork:
    work = waiting()
    closes(work, CaseOutcome.GOALS_REACHED)
    work.said()
    return work


def test_nothing_is_planned_in_a_closed_case() -> None:
    work = closed()
    with pytest.raises(Conflict):
        handlers.set_goal(CASE, asked.SetGoal(horizon=Horizon.MID, domain=Domain.HEALTH), work)
    with pytest.raises(Conflict):
        handlers.plan_step(CASE, asked.PlanStep(kind=StepKind.DIRECT), work)
    with pytest.raises(Conflict):
        closes(work, CaseOutcome.OTHER)


def test_a_reopened_case_has_a_new_draft_that_is_agreed_on_anew() -> None:
    work = closed()
    handlers.reopen_case(CASE, asked.ReopenCase(reason=ReopenReason.NEED_RETURNED, under_way=True), work)
    assert work.said() == [
        CaseReopened(case_id=CASE, reason=ReopenReason.NEED_RETURNED, under_way=True),
        PlanDrafted(case_id=CASE, plan_version=2),
    ]
    handlers.plan_step(CASE, asked.PlanStep(kind=StepKind.DIRECT), work)
    handlers.agree_plan(CASE, asked.AgreePlan(), work)
    assert work.said()[1:] == [PlanAgreed(case_id=CASE, plan_version=2, goals=1, steps=1)]  # the step that ended with the case asks no more
    assert work.plan.outcome is None


def test_only_a_closed_case_is_reopened() -> None:
    with pytest.raises(Conflict):
        handlers.reopen_case(CASE, asked.ReopenCase(reason=ReopenReason.NEW_NEED), drafted())


@pytest.mark.parametrize("make", [FakeWork, drafted, closed])
def test_the_import_of_a_case_is_completed_whatever_its_state_also_before_it_is_opened(make: Callable[[], FakeWork]) -> None:
    work = make()
    handlers.complete_import(CASE, asked.CompleteImport(import_id=SOME_ID), work)
    assert work.said() == [CaseImported(case_id=CASE, import_id=SOME_ID)]
