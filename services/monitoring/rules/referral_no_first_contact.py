"""REFERRAL_NO_FIRST_CONTACT (S45): an agency accepted a referral and has not seen the client. It answers for that itself."""

from casebus.contracts.referral import ReferralAccepted, ReferralCompleted, ReferralFailed, ReferralWithdrawn, ServiceBegun
from services.monitoring.domain.conditions import CASE_ENDS, Conditions, on
from services.monitoring.domain.rule import duty

CONDITIONS = Conditions(
    start=(on(ReferralAccepted),),
    stop=(on(ServiceBegun), on(ReferralCompleted), on(ReferralFailed)),
    cancel=(on(ReferralWithdrawn), *CASE_ENDS),
    about="referral_id",
)
REFERRAL_NO_FIRST_CONTACT = duty("REFERRAL_NO_FIRST_CONTACT", CONDITIONS, agency=lambda accepted: str(accepted.agency))
