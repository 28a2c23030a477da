"""REFERRAL_UNANSWERED (S45, S49): an agency that a referral was offered to has not answered. It answers for that itself."""

from casebus.contracts.referral import ReferralAccepted, ReferralDeclined, ReferralOffered, ReferralWithdrawn
from services.monitoring.domain.conditions import CASE_ENDS, Conditions, on
from services.monitoring.domain.rule import duty

CONDITIONS = Conditions(
    start=(on(ReferralOffered),),
    stop=(on(ReferralAccepted), on(ReferralDeclined)),
    cancel=(on(ReferralWithdrawn), *CASE_ENDS),
    about="referral_id",
)
REFERRAL_UNANSWERED = duty("REFERRAL_UNANSWERED", CONDITIONS, agency=lambda offered: str(offered.agency))
