"""The lead of a case is handed over: at no moment has it none, or two."""

import pytest

from casebus.contracts.intake import LeadHandedOver, LeadHandoverProposed, LeadHandoverRejected, ParticipantRole
from casebus.errors import Conflict
from services.intake import commands as asked
from services.intake import handlers
from services.intake.domain import Case, PartState
from tests.unit.intake.fake import CASE, LEAD, PARTNER, FakeWork, opened

THIRD = "town-school"


def proposed() -> FakeWork:
    work = opened()
    handlers.propose_lead(CASE, asked.ProposeLead(to_agency=PARTNER), work)
    work.said()
    return work


def leads(case: Case) -> list[str]:
    return [agency for agency, part in case.parts.items() if part.role is ParticipantRole.LEAD and part.state is PartState.ACTIVE]


def test_the_lead_keeps_its_duty_while_the_other_agency_thinks() -> None:
    work = opened()
    handlers.propose_lead(CASE, asked.ProposeLead(to_agency=PARTNER), work)
    assert work.said() == [LeadHandoverProposed(case_id=CASE, from_agency=LEAD, to_agency=PARTNER)]
    case = work.case()
    assert (case.lead, case.lead_epoch, leads(case)) == (LEAD, 1, [LEAD])
    assert case.standing().asked == {PARTNER}


def test_an_accepted_lead_passes_over_at_once_and_raises_the_epoch() -> None:
    work = proposed()
    before = work.case().version
    handlers.accept_lead(CASE, asked.AcceptLead(), work.acting_as(PARTNER))
    assert work.said() == [LeadHandedOver(case_id=CASE, from_agency=LEAD, to_agency=PARTNER, lead_epoch=2)]
    case = work.case()
    assert (case.lead, case.lead_epoch, leads(case), case.version) == (PARTNER, 2, [PARTNER], before + 1)
    assert case.standing().active == {LEAD, PARTNER}


def test_the_agency_that_led_goes_on_as_co_manager_and_may_then_leave() -> None:
    work = proposed()
    handlers.accept_lead(CASE, asked.AcceptLead(), work.acting_as(PARTNER))
    assert work.case().parts[LEAD].role is ParticipantRole.CO_MANAGER
    handlers.leave_case(CASE, asked.LeaveCase(), work.acting_as(LEAD))
    assert work.case().standing().active == {PARTNER}


def test_a_rejected_lead_stays_where_it_is_and_may_be_proposed_again() -> None:
    work = proposed()
    handlers.reject_lead(CASE, asked.RejectLead(), work.acting_as(PARTNER))
    assert work.said() == [LeadHandoverRejected(case_id=CASE, from_agency=LEAD, to_agency=PARTNER)]
    handlers.propose_lead(CASE, asked.ProposeLead(to_agency=THIRD), work.acting_as(LEAD))
    assert (work.case().lead, work.case().proposed_lead) == (LEAD, THIRD)


def test_the_lead_is_proposed_to_one_agency_at_a_time() -> None:
    with pytest.raises(Conflict):
        handlers.propose_lead(CASE, asked.ProposeLead(to_agency=THIRD), proposed())


def test_the_lead_is_not_proposed_to_the_agency_that_has_it() -> None:
    with pytest.raises(Conflict):
        handlers.propose_lead(CASE, asked.ProposeLead(to_agency=LEAD), opened())


def test_only_the_agency_that_was_asked_answers() -> None:
    with pytest.raises(Conflict):
        handlers.accept_lead(CASE, asked.AcceptLead(), proposed().acting_as(THIRD))
    with pytest.raises(Conflict):
        handlers.reject_lead(CASE, asked.RejectLead(), proposed().acting_as(THIRD))


def test_of_two_acceptances_one_counts() -> None:
    work = proposed().acting_as(PARTNER)
    handlers.accept_lead(CASE, asked.AcceptLead(), work)
    with pytest.raises(Conflict):
        handlers.accept_lead(CASE, asked.AcceptLead(), work)
