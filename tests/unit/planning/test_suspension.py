"""A suspended case rests until somebody resumes it."""

from datetime import date, timedelta

import pytest

from casebus.contracts.planning import (
    BlockReason,
    CaseClosed,
    CaseOutcome,
    CaseResumed,
    CaseSuspended,
    ReferralRequested,
    StepDone,
    StepKind,
    StepResult,
    SuspendReason,
)
from casebus.errors import Conflict, Invalid
from casebus.testing import NOON
from services.planning import commands as asked
from services.planning import handlers
from services.planning.domain.plan import PlanState
from tests.unit.planning.fake import CASE, FakeWork, closes, with_step

TODAY = NOON.date()


def active(kind: StepKind = StepKind.DIRECT) -> FakeWork:
    work = with_step(kind)
    handlers.agree_plan(CASE, asked.AgreePlan(), work)
    work.said()
    return work


def suspend(work: FakeWork, review_on: date = TODAY + timedelta(days=14)) -> FakeWork:
    handlers.suspend_case(CASE, asked.SuspendCase(reason=SuspendReason.IN_HOSPITAL, review_on=review_on), work)
    return work


def test_it_rests_with_a_reason_and_a_day_of_review_and_goes_on() -> None:
    work = suspend(active())
    assert work.said() == [CaseSuspended(case_id=CASE, reason=SuspendReason.IN_HOSPITAL, review_on=TODAY + timedelta(days=14))]
    assert work.plan.state is PlanState.SUSPENDED
    handlers.resume_case(CASE, asked.ResumeCase(), work)
    assert (work.said(), work.plan.state) == ([CaseResumed(case_id=CASE)], PlanState.ACTIVE)


@pytest.mark.parametrize("days", [-1, 0, 31])
def test_it_does_not_rest_without_end(days: int) -> None:
    with pytest.raises(Invalid) as refusal:
        suspend(active(), TODAY + timedelta(days=days))
    assert refusal.value.fixes[0].field == "review_on"


def test_only_a_case_with_an_agreed_plan_rests_and_only_one_that_rests_is_resumed() -> None:
    with pytest.raises(Conflict, match="must be ACTIVE"):
        suspend(with_step())
    with pytest.raises(Conflict, match="must be SUSPENDED"):
        handlers.resume_case(CASE, asked.ResumeCase(), active())
    with pytest.raises(Conflict, match="must be ACTIVE"):
        suspend(suspend(active()))


def test_what_happens_to_its_steps_meanwhile_is_told_and_nothing_new_is_planned() -> None:
    work = suspend(active())
    with pytest.raises(Conflict, match="SUSPENDED"):
        handlers.plan_step(CASE, asked.PlanStep(kind=StepKind.DIRECT), work)
    work.said()
    handlers.finish_step(CASE, asked.FinishStep(step_id=work.step().id, result=StepResult.ACHIEVED), work)
    assert work.said() == [StepDone(case_id=CASE, step_id=work.step().id, result=StepResult.ACHIEVED)]
    closes(work, CaseOutcome.GOALS_REACHED)
    assert work.said() == [CaseClosed(case_id=CASE, outcome=CaseOutcome.GOALS_REACHED)]


def test_a_referral_step_that_is_ready_again_asks_when_the_case_goes_on() -> None:
    work = active(StepKind.REFERRAL)
    work.plans.put(work.plan.lose_provider(work.step(), BlockReason.NO_PROVIDER)[0])
    suspend(work)
    handlers.resume_step(CASE, asked.ResumeStep(step_id=work.step().id), work)
    assert not any(isinstance(event, ReferralRequested) for event in work.said())
    handlers.resume_case(CASE, asked.ResumeCase(), work)
    assert [type(event) for event in work.said()] == [CaseResumed, ReferralRequested]
