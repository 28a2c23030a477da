"""REFERRAL_UNANSWERED: to be answered in 2 days, a day of grace; the agency that was asked answers for it."""

import pytest

from casebus.contracts.monitoring import AlertAutoCleared, AlertRaised, AlertResolved
from casebus.contracts.referral import DeclineReason, ReferralDeclined, ReferralWithdrawn, WithdrawReason
from tests.unit.monitoring.story import CASE, PARTNER, Story, day, some


def offered() -> Story:
    """Offered on day 1: due on day 3, missed after day 4."""
    story = Story()
    story.offer("first", day(1))
    return story


def test_an_offer_without_an_answer_tells_the_agency_that_was_asked() -> None:
    assert offered().said(day(4)) == []
    [raised] = offered().said(day(4.1))
    assert isinstance(raised, AlertRaised)
    assert (raised.rule, raised.subject_id, raised.due_at) == ("REFERRAL_UNANSWERED", some("first"), day(3))
    assert (raised.agency, raised.target_agency) == (PARTNER, PARTNER)


@pytest.mark.parametrize("answer", ["acceptance", "decline", "withdrawal", "closure"])
def test_any_answer_in_time_is_one_and_so_is_its_end(answer: str) -> None:
    story = offered()
    one = {"case_id": CASE, "referral_id": some("first"), "agency": PARTNER}
    match answer:
        case "acceptance":
            story.accept("first", day(4))
        case "decline":
            story.tell(ReferralDeclined(**one, step_id=None, reason=DeclineReason.NO_CAPACITY, successor=None), day(4))  # type: ignore[arg-type]  # as typed above
        case "withdrawal":
            story.tell(ReferralWithdrawn(**one, reason=WithdrawReason.NO_LONGER_NEEDED), day(4))  # type: ignore[arg-type]  # as typed above
        case _:
            story.close(day(4))
    assert story.said(day(20)) == []


def test_a_late_answer_resolves_its_alert() -> None:
    story = offered()
    story.accept("first", day(6))
    assert [type(event) for event in story.said(day(7))] == [AlertRaised, AlertResolved]


def test_a_late_closure_clears_its_alert() -> None:
    story = offered()
    story.close(day(6))
    assert [type(event) for event in story.said(day(7))] == [AlertRaised, AlertAutoCleared]


def test_each_offer_has_its_own_clock() -> None:
    story = offered()
    story.offer("second", day(2), to="east-school")
    story.accept("first", day(3))
    [raised] = story.said(day(6))
    assert isinstance(raised, AlertRaised)
    assert raised.agency == "east-school"
