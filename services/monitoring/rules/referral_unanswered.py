"""REFERRAL_UNANSWERED (S45, S49): an agency that a referral was offered to has not answered."""

from collections.abc import Iterator

from casebus.contracts.referral import ReferralAccepted, ReferralDeclined, ReferralOffered, ReferralWithdrawn
from services.monitoring.domain.clock import Clock
from services.monitoring.domain.fact import History
from services.monitoring.domain.policy import Policy
from services.monitoring.domain.rule import Rule

NAME = "REFERRAL_UNANSWERED"


def clocks(history: History, policy: Policy) -> Iterator[Clock]:
    """Started by ReferralOffered; stopped by acceptance or decline; ended by withdrawal or the case's closure.

    The agency that it was offered to answers for it.
    """
    for start, offered in history.of(ReferralOffered):
        due, deadline = policy.duty(NAME, start.effective, history.priority_at(start))
        one = offered.referral_id
        yield Clock(
            subject=one,
            start=start,
            due=due,
            deadline=deadline,
            agency=offered.agency,
            stops=(
                *(fact for fact, accepted in history.of(ReferralAccepted) if accepted.referral_id == one),
                *(fact for fact, declined in history.of(ReferralDeclined) if declined.referral_id == one),
            ),
            ends=(
                *(fact for fact, withdrawn in history.of(ReferralWithdrawn) if withdrawn.referral_id == one),
                *history.closures_after(start),
            ),
        )


REFERRAL_UNANSWERED = Rule(name=NAME, clocks=clocks)
