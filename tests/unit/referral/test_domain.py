"""The directory chooses, and a referral goes from state to state."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from casebus.contracts.referral import DeclineReason, ReferralOutcome, ServiceRetired, WithdrawReason
from casebus.errors import Conflict
from services.referral.domain import Referral, ReferralState, named, suitable
from tests.unit.referral.stage import referral, service

NEAR, FAR, ROOMY, FULL = (
    service("near-shelter", available=1),
    service("far-shelter", region="south", available=9),
    service("roomy-shelter", available=5),
    service("full-shelter", available=0),
)
KITCHEN = service("soup-kitchen", service_type="food")


def test_candidates_have_room_and_those_of_the_region_come_first_then_the_roomiest() -> None:
    assert suitable([NEAR, FULL, FAR, KITCHEN, ROOMY], "shelter", "north") == [ROOMY, NEAR, FAR]


def test_an_unknown_region_changes_the_order_of_candidates_and_not_who_they_are() -> None:
    assert suitable([NEAR, FULL, FAR, KITCHEN, ROOMY], "shelter", "") == [FAR, ROOMY, NEAR]


def test_who_is_named_is_asked_in_that_order_once_and_room_or_not() -> None:
    ids = [FULL.id, NEAR.id, FULL.id, KITCHEN.id, UUID(int=99)]
    assert named([NEAR, FULL, KITCHEN], ids, "shelter") == [FULL, NEAR]


def test_a_service_retires_once() -> None:
    retired, event = NEAR.retire()
    assert (retired.version, event) == (2, ServiceRetired(case_id=NEAR.id))
    with pytest.raises(Conflict):
        retired.retire()


def test_each_change_raises_the_version() -> None:
    accepted, _ = referral().accept()
    completed, said = accepted.complete(ReferralOutcome.PARTLY)
    assert (accepted.version, completed.version, completed.state) == (2, 3, ReferralState.COMPLETED)
    assert said.outcome is ReferralOutcome.PARTLY


ENDS: dict[str, Callable[[Referral], tuple[Referral, object]]] = {
    "accept": lambda r: r.accept(),
    "decline": lambda r: r.decline(DeclineReason.NOT_ELIGIBLE, successor=None),
    "begin": lambda r: r.begin(),
    "complete": lambda r: r.complete(ReferralOutcome.SERVICES_RECEIVED),
    "fail": lambda r: r.fail(ReferralOutcome.PROVIDER_FAILED),
    "withdraw": lambda r: r.withdraw(WithdrawReason.NO_LONGER_NEEDED),
}
ALLOWED = {
    ReferralState.OFFERED: {"accept", "decline", "withdraw"},
    ReferralState.ACCEPTED: {"begin", "complete", "fail", "withdraw"},
    ReferralState.IN_SERVICE: {"complete", "fail", "withdraw"},
}


@pytest.mark.parametrize("state", ReferralState)
@pytest.mark.parametrize("act", ENDS)
def test_a_referral_does_only_what_its_state_allows(state: ReferralState, act: str) -> None:
    standing = replace(referral(), state=state)
    if act in ALLOWED.get(state, set()):
        ENDS[act](standing)
    else:
        with pytest.raises(Conflict):
            ENDS[act](standing)


def test_the_successor_asks_the_same_of_the_next_and_remembers_since_when() -> None:
    first = referral(NEAR, ROOMY)
    following, offered = first.pass_on([NEAR, ROOMY])
    assert (following.id, following.version, following.attempt) == (first.next_id, 1, 2)
    assert (following.agency, following.service_id, following.candidates) == ("near-shelter", NEAR.id, (ROOMY.id,))
    assert (following.sought_at, following.step_id) == (first.sought_at, first.step_id)
    assert (offered.referral_id, offered.attempt) == (following.id, 2)


def test_only_the_offered_agency_answers_and_the_lead_may_end_what_was_accepted() -> None:
    offered = referral()
    accepted, _ = offered.accept()
    assert offered.answered_by("city-hospital") == {"first-shelter"}
    assert accepted.answered_by("city-hospital") == {"first-shelter", "city-hospital"}
    assert accepted.answered_by("") == {"first-shelter"}
