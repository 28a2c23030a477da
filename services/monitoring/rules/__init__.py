"""The alert rules, one a file. A new rule is a new file, its name here, and its times in the policy files."""

from services.monitoring.rules.assessments import ASSESSMENT_OVERDUE, REASSESSMENT_DUE
from services.monitoring.rules.closure_blocked import CLOSURE_BLOCKED
from services.monitoring.rules.consent_expiring import CONSENT_EXPIRING
from services.monitoring.rules.duplicate_service import DUPLICATE_SERVICE
from services.monitoring.rules.emergency_access_unreviewed import EMERGENCY_ACCESS_UNREVIEWED
from services.monitoring.rules.first_contact_overdue import FIRST_CONTACT_OVERDUE
from services.monitoring.rules.handover_pending import HANDOVER_PENDING
from services.monitoring.rules.intake_overdue import INTAKE_OVERDUE
from services.monitoring.rules.lost_contact import LOST_CONTACT
from services.monitoring.rules.missed_follow_up import MISSED_FOLLOW_UP
from services.monitoring.rules.no_provider_left import NO_PROVIDER_LEFT
from services.monitoring.rules.ping_pong import PING_PONG
from services.monitoring.rules.plan_overdue import PLAN_OVERDUE
from services.monitoring.rules.referral_no_first_contact import REFERRAL_NO_FIRST_CONTACT
from services.monitoring.rules.referral_unanswered import REFERRAL_UNANSWERED
from services.monitoring.rules.resistance_unreviewed import RESISTANCE_UNREVIEWED
from services.monitoring.rules.resource_stale import RESOURCE_STALE
from services.monitoring.rules.stalled_case import STALLED_CASE
from services.monitoring.rules.step_overdue import STEP_OVERDUE
from services.monitoring.rules.unassigned import UNASSIGNED
from services.monitoring.rules.unowned_need import UNOWNED_NEED

RULES = (
    INTAKE_OVERDUE,
    UNASSIGNED,
    FIRST_CONTACT_OVERDUE,
    STALLED_CASE,
    PING_PONG,
    MISSED_FOLLOW_UP,
    STEP_OVERDUE,
    REFERRAL_UNANSWERED,
    REFERRAL_NO_FIRST_CONTACT,
    NO_PROVIDER_LEFT,
    ASSESSMENT_OVERDUE,
    REASSESSMENT_DUE,
    PLAN_OVERDUE,
    HANDOVER_PENDING,
    CONSENT_EXPIRING,
    DUPLICATE_SERVICE,
    UNOWNED_NEED,
    RESOURCE_STALE,
    LOST_CONTACT,
    RESISTANCE_UNREVIEWED,
    CLOSURE_BLOCKED,
    EMERGENCY_ACCESS_UNREVIEWED,
)
"""In the order of domain.md."""
