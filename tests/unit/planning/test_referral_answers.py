"""The closed loop: what referral answers reaches the step that asked."""

from datetime import timedelta
from uuid import UUID

import pytest

from casebus.contracts.monitoring import StallCause, StallExplained
from casebus.contracts.planning import BlockReason, CaseOutcome, ReferralRequested, StepBlocked, StepDone, StepKind, StepResult, StepResumed
from casebus.contracts.referral import (
    DeclineReason,
    NoProviderLeft,
    ReferralAccepted,
    ReferralCompleted,
    ReferralDeclined,
    ReferralFailed,
    ReferralOutcome,
)
from casebus.envelope import Origin
from casebus.event import Event
from casebus.testing import cause
from services.planning import commands as asked
from services.planning import handlers
from services.planning.domain.step import StepState
from tests.unit.planning.fake import CASE, PARTNER, FakeWork, closes, waiting, with_step

OFFER, NEXT_OFFER = UUID(int=11), UUID(int=12)


def hear(work: FakeWork, event: Event) -> None:
    handlers.REACTIONS[type(event)](event, work)


def accepted(step_id: UUID | None) -> ReferralAccepted:
    return ReferralAccepted(case_id=CASE, referral_id=OFFER, agency=PARTNER, step_id=step_id)


def declined(step_id: UUID, reason: DeclineReason = DeclineReason.NO_CAPACITY, successor: UUID | None = None) -> ReferralDeclined:
    return ReferralDeclined(case_id=CASE, referral_id=OFFER, agency=PARTNER, step_id=step_id, reason=reason, successor=successor)


def completed(step_id: UUID, outcome: ReferralOutcome = ReferralOutcome.SERVICES_RECEIVED) -> ReferralCompleted:
    return ReferralCompleted(case_id=CASE, referral_id=OFFER, agency=PARTNER, step_id=step_id, outcome=outcome)


def failed(step_id: UUID, outcome: ReferralOutcome = ReferralOutcome.PROVIDER_FAILED) -> ReferralFailed:
    return ReferralFailed(case_id=CASE, referral_id=OFFER, agency=PARTNER, step_id=step_id, outcome=outcome)


def none_left(step_id: UUID) -> NoProviderLeft:
    return NoProviderLeft(case_id=CASE, step_id=step_id, service_type="shelter")


def test_an_accepted_referral_begins_its_step() -> None:
    work = waiting()
    before = work.plan.version
    hear(work, accepted(work.step().id))
    assert work.step().state is StepState.IN_REFERRAL
    assert work.plan.version == before + 1
    assert work.said() == []


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (ReferralOutcome.SERVICES_RECEIVED, StepResult.ACHIEVED),
        (ReferralOutcome.PARTLY, StepResult.PARTLY),
        (ReferralOutcome.NO_LONGER_NEEDED, StepResult.OTHER),
        (ReferralOutcome.UNREACHABLE, StepResult.NOT_ACHIEVED),
        (ReferralOutcome.CLIENT_DECLINED, StepResult.NOT_ACHIEVED),
    ],
)
def test_a_completed_referral_finishes_its_step_with_what_came_of_it(outcome: ReferralOutcome, result: StepResult) -> None:
    work = waiting()
    hear(work, accepted(work.step().id))
    hear(work, completed(work.step().id, outcome))
    assert work.said() == [StepDone(case_id=CASE, step_id=work.step().id, result=result)]


def test_a_decline_with_a_successor_leaves_the_step_waiting() -> None:
    work = waiting()
    hear(work, declined(work.step().id, successor=NEXT_OFFER))
    assert work.said() == []
    assert work.step().state is StepState.REQUESTED


def test_the_last_decline_and_the_empty_list_block_the_step_once() -> None:
    work = waiting()
    hear(work, declined(work.step().id))
    hear(work, none_left(work.step().id))
    assert work.said() == [StepBlocked(case_id=CASE, step_id=work.step().id, reason=BlockReason.NO_PROVIDER)]


def test_an_empty_list_of_candidates_blocks_the_step() -> None:
    work = waiting()
    hear(work, none_left(work.step().id))
    assert work.said() == [StepBlocked(case_id=CASE, step_id=work.step().id, reason=BlockReason.NO_PROVIDER)]


def test_a_client_who_declines_blocks_the_step_as_the_clients_wish() -> None:
    work = waiting()
    hear(work, declined(work.step().id, DeclineReason.CLIENT_DECLINED))
    assert work.said() == [StepBlocked(case_id=CASE, step_id=work.step().id, reason=BlockReason.CLIENT)]


def test_a_failed_referral_blocks_its_step_and_resuming_asks_again() -> None:
    work = waiting()
    hear(work, accepted(work.step().id))
    hear(work, failed(work.step().id))
    assert work.said() == [StepBlocked(case_id=CASE, step_id=work.step().id, reason=BlockReason.NO_PROVIDER)]
    handlers.resume_step(CASE, asked.ResumeStep(step_id=work.step().id), work)
    assert [type(event) for event in work.said()] == [StepResumed, ReferralRequested]
    assert work.step().state is StepState.REQUESTED


def test_a_step_without_provider_goes_on_when_one_is_found_by_hand() -> None:
    work = waiting()
    hear(work, none_left(work.step().id))
    work.said()
    hear(work, accepted(work.step().id))
    assert work.said() == [StepResumed(case_id=CASE, step_id=work.step().id)]
    assert work.step().state is StepState.IN_REFERRAL


def test_what_a_person_blocked_waits_for_a_person_and_then_goes_on_with_the_referral() -> None:
    work = waiting()
    handlers.block_step(CASE, asked.BlockStep(step_id=work.step().id, reason=BlockReason.DOCUMENTS), work)
    hear(work, accepted(work.step().id))
    assert work.step().state is StepState.BLOCKED
    handlers.resume_step(CASE, asked.ResumeStep(step_id=work.step().id), work)
    assert work.step().state is StepState.IN_REFERRAL


def test_a_referral_that_nobody_planned_is_passed_over() -> None:
    work = waiting()
    hear(work, accepted(None))
    hear(work, completed(UUID(int=7)))
    assert work.said() == []
    assert work.step().state is StepState.REQUESTED


def test_an_answer_about_a_step_that_no_referral_serves_is_passed_over() -> None:
    work = with_step(StepKind.DIRECT)
    hear(work, accepted(work.step().id))
    assert work.step().state is StepState.PLANNED


def test_an_answer_for_a_case_whose_plan_is_not_here_is_passed_over() -> None:
    work = FakeWork()
    hear(work, accepted(None))
    hear(work, failed(UUID(int=7)))
    assert work.plans.all() == []


def test_an_answer_after_the_case_was_closed_changes_nothing() -> None:
    work = waiting()
    closes(work, CaseOutcome.DIED)
    work.said()
    for event in (
        accepted(work.step().id),
        declined(work.step().id),
        failed(work.step().id),
        none_left(work.step().id),
        completed(work.step().id),
    ):
        hear(work, event)
    assert work.said() == []


def stalled_for(cause: StallCause) -> StallExplained:
    return StallExplained(case_id=CASE, alert_id=UUID(int=13), cause=cause, party=None, until_on=None)


def test_a_stall_for_want_of_a_service_asks_referral_again_for_what_has_no_provider() -> None:
    work = waiting()
    step = work.step()
    hear(work, stalled_for(StallCause.NO_RESOURCE))
    assert work.said() == []
    hear(work, none_left(step.id))
    hear(work, stalled_for(StallCause.FORGOTTEN))
    assert [type(event) for event in work.said()] == [StepBlocked]
    hear(work, stalled_for(StallCause.NO_RESOURCE))
    assert [type(event) for event in work.said()] == [StepResumed, ReferralRequested]
    assert work.step().state is StepState.REQUESTED


def test_what_the_client_declined_is_not_sought_again() -> None:
    work = waiting()
    hear(work, declined(work.step().id, DeclineReason.CLIENT_DECLINED))
    work.said()
    hear(work, stalled_for(StallCause.NO_RESOURCE))
    assert work.said() == []


@pytest.mark.parametrize(("days", "again"), [(29, [StepResumed, ReferralRequested]), (31, [])])
def test_an_answer_that_is_heard_long_after_it_was_given_seeks_nobody(days: int, again: list[type[Event]]) -> None:
    """As when planning reads monitoring's log for the first time."""
    work = waiting()
    hear(work, none_left(work.step().id))
    work.said()
    work.cause = cause(recorded_at=work.now - timedelta(days=days))
    hear(work, stalled_for(StallCause.NO_RESOURCE))
    assert [type(event) for event in work.said()] == again


def test_history_seeks_nobody() -> None:
    work = waiting()
    hear(work, none_left(work.step().id))
    work.said()
    work.cause = cause(origin=Origin.IMPORT)
    hear(work, stalled_for(StallCause.NO_RESOURCE))
    assert work.said() == []
