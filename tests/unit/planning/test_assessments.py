"""An assessment is submitted by a worker, and approved or given back by a supervisor who did not write it."""

from dataclasses import replace
from uuid import UUID

import pytest

from casebus.contracts.planning import AssessmentApproved, AssessmentKind, AssessmentReturned, AssessmentSubmitted, ReturnReason
from casebus.envelope import Role
from casebus.errors import Conflict, Forbidden, Invalid
from casebus.testing import cause
from services.planning import commands as asked
from services.planning import handlers
from services.planning.domain.assessment import AssessmentState
from tests.unit.planning.fake import CASE, LEAD, FakeWork, drafted


def acting(work: FakeWork, role: Role, actor: str) -> FakeWork:
    work.cause = replace(cause(LEAD, role=role), actor=actor)
    return work


def submit(work: FakeWork) -> UUID:
    plan = handlers.submit_assessment(CASE, asked.SubmitAssessment(kind=AssessmentKind.FULL), acting(work, Role.WORKER, "worker-1"))
    return plan.assessments[-1].id


def approve(work: FakeWork, one: UUID) -> None:
    handlers.approve_assessment(CASE, asked.ApproveAssessment(assessment_id=one), work)


def test_an_approved_assessment_supersedes_the_one_before() -> None:
    work = drafted()
    first = submit(work)
    assert work.said() == [AssessmentSubmitted(case_id=CASE, assessment_id=first, kind=AssessmentKind.FULL)]
    approve(acting(work, Role.SUPERVISOR, "supervisor-1"), first)
    assert work.said() == [AssessmentApproved(case_id=CASE, assessment_id=first, kind=AssessmentKind.FULL)]
    second = submit(work)
    approve(acting(work, Role.SUPERVISOR, "supervisor-1"), second)
    assert [each.state for each in work.plan.assessments] == [AssessmentState.SUPERSEDED, AssessmentState.APPROVED]


def test_one_that_is_given_back_is_over() -> None:
    work = drafted()
    one = submit(work)
    acting(work, Role.SUPERVISOR, "supervisor-1").said()
    handlers.return_assessment(CASE, asked.ReturnAssessment(assessment_id=one, reason=ReturnReason.INCOMPLETE), work)
    assert work.said() == [AssessmentReturned(case_id=CASE, assessment_id=one, kind=AssessmentKind.FULL, reason=ReturnReason.INCOMPLETE)]
    with pytest.raises(Conflict, match="RETURNED"):
        approve(work, one)


def test_only_a_supervisor_who_did_not_write_it_approves_it() -> None:
    work = drafted()
    one = submit(work)
    with pytest.raises(Forbidden, match="supervisor"):
        approve(acting(work, Role.WORKER, "worker-2"), one)
    with pytest.raises(Conflict, match="Somebody else"):
        approve(acting(work, Role.SUPERVISOR, "worker-1"), one)
    with pytest.raises(Invalid, match="no such assessment"):
        approve(acting(work, Role.SUPERVISOR, "supervisor-1"), CASE)
