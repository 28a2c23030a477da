"""A case is closed by two people, when nothing stands against it and the client was told in time."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from casebus.contracts.planning import CaseClosed, CaseOutcome, ClosureBlocker, ClosureProposed, ClosureWithdrawn, StepResult
from casebus.envelope import Role
from casebus.errors import Conflict, Forbidden, Invalid
from casebus.testing import NOON, cause
from services.planning import commands as asked
from services.planning import handlers
from services.planning.domain.plan import PlanState
from tests.unit.planning.fake import CASE, LEAD, FakeWork, closes, drafted, with_step

TODAY = NOON.date()
DONE = CaseOutcome.GOALS_REACHED


def acting(work: FakeWork, actor: str, role: Role = Role.SUPERVISOR) -> FakeWork:
    work.cause = replace(cause(LEAD, role=role), actor=actor)
    return work


def propose(work: FakeWork, *, told_on: date | None = TODAY - timedelta(days=14), outcome: CaseOutcome = DONE) -> FakeWork:
    handlers.propose_closure(CASE, asked.ProposeClosure(outcome=outcome, told_on=told_on), acting(work, "worker-1", Role.WORKER))
    return work


def approve(work: FakeWork, actor: str = "supervisor-1", outcome: CaseOutcome = DONE) -> None:
    handlers.close_case(CASE, asked.CloseCase(outcome=outcome), acting(work, actor))


def against(work: FakeWork, actor: str = "supervisor-1", outcome: CaseOutcome = DONE) -> list[str]:
    """The fields that forbid it."""
    with pytest.raises(Conflict) as refused:
        approve(work, actor, outcome)
    assert work.plan.state is not PlanState.CLOSED
    return [fix.field for fix in refused.value.fixes]


def test_what_was_proposed_is_approved_by_a_supervisor() -> None:
    work = propose(drafted())
    assert work.said() == [ClosureProposed(case_id=CASE, outcome=DONE, closes_from=TODAY, blockers=())]
    approve(work)
    assert work.said() == [CaseClosed(case_id=CASE, outcome=DONE)]
    assert (work.plan.state, work.plan.closing) == (PlanState.CLOSED, None)


def test_an_open_step_stands_against_it_until_it_is_over() -> None:
    work = propose(with_step())
    assert work.said()[0].says()["blockers"] == (ClosureBlocker.OPEN_STEP,)
    assert against(work) == ["steps"]
    handlers.finish_step(CASE, asked.FinishStep(step_id=work.step().id, result=StepResult.ACHIEVED), work)
    approve(work)


def test_everything_that_stands_against_it_is_said_at_once() -> None:
    work = propose(with_step(), told_on=TODAY - timedelta(days=13))
    assert against(work, "worker-1", CaseOutcome.OTHER) == ["outcome", "actor", "told_on", "steps"]


def test_nobody_closes_what_nobody_proposed_nor_a_worker_alone() -> None:
    assert against(drafted()) == []
    work = acting(propose(drafted()), "worker-2", Role.WORKER)
    with pytest.raises(Forbidden, match="supervisor"):
        handlers.close_case(CASE, asked.CloseCase(outcome=DONE), work)


def test_a_client_who_died_or_moved_needs_no_notice_and_nobody_is_told_tomorrow() -> None:
    work = propose(drafted(), told_on=None, outcome=CaseOutcome.DIED)
    approve(work, outcome=CaseOutcome.DIED)
    with pytest.raises(Invalid) as refused:
        propose(drafted(), told_on=None)
    assert [fix.field for fix in refused.value.fixes] == ["told_on"]
    with pytest.raises(Invalid, match="future"):
        propose(drafted(), told_on=TODAY + timedelta(days=1))


def test_a_proposal_is_withdrawn_and_another_one_made() -> None:
    work = propose(drafted())
    with pytest.raises(Conflict, match="already"):
        propose(work)
    work.said()
    handlers.withdraw_closure(CASE, asked.WithdrawClosure(), work)
    assert work.said() == [ClosureWithdrawn(case_id=CASE)]
    with pytest.raises(Conflict, match="Nobody"):
        handlers.withdraw_closure(CASE, asked.WithdrawClosure(), work)
    propose(work, outcome=CaseOutcome.OTHER)


def test_what_an_integrator_reports_took_place() -> None:
    work = with_step()
    closes(work)
    assert work.said() == [CaseClosed(case_id=CASE, outcome=DONE)]
