"""Agencies are invited to a case, join it, decline and leave."""

from uuid import UUID

import pytest

from casebus.contracts.intake import (
    AgencyDeclinedInvitation,
    AgencyInvited,
    AgencyJoined,
    AgencyLeft,
    DeclineReason,
    ParticipantRole,
)
from casebus.contracts.referral import ReferralAccepted
from casebus.errors import Conflict
from services.intake import commands as asked
from services.intake import handlers
from tests.unit.intake.fake import CASE, LEAD, PARTNER, FakeWork, opened, triaged


def invited(role: ParticipantRole = ParticipantRole.CO_MANAGER) -> FakeWork:
    work = opened()
    handlers.invite_agency(CASE, asked.InviteAgency(agency=PARTNER, role=role), work)
    work.said()
    return work


def joined() -> FakeWork:
    work = invited()
    handlers.join_case(CASE, asked.JoinCase(), work.acting_as(PARTNER))
    work.said()
    return work


def test_an_invited_agency_may_answer_but_takes_no_part_yet() -> None:
    work = opened()
    handlers.invite_agency(CASE, asked.InviteAgency(agency=PARTNER, role=ParticipantRole.OBSERVER), work)
    assert work.said() == [AgencyInvited(case_id=CASE, agency=PARTNER, role=ParticipantRole.OBSERVER)]
    standing = work.case().standing()
    assert (standing.active, standing.asked) == (frozenset({LEAD}), frozenset({PARTNER}))


def test_an_agency_that_joins_takes_part_in_the_role_it_was_invited_to() -> None:
    work = invited()
    handlers.join_case(CASE, asked.JoinCase(), work.acting_as(PARTNER))
    assert work.said() == [AgencyJoined(case_id=CASE, agency=PARTNER, role=ParticipantRole.CO_MANAGER)]
    standing = work.case().standing()
    assert (standing.active, standing.asked) == (frozenset({LEAD, PARTNER}), frozenset())


def test_an_agency_that_declines_may_be_invited_again() -> None:
    work = invited()
    handlers.decline_invitation(CASE, asked.DeclineInvitation(), work.acting_as(PARTNER))
    assert work.said() == [AgencyDeclinedInvitation(case_id=CASE, agency=PARTNER)]
    with pytest.raises(Conflict):
        handlers.join_case(CASE, asked.JoinCase(), work)
    handlers.invite_agency(CASE, asked.InviteAgency(agency=PARTNER, role=ParticipantRole.PROVIDER), work.acting_as(LEAD))
    assert work.case().standing().asked == {PARTNER}


def test_nobody_joins_without_an_invitation() -> None:
    with pytest.raises(Conflict):
        handlers.join_case(CASE, asked.JoinCase(), opened().acting_as(PARTNER))
    with pytest.raises(Conflict):
        handlers.decline_invitation(CASE, asked.DeclineInvitation(), opened().acting_as(PARTNER))


@pytest.mark.parametrize("work", [invited(), joined()])
def test_an_agency_is_invited_once(work: FakeWork) -> None:
    with pytest.raises(Conflict):
        handlers.invite_agency(CASE, asked.InviteAgency(agency=PARTNER, role=ParticipantRole.OBSERVER), work.acting_as(LEAD))


def test_nobody_is_invited_to_lead() -> None:
    with pytest.raises(Conflict):
        handlers.invite_agency(CASE, asked.InviteAgency(agency=PARTNER, role=ParticipantRole.LEAD), opened())


def test_nobody_is_invited_to_a_case_that_was_declined() -> None:
    work = triaged()
    handlers.decline_case(CASE, asked.DeclineCase(reason=DeclineReason.DUPLICATE), work)
    with pytest.raises(Conflict):
        handlers.invite_agency(CASE, asked.InviteAgency(agency=PARTNER, role=ParticipantRole.PROVIDER), work)


def test_an_agency_leaves_but_the_lead_does_not() -> None:
    work = joined()
    handlers.leave_case(CASE, asked.LeaveCase(), work)
    assert work.said() == [AgencyLeft(case_id=CASE, agency=PARTNER)]
    assert work.case().standing().active == {LEAD}
    with pytest.raises(Conflict):
        handlers.leave_case(CASE, asked.LeaveCase(), work.acting_as(LEAD))


ACCEPTED = ReferralAccepted(case_id=CASE, referral_id=UUID(int=1), agency=PARTNER)


def test_an_agency_that_accepts_a_referral_takes_part_as_provider() -> None:
    work = opened()
    handlers.join_provider(ACCEPTED, work)
    handlers.join_provider(ACCEPTED, work)
    assert work.said() == [AgencyJoined(case_id=CASE, agency=PARTNER, role=ParticipantRole.PROVIDER)]
    assert work.case().standing().active == {LEAD, PARTNER}


def test_an_agency_that_left_takes_part_again_when_it_accepts_a_referral() -> None:
    work = joined()
    handlers.leave_case(CASE, asked.LeaveCase(), work)
    handlers.join_provider(ACCEPTED, work)
    assert work.case().standing().active == {LEAD, PARTNER}


def test_an_agency_that_takes_part_keeps_its_role_when_it_accepts_a_referral() -> None:
    work = joined()
    handlers.join_provider(ACCEPTED, work)
    assert work.said() == []
    assert work.case().parts[PARTNER].role is ParticipantRole.CO_MANAGER
