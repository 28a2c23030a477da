"""What the client agrees to: given for a purpose, an agency and a time; given anew; withdrawn."""

from datetime import date, timedelta
from uuid import UUID

import pytest

from casebus.contracts.intake import ConsentGiven, ConsentPurpose, ConsentSuperseded, ConsentWithdrawn
from casebus.errors import Conflict, Invalid
from casebus.testing import NOON
from services.intake import commands as asked
from services.intake import handlers
from services.intake.domain import ConsentState
from tests.unit.intake.fake import CASE, PARTNER, FakeWork, opened

TODAY = NOON.date()
FIRST, SECOND = UUID(int=1), UUID(int=2)
REFERRAL = ConsentPurpose.REFERRAL


def give(
    work: FakeWork, one: UUID = FIRST, *, purpose: ConsentPurpose = REFERRAL, recipient: str = PARTNER, until_on: date | None = None
) -> None:
    until_on = until_on or TODAY + timedelta(days=90)
    command = asked.GiveConsent(consent_id=one, purpose=purpose, recipient=recipient, from_on=TODAY, until_on=until_on)
    handlers.give_consent(CASE, command, work)


def withdraw(work: FakeWork, one: UUID = FIRST) -> None:
    handlers.withdraw_consent(CASE, asked.WithdrawConsent(consent_id=one), work)


def states(work: FakeWork) -> list[ConsentState]:
    return [each.state for each in work.case().consents]


def test_a_consent_is_given_for_a_time_and_withdrawn() -> None:
    work = opened()
    give(work)
    until_on = TODAY + timedelta(days=90)
    given = ConsentGiven(case_id=CASE, consent_id=FIRST, purpose=REFERRAL, recipient=PARTNER, from_on=TODAY, until_on=until_on)
    assert work.said() == [given]
    withdraw(work)
    assert work.said() == [ConsentWithdrawn(case_id=CASE, consent_id=FIRST)]
    assert states(work) == [ConsentState.WITHDRAWN]
    with pytest.raises(Conflict, match="WITHDRAWN"):
        withdraw(work)


def test_another_one_for_the_same_purpose_and_agency_takes_its_place() -> None:
    work = opened()
    give(work)
    give(work, UUID(int=3), recipient="other-office")
    give(work, UUID(int=4), purpose=ConsentPurpose.ASSESSMENT)
    work.said()
    give(work, SECOND)
    superseded, given = work.said()
    assert superseded == ConsentSuperseded(case_id=CASE, consent_id=FIRST, successor=SECOND)
    assert isinstance(given, ConsentGiven)
    assert states(work) == [ConsentState.SUPERSEDED, ConsentState.GIVEN, ConsentState.GIVEN, ConsentState.GIVEN]


def test_what_is_over_before_it_begins_or_not_there_is_refused() -> None:
    work = opened()
    with pytest.raises(Invalid) as refused:
        give(work, until_on=TODAY - timedelta(days=1))
    assert [fix.field for fix in refused.value.fixes] == ["until_on"]
    with pytest.raises(Invalid, match="no such consent"):
        withdraw(work)
    give(work)
    with pytest.raises(Conflict, match="already"):
        give(work)
