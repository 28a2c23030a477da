"""The directory's entries: listed, assured, without a licence for a time, retired; each change is told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from casebus.contracts.referral import (
    DeclineReason,
    NoProviderLeft,
    ReferralOffered,
    ServiceAssured,
    ServiceListed,
    ServiceRetired,
    ServiceTerm,
)
from casebus.envelope import Role
from casebus.errors import Conflict, Invalid
from casebus.testing import NOON, cause
from services.referral import commands as asked
from services.referral import handlers
from services.referral.api import view_service
from services.referral.domain import ServiceKind, ServiceState
from tests.unit.referral.stage import CASE, REFERRAL, STEP, Work, referral, service

TODAY = NOON.date()
EXPIRED = replace(service("second-shelter"), licence_until=TODAY - timedelta(days=1))
THIRD = service("third-shelter")


def decline(work: Work) -> None:
    handlers.decline_referral(REFERRAL, asked.DeclineReferral(reason=DeclineReason.NO_CAPACITY), work)


def test_an_entry_is_listed_assured_and_retired_and_each_is_told() -> None:
    work = Work(because=cause("first-shelter", role=Role.OPERATOR))
    room = asked.Room(available=1, maximum=4)
    command = asked.ListService(
        service_type="shelter", kind=ServiceKind.NGO, region="north", capacity=room, term=ServiceTerm.EMERGENCY, licence_until=TODAY
    )
    handlers.list_service(CASE, command, work)
    assured = handlers.assure_service(CASE, asked.AssureService(licence_until=TODAY + timedelta(days=365)), work)
    assert (assured.state, assured.version, assured.assured_on) == (ServiceState.VERIFIED, 2, TODAY)
    handlers.retire_service(CASE, asked.RetireService(), work)
    assert work.emitted == [
        ServiceListed(case_id=CASE, agency="first-shelter", region="north", service_type="shelter", term=ServiceTerm.EMERGENCY),
        ServiceAssured(case_id=CASE, term=ServiceTerm.EMERGENCY),
        ServiceRetired(case_id=CASE),
    ]
    with pytest.raises(Conflict, match="RETIRED"):
        handlers.assure_service(CASE, asked.AssureService(), work)


def test_of_an_entry_that_is_older_than_its_events_others_hear_when_somebody_makes_sure_of_it() -> None:
    old = service("first-shelter")
    work = Work(old)
    for _ in range(2):
        handlers.assure_service(old.id, asked.AssureService(), work)
    assert [type(event) for event in work.emitted] == [ServiceListed, ServiceAssured, ServiceAssured]


def test_a_licence_that_has_run_out_suspends_an_entry_until_it_is_given_anew() -> None:
    assert view_service(EXPIRED, TODAY)["state"] == "SUSPENDED"
    assert view_service(EXPIRED, TODAY - timedelta(days=1))["state"] == "LISTED"
    work = Work(EXPIRED)
    with pytest.raises(Invalid) as refused:
        handlers.assure_service(EXPIRED.id, asked.AssureService(), work)
    assert [fix.field for fix in refused.value.fixes] == ["licence_until"]
    handlers.assure_service(EXPIRED.id, asked.AssureService(licence_until=TODAY), work)
    assert len(work.listed()) == 1


def test_a_suspended_entry_is_not_offered_by_name() -> None:
    command = asked.OfferReferral(case_id=CASE, service_type="shelter", service_id=EXPIRED.id, step_id=STEP)
    with pytest.raises(Invalid) as refused:
        handlers.offer_referral(REFERRAL, command, Work(EXPIRED, THIRD))
    assert [fix.field for fix in refused.value.fixes] == ["service_id"]


def test_the_next_candidate_is_passed_over_while_its_entry_is_suspended() -> None:
    work = Work(EXPIRED, THIRD, referrals=(referral(EXPIRED, THIRD),))
    decline(work)
    assert [event.agency for event in work.emitted if isinstance(event, ReferralOffered)] == ["third-shelter"]
    alone = Work(EXPIRED, referrals=(referral(EXPIRED),))
    decline(alone)
    assert isinstance(alone.emitted[-1], NoProviderLeft)
