"""What becomes of a step, and who may say so."""

from collections.abc import Callable
from uuid import UUID

import pytest

from casebus.contracts.planning import (
    BlockReason,
    ReferralRequested,
    SkipReason,
    StepBlocked,
    StepDone,
    StepKind,
    StepResult,
    StepResumed,
    StepSkipped,
)
from casebus.errors import Conflict, Forbidden, Invalid
from casebus.testing import cause
from services.planning import commands as asked
from services.planning import handlers
from services.planning.domain.step import StepState
from tests.unit.planning.fake import CASE, LEAD, PARTNER, FakeWork, waiting, with_step

DONE, WAITING_LIST = StepResult.ACHIEVED, BlockReason.WAITING_LIST


def finish(work: FakeWork) -> None:
    handlers.finish_step(CASE, asked.FinishStep(step_id=work.step().id, result=DONE), work)


def block(work: FakeWork) -> None:
    handlers.block_step(CASE, asked.BlockStep(step_id=work.step().id, reason=WAITING_LIST), work)


def resume(work: FakeWork) -> None:
    handlers.resume_step(CASE, asked.ResumeStep(step_id=work.step().id), work)


def skip(work: FakeWork) -> None:
    handlers.skip_step(CASE, asked.SkipStep(step_id=work.step().id, reason=SkipReason.REPLACED), work)


def test_a_step_is_done_with_its_result() -> None:
    work = with_step()
    finish(work)
    assert work.said() == [StepDone(case_id=CASE, step_id=work.step().id, result=DONE)]
    assert (work.step().state, work.step().result) == (StepState.DONE, DONE)


def test_a_step_on_a_waiting_list_is_blocked_and_goes_on_later() -> None:
    work = with_step()
    block(work)
    assert (work.step().state, work.step().blocked_by) == (StepState.BLOCKED, WAITING_LIST)
    resume(work)
    assert work.said() == [
        StepBlocked(case_id=CASE, step_id=work.step().id, reason=WAITING_LIST),
        StepResumed(case_id=CASE, step_id=work.step().id),
    ]
    assert (work.step().state, work.step().blocked_by) == (StepState.PLANNED, None)


def test_a_step_is_left_out_with_the_reason() -> None:
    work = with_step()
    skip(work)
    assert work.said() == [StepSkipped(case_id=CASE, step_id=work.step().id, reason=SkipReason.REPLACED)]
    assert work.step().state is StepState.SKIPPED


def test_what_is_over_stays_over() -> None:
    work = with_step()
    finish(work)
    for again in (finish, block, resume, skip):
        with pytest.raises(Conflict):
            again(work)


def test_a_step_is_blocked_once_and_resumed_only_then() -> None:
    work = with_step()
    with pytest.raises(Conflict):
        resume(work)
    block(work)
    with pytest.raises(Conflict):
        block(work)


def test_a_blocked_referral_step_that_is_asked_for_already_asks_no_second_time() -> None:
    work = waiting()
    block(work)
    resume(work)
    assert not [event for event in work.said() if isinstance(event, ReferralRequested)]
    assert work.step().state is StepState.REQUESTED


def test_a_referral_step_that_was_blocked_in_the_draft_asks_when_it_is_resumed() -> None:
    work = with_step(StepKind.REFERRAL)
    block(work)
    handlers.agree_plan(CASE, asked.AgreePlan(), work)
    work.said()
    resume(work)
    assert [type(event) for event in work.said()] == [StepResumed, ReferralRequested]


def test_a_step_that_the_plan_has_not_is_refused() -> None:
    with pytest.raises(Invalid):
        handlers.finish_step(CASE, asked.FinishStep(step_id=UUID(int=7), result=DONE), with_step())


@pytest.mark.parametrize("act", [finish, block, skip])
def test_a_steps_agency_and_the_lead_may_change_it(act: Callable[[FakeWork], None]) -> None:
    for agency in (LEAD, PARTNER):
        work = with_step(agency=PARTNER)
        work.cause = cause(agency)
        act(work)
        assert work.emitted


@pytest.mark.parametrize("act", [finish, block, resume, skip])
def test_another_agency_of_the_case_may_not_change_a_step(act: Callable[[FakeWork], None]) -> None:
    work = with_step(agency=LEAD)
    work.cause = cause(PARTNER)
    with pytest.raises(Forbidden):
        act(work)
    assert work.emitted == []
