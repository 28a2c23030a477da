"""Offers, answers and what follows from them by itself."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from casebus.contracts.planning import CaseClosed, CaseOutcome, ReferralRequested, SkipReason, StepDone, StepResult, StepSkipped
from casebus.contracts.referral import (
    CaseImported,
    DeclineReason,
    NoProviderLeft,
    ReferralAccepted,
    ReferralDeclined,
    ReferralOffered,
    ReferralOutcome,
    ReferralWithdrawn,
    WithdrawReason,
)
from casebus.envelope import Origin, Role
from casebus.errors import Absent, Conflict, Invalid
from casebus.testing import NOON, cause
from services.referral import commands as asked
from services.referral import handlers
from services.referral.domain import Referral, ReferralState, Service, ServiceKind
from tests.unit.referral.stage import CASE, REFERRAL, STEP, Work, referral, service

SECOND, THIRD, ELSEWHERE = service("second-shelter", available=5), service("third-shelter"), service("fourth-shelter", region="south")
KITCHEN = service("soup-kitchen", service_type="food")
LAST_YEAR = NOON - timedelta(days=365)
HISTORY = cause("first-shelter", origin=Origin.IMPORT, occurred_at=LAST_YEAR, import_id=UUID(int=7))


def offer(work: Work, *, service_id: UUID | None = None, agency: str | None = None, candidates: tuple[UUID, ...] | None = None) -> Referral:
    command = asked.OfferReferral(
        case_id=CASE, service_type="shelter", service_id=service_id, agency=agency, candidates=candidates, step_id=STEP
    )
    return handlers.offer_referral(REFERRAL, command, work)


def decline(work: Work, reason: DeclineReason) -> Referral:
    return handlers.decline_referral(REFERRAL, asked.DeclineReferral(reason=reason), work)


def test_an_agency_lists_a_service_of_its_own_and_an_operator_one_of_another() -> None:
    room = asked.Room(available=1, maximum=4)
    command = asked.ListService(service_type="shelter", kind=ServiceKind.NGO, region="north", capacity=room)
    mine = handlers.list_service(REFERRAL, command, Work(because=cause("first-shelter", role=Role.INTEGRATOR)))
    other = handlers.list_service(REFERRAL, command.model_copy(update={"agency": "second-shelter"}), Work())
    assert (mine.agency, mine.available, other.agency) == ("first-shelter", 1, "second-shelter")


def test_a_retired_service_is_offered_nothing() -> None:
    work = Work(SECOND)
    handlers.retire_service(SECOND.id, asked.RetireService(), work)
    with pytest.raises(Conflict):
        offer(work)


def test_an_unknown_service_does_not_retire() -> None:
    with pytest.raises(Absent):
        handlers.retire_service(SECOND.id, asked.RetireService(), Work())


def test_an_offer_to_a_service_goes_to_its_agency_and_the_directory_names_who_is_next() -> None:
    work = Work(SECOND, THIRD, ELSEWHERE, KITCHEN)
    made = offer(work, service_id=THIRD.id)
    assert (made.agency, made.service_id, made.candidates) == ("third-shelter", THIRD.id, (SECOND.id, ELSEWHERE.id))
    assert work.emitted == [
        ReferralOffered(
            case_id=CASE, referral_id=REFERRAL, step_id=STEP, service_id=THIRD.id, service_type="shelter", agency="third-shelter", attempt=1
        )
    ]


def test_an_offer_without_a_name_goes_to_the_first_candidate() -> None:
    assert offer(Work(SECOND, THIRD)).agency == "second-shelter"
    assert offer(Work(SECOND, THIRD), candidates=(THIRD.id, SECOND.id)).agency == "third-shelter"


def test_an_agency_outside_the_directory_can_be_asked() -> None:
    made = offer(Work(), agency="own-provision")
    assert (made.agency, made.service_id, made.candidates) == ("own-provision", None, ())


def test_an_agency_that_is_asked_is_not_its_own_candidate() -> None:
    assert offer(Work(SECOND, THIRD), agency="second-shelter").candidates == (THIRD.id,)


def test_an_empty_list_of_candidates_means_nobody_else() -> None:
    assert offer(Work(SECOND, THIRD), service_id=SECOND.id, candidates=()).candidates == ()


@pytest.mark.parametrize("wrong", [{"service_id": KITCHEN.id}, {"candidates": (SECOND.id, UUID(int=99))}, {"service_id": UUID(int=99)}])
def test_what_is_not_listed_for_the_type_can_not_be_offered(wrong: dict[str, object]) -> None:
    command = asked.OfferReferral.model_validate({"case_id": CASE, "service_type": "shelter", **wrong})
    with pytest.raises(Invalid):
        handlers.offer_referral(REFERRAL, command, Work(SECOND, KITCHEN))


def test_an_imported_offer_has_the_time_at_which_it_happened_and_looks_for_no_candidates() -> None:
    made = offer(Work(SECOND, because=HISTORY), agency="own-provision")
    assert (made.sought_at, made.candidates) == (LAST_YEAR, ())


def test_an_accepted_referral_is_completed_and_a_failed_one_says_why() -> None:
    work = Work(referrals=(referral(),))
    handlers.accept_referral(REFERRAL, asked.AcceptReferral(), work)
    ended = handlers.complete_referral(REFERRAL, asked.CompleteReferral(outcome=ReferralOutcome.SERVICES_RECEIVED), work)
    assert (ended.state, ended.version) == (ReferralState.COMPLETED, 3)
    assert work.emitted[0] == ReferralAccepted(case_id=CASE, referral_id=REFERRAL, agency="first-shelter", step_id=STEP)
    other = Work(referrals=(replace(referral(), state=ReferralState.ACCEPTED),))
    failed = handlers.fail_referral(REFERRAL, asked.FailReferral(outcome=ReferralOutcome.UNREACHABLE), other)
    assert failed.state is ReferralState.FAILED


@pytest.mark.parametrize("reason", [DeclineReason.NO_CAPACITY, DeclineReason.OUT_OF_AREA])
def test_without_room_the_next_candidate_is_asked_by_itself(reason: DeclineReason) -> None:
    first = referral(SECOND, THIRD)
    work = Work(SECOND, THIRD, referrals=(first,))
    declined = decline(work, reason)
    said, offered = work.emitted
    assert isinstance(said, ReferralDeclined)
    assert isinstance(offered, ReferralOffered)
    assert said.successor == declined.successor == offered.referral_id == first.next_id
    assert (offered.agency, offered.attempt) == ("second-shelter", 2)
    following = work.referrals.get(first.next_id)
    assert following is not None
    assert following.candidates == (THIRD.id,)


def test_a_candidate_that_has_retired_is_passed_over() -> None:
    work = Work(SECOND.retire()[0], THIRD, referrals=(referral(SECOND, THIRD),))
    decline(work, DeclineReason.NO_CAPACITY)
    assert [event.agency for event in work.emitted if isinstance(event, ReferralOffered)] == ["third-shelter"]


def test_an_answer_entered_late_asks_the_next_candidate_now_and_not_in_the_past() -> None:
    late = cause("first-shelter", origin=Origin.OFFLINE, occurred_at=NOON - timedelta(days=3))
    work = Work(SECOND, referrals=(referral(SECOND),), because=late)
    decline(work, DeclineReason.NO_CAPACITY)
    assert (work.cause.occurred_at, work.cause.origin, work.cause.actor_role) == (None, Origin.SYSTEM, Role.SYSTEM)


def test_when_nobody_is_left_it_is_said_for_a_step_and_only_for_one() -> None:
    with_step, without = Work(referrals=(referral(),)), Work(referrals=(referral(step_id=None),))
    decline(with_step, DeclineReason.NO_CAPACITY)
    decline(without, DeclineReason.NO_CAPACITY)
    assert with_step.emitted[1:] == [NoProviderLeft(case_id=CASE, step_id=STEP, service_type="shelter")]
    assert len(without.emitted) == 1


@pytest.mark.parametrize("reason", [DeclineReason.NOT_ELIGIBLE, DeclineReason.CLIENT_DECLINED, DeclineReason.OTHER])
def test_for_another_reason_a_person_decides(reason: DeclineReason) -> None:
    work = Work(SECOND, referrals=(referral(SECOND),))
    assert decline(work, reason).successor is None
    assert len(work.emitted) == 1


def test_an_imported_decline_asks_nobody() -> None:
    work = Work(SECOND, referrals=(referral(SECOND),), because=HISTORY)
    assert decline(work, DeclineReason.NO_CAPACITY).successor is None
    assert len(work.emitted) == 1


def test_an_answer_to_what_was_withdrawn_changes_nothing() -> None:
    work = Work(SECOND, referrals=(replace(referral(SECOND), state=ReferralState.WITHDRAWN),))
    with pytest.raises(Conflict):
        decline(work, DeclineReason.NO_CAPACITY)
    assert work.emitted == []


def test_what_does_not_exist_is_absent() -> None:
    with pytest.raises(Absent):
        handlers.withdraw_referral(REFERRAL, asked.WithdrawReferral(reason=WithdrawReason.OTHER), Work())


def test_the_end_of_an_import_is_a_fact_and_no_aggregate() -> None:
    work = Work(because=HISTORY)
    done = handlers.complete_import(CASE, asked.CompleteImport(import_id=UUID(int=7)), work)
    assert (done.id, done.version) == (CASE, 0)
    assert work.emitted == [CaseImported(case_id=CASE, import_id=UUID(int=7))]


def requested(*candidates: Service) -> ReferralRequested:
    return ReferralRequested(case_id=CASE, step_id=STEP, service_type="shelter", candidates=tuple(each.id for each in candidates))


def agencies(work: Work) -> list[str]:
    return [event.agency for event in work.emitted if isinstance(event, ReferralOffered)]


def test_a_step_asks_those_that_its_plan_names_in_their_order() -> None:
    work = Work(SECOND, THIRD)
    handlers.offer_to_first(requested(THIRD, SECOND), work)
    assert agencies(work) == ["third-shelter"]
    assert work.referrals.all()[0].candidates == (SECOND.id,)


def test_a_step_that_names_nobody_asks_in_its_region_first() -> None:
    roomy_elsewhere = replace(ELSEWHERE, available=9)
    work = Work(roomy_elsewhere, THIRD)
    handlers.offer_to_first(requested(), work)
    assert agencies(work) == ["third-shelter"]


def test_a_case_that_is_not_known_yet_is_offered_all_the_same() -> None:
    work = Work(THIRD, ELSEWHERE, known=False)
    handlers.offer_to_first(requested(), work)
    assert len(agencies(work)) == 1
    assert len(work.referrals.all()[0].candidates) == 1


def test_where_nobody_can_be_asked_a_person_must_look() -> None:
    work = Work(KITCHEN, replace(SECOND, available=0))
    handlers.offer_to_first(requested(), work)
    assert work.emitted == [NoProviderLeft(case_id=CASE, step_id=STEP, service_type="shelter")]


def test_an_imported_step_asks_nobody() -> None:
    work = Work(SECOND, because=HISTORY)
    handlers.offer_to_first(requested(), work)
    assert work.emitted == []


def test_a_step_is_not_offered_twice_at_a_time_and_again_once_the_first_has_ended() -> None:
    first = referral()
    work = Work(SECOND, referrals=(first,))
    handlers.offer_to_first(requested(), work)
    assert work.emitted == []
    work.referrals.put(replace(first, state=ReferralState.FAILED))
    handlers.offer_to_first(requested(), work)
    assert agencies(work) == ["second-shelter"]


def test_a_step_that_asks_again_asks_those_first_who_were_not_asked_before() -> None:
    before = replace(referral(), service_id=SECOND.id, agency=SECOND.agency, state=ReferralState.DECLINED)
    work = Work(SECOND, THIRD, referrals=(before,))
    handlers.offer_to_first(requested(), work)
    assert agencies(work) == ["third-shelter"]
    assert [r.candidates for r in work.referrals.all() if r.is_open] == [(SECOND.id,)]


def test_the_same_request_makes_the_same_referral_and_another_request_another() -> None:
    def made_by(event_id: int) -> UUID:
        work = Work(SECOND, because=cause(causation_id=UUID(int=event_id)))
        handlers.offer_to_first(requested(), work)
        return work.referrals.all()[0].id

    assert made_by(11) == made_by(11)
    assert made_by(11) != made_by(12)


CLOSED = CaseClosed(case_id=CASE, outcome=CaseOutcome.GOALS_REACHED)


def test_a_closed_case_takes_its_unanswered_offers_back() -> None:
    accepted = replace(referral(), id=UUID(int=4), state=ReferralState.ACCEPTED)
    of_another = replace(referral(), id=UUID(int=5), case_id=UUID(int=50))
    work = Work(referrals=(referral(), accepted, of_another))
    handlers.withdraw_offers(CLOSED, work)
    assert work.emitted == [
        ReferralWithdrawn(case_id=CASE, referral_id=REFERRAL, agency="first-shelter", reason=WithdrawReason.CASE_CLOSED)
    ]
    assert work.referrals.get(accepted.id) == accepted


def test_a_closure_heard_late_does_not_end_the_offers_of_the_reopened_case() -> None:
    work = Work(referrals=(referral(),), because=HISTORY)
    handlers.withdraw_offers(CLOSED, work)
    assert work.emitted == []


def test_a_closure_ends_the_offer_that_followed_a_decline_in_the_meantime() -> None:
    work = Work(SECOND, referrals=(referral(SECOND),))
    decline(work, DeclineReason.NO_CAPACITY)
    work.cause = cause(recorded_at=NOON, effective_at=NOON)
    handlers.withdraw_offers(CLOSED, work)
    assert isinstance(work.emitted[-1], ReferralWithdrawn)
    assert work.emitted[-1].agency == "second-shelter"


@pytest.mark.parametrize(
    "over",
    [
        StepSkipped(case_id=CASE, step_id=STEP, reason=SkipReason.REPLACED),
        StepDone(case_id=CASE, step_id=STEP, result=StepResult.ACHIEVED),
    ],
)
def test_a_step_that_is_over_takes_its_unanswered_offers_back(over: StepSkipped | StepDone) -> None:
    of_another_step = replace(referral(step_id=UUID(int=9)), id=UUID(int=10))
    accepted = replace(referral(), id=UUID(int=11), state=ReferralState.ACCEPTED)
    work = Work(referrals=(referral(), of_another_step, accepted))
    handlers.withdraw_offers_for_step(over, work)
    [withdrawn] = work.emitted
    assert withdrawn == ReferralWithdrawn(
        case_id=CASE, referral_id=REFERRAL, agency="first-shelter", reason=WithdrawReason.NO_LONGER_NEEDED
    )
    states = {each.id: each.state for each in work.referrals.all()}
    assert states == {REFERRAL: ReferralState.WITHDRAWN, of_another_step.id: ReferralState.OFFERED, accepted.id: ReferralState.ACCEPTED}


def test_an_offer_that_was_sought_after_the_step_was_over_stays() -> None:
    work = Work(
        referrals=(replace(referral(), sought_at=NOON + timedelta(days=1)),),
        because=cause("city-hospital", recorded_at=NOON, effective_at=NOON),
    )
    handlers.withdraw_offers_for_step(StepDone(case_id=CASE, step_id=STEP, result=StepResult.ACHIEVED), work)
    assert work.emitted == []
