"""What the client needs: found out, weighed, served by steps, judged; a case isn't closed with one that is left."""

from uuid import UUID

import pytest
from pydantic import ValidationError

from casebus.contracts.planning import (
    CaseReopened,
    Domain,
    NeedAddressed,
    NeedClass,
    NeedIdentified,
    NeedJudged,
    NeedResult,
    NeedUnaddressed,
    ReopenReason,
    SkipReason,
    StepKind,
    StepPlanned,
    StepResult,
)
from casebus.envelope import Origin, Role
from casebus.errors import Conflict, Forbidden, Invalid
from casebus.testing import NOON, cause
from services.planning import commands as asked
from services.planning import handlers
from services.planning.api import view
from services.planning.domain.need import NeedState
from tests.unit.planning.fake import CASE, LEAD, PARTNER, FakeWork, closes, drafted

ROOF, WORK = UUID(int=11), UUID(int=12)


def needing(agency: str | None = None) -> FakeWork:
    work = drafted()
    command = asked.IdentifyNeed(need_id=ROOF, domain=Domain.HOUSING, need_class=NeedClass.SURVIVAL, agency=agency)
    handlers.identify_need(CASE, command, work)
    return work


def plan_step(work: FakeWork, need: UUID = ROOF) -> None:
    handlers.plan_step(CASE, asked.PlanStep(kind=StepKind.DIRECT, need_id=need), work)


def judge(work: FakeWork, result: NeedResult, referred_to: str | None = None) -> None:
    command = asked.JudgeNeed.model_validate({"need_id": ROOF, "result": result, "referred_to": referred_to})
    handlers.judge_need(CASE, command, work)


def state(work: FakeWork) -> NeedState:
    return work.plan.need(ROOF).state


def test_a_need_is_identified_weighed_and_served_by_a_step() -> None:
    work = needing(PARTNER)
    assert work.said() == [NeedIdentified(case_id=CASE, need_id=ROOF, domain=Domain.HOUSING, need_class=NeedClass.SURVIVAL, agency=PARTNER)]
    handlers.prioritise_need(CASE, asked.PrioritiseNeed(need_id=ROOF, urgency=4, severity=3, wish=4), work)
    assert state(work) is NeedState.PRIORITISED
    work.said()
    plan_step(work)
    assert [type(event) for event in work.said()] == [StepPlanned, NeedAddressed]
    assert state(work) is NeedState.ADDRESSED


def test_needs_are_listed_survival_first_then_by_weight() -> None:
    work = needing()
    for number, (need_class, urgency) in enumerate([(NeedClass.DEVELOPMENT, 4), (NeedClass.SURVIVAL, 4), (NeedClass.SURVIVAL, 2)]):
        one = UUID(int=20 + number)
        handlers.identify_need(CASE, asked.IdentifyNeed(need_id=one, domain=Domain.INCOME, need_class=need_class), work)
        handlers.prioritise_need(CASE, asked.PrioritiseNeed(need_id=one, urgency=urgency, severity=0, wish=0), work)
    assert [each["need_id"] for each in view(work.plan)["needs"]] == [str(UUID(int=one)) for one in (21, 22, 11, 20)]


def test_a_need_whose_last_step_is_skipped_is_left_again() -> None:
    work = needing()
    plan_step(work)
    plan_step(work)
    first, second = work.plan.steps
    work.said()
    handlers.skip_step(CASE, asked.SkipStep(step_id=first.id, reason=SkipReason.OTHER), work)
    assert len(work.said()) == 1
    handlers.skip_step(CASE, asked.SkipStep(step_id=second.id, reason=SkipReason.OTHER), work)
    assert work.said()[1:] == [NeedUnaddressed(case_id=CASE, need_id=ROOF, agency=None)]
    assert state(work) is NeedState.IDENTIFIED


def test_a_case_is_not_closed_with_a_need_that_is_neither_met_nor_referred() -> None:
    work = needing()
    with pytest.raises(Conflict) as refused:
        closes(work)
    assert [fix.field for fix in refused.value.fixes] == ["needs"]
    judge(work, NeedResult.UNMET)
    with pytest.raises(Conflict):
        closes(work)
    judge(work, NeedResult.UNMET, "regional-office")
    closes(work)


def test_history_is_closed_as_it_was_and_its_need_waits_anew_when_it_is_reopened() -> None:
    work = needing()
    work.said()
    work.cause = cause(LEAD, role=Role.INTEGRATOR, origin=Origin.IMPORT, occurred_at=NOON, import_id=ROOF)
    handlers.close_case(CASE, asked.CloseCase.model_validate({"outcome": "OTHER"}), work)
    work.said()
    handlers.reopen_case(CASE, asked.ReopenCase(reason=ReopenReason.NEW_NEED), work)
    said = work.said()
    assert isinstance(said[0], CaseReopened)
    assert said[2:] == [NeedUnaddressed(case_id=CASE, need_id=ROOF, agency=None)]


def test_a_need_with_a_step_that_is_done_is_not_left() -> None:
    work = needing()
    plan_step(work)
    handlers.finish_step(CASE, asked.FinishStep(step_id=work.step().id, result=StepResult.ACHIEVED), work)
    plan_step(work)
    work.said()
    handlers.skip_step(CASE, asked.SkipStep(step_id=work.plan.steps[1].id, reason=SkipReason.OTHER), work)
    assert len(work.said()) == 1


def test_who_answers_for_it_judges_it_and_what_is_met_stays_so() -> None:
    work = needing()
    work.cause = cause(PARTNER)
    with pytest.raises(Forbidden, match="answers for the need"):
        judge(work, NeedResult.MET)
    work = needing(PARTNER)
    work.cause = cause(PARTNER)
    work.said()
    judge(work, NeedResult.MET)
    assert work.said() == [NeedJudged(case_id=CASE, need_id=ROOF, result=NeedResult.MET, referred_to=None)]
    with pytest.raises(Conflict, match="MET already"):
        judge(work, NeedResult.UNMET)
    with pytest.raises(Conflict, match="MET; it must be"):
        plan_step(work)


def test_what_is_not_there_or_makes_no_sense_is_refused() -> None:
    with pytest.raises(Invalid, match="no such need"):
        plan_step(drafted(), WORK)
    with pytest.raises(Invalid, match="agency of the case"):
        needing("somebody-else")
    with pytest.raises(Conflict, match="already"):
        handlers.identify_need(CASE, asked.IdentifyNeed(need_id=ROOF, domain=Domain.HOUSING, need_class=NeedClass.OTHER), needing())
    for wrong in ({"result": "OTHER"}, {"result": "MET", "referred_to": "regional-office"}):
        with pytest.raises(ValidationError):
            asked.JudgeNeed.model_validate({"need_id": ROOF} | wrong)
    with pytest.raises(ValidationError):
        asked.PrioritiseNeed(need_id=ROOF, urgency=5, severity=0, wish=0)
