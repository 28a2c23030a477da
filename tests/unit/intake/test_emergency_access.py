"""In an emergency a case is opened to one person for some hours, and another person looks at it afterwards."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from pydantic import ValidationError

from casebus.access import Emergency
from casebus.contracts.intake import EmergencyAccessGranted, EmergencyAccessReviewed, ReviewResult
from casebus.envelope import Role
from casebus.errors import Conflict, Forbidden, Invalid
from casebus.sharing import SHARING, Sharing
from casebus.testing import NOON, MemoryShelf, MemoryWork, cause
from services.intake import commands as asked
from services.intake import handlers
from services.intake.api import view
from tests.unit.intake.fake import CASE, LEAD, FakeWork, opened

WORDS = "The client stands at our door at night, hurt."
UNTIL = NOON + timedelta(hours=3)


def granted(minutes: int = 180) -> FakeWork:
    """Somebody of a shelter that takes no part in the case."""
    work = opened().acting_as("night-shelter")
    handlers.open_in_emergency(CASE, asked.OpenInEmergency(words=WORDS, minutes=minutes), work)
    return work


def review(work: FakeWork, access_id: UUID, *, actor: str = "actor-2", role: Role = Role.SUPERVISOR) -> None:
    work.cause = replace(cause(LEAD, role=role), actor=actor)
    handlers.review_access(CASE, asked.ReviewAccess(access_id=access_id, result=ReviewResult.JUSTIFIED), work)


def test_it_opens_the_case_for_three_hours_and_the_words_are_in_no_event_and_no_view_of_the_case() -> None:
    work = granted()
    [event] = work.said()
    [access] = work.case().accesses
    assert event == EmergencyAccessGranted(case_id=CASE, access_id=access.id, agency="night-shelter", actor="actor-1", until=UNTIL)
    assert access.words == WORDS
    assert WORDS not in str(view(work.case()))
    assert work.case().standing().emergencies == (Emergency(agency="night-shelter", actor="actor-1", until=UNTIL),)


def test_the_other_services_learn_for_whom_and_until_when() -> None:
    class Copies(MemoryWork):
        sharing = MemoryShelf(Sharing(id=CASE, region="north", lead=LEAD, active=frozenset({LEAD})))

    [event] = granted().said()
    SHARING[type(event)](event, copies := Copies())
    shared = copies.sharing.get(CASE)
    assert shared is not None
    assert shared.standing().emergencies == (Emergency(agency="night-shelter", actor="actor-1", until=UNTIL),)


def test_another_person_reviews_it_once() -> None:
    work = granted()
    work.said()
    [access] = work.case().accesses
    with pytest.raises(Forbidden, match="supervisor"):
        review(work, access.id, role=Role.WORKER)
    with pytest.raises(Conflict, match="Somebody else"):
        review(work, access.id, actor="actor-1")
    with pytest.raises(Invalid, match="no such access"):
        review(work, CASE)
    review(work, access.id)
    assert work.said() == [EmergencyAccessReviewed(case_id=CASE, access_id=access.id, result=ReviewResult.JUSTIFIED)]
    with pytest.raises(Conflict, match="already"):
        review(work, access.id)


def test_who_can_read_the_case_needs_no_emergency() -> None:
    with pytest.raises(Conflict, match="takes part"):
        handlers.open_in_emergency(CASE, asked.OpenInEmergency(words=WORDS), opened())
    work = granted(minutes=30)
    with pytest.raises(Conflict, match="until it ends"):
        handlers.open_in_emergency(CASE, asked.OpenInEmergency(words=WORDS), work)
    work.now = NOON + timedelta(minutes=30)
    handlers.open_in_emergency(CASE, asked.OpenInEmergency(words=WORDS), work)
    first, second = work.case().accesses
    assert first.id != second.id


@pytest.mark.parametrize(
    "body", [{"words": "help"}, {"words": " " * 40}, {"words": WORDS, "minutes": 181}, {"words": WORDS, "minutes": 0}, {}]
)
def test_it_needs_words_and_an_end(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        asked.OpenInEmergency.model_validate(body)
