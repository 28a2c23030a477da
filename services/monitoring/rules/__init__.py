"""The alert rules, one a file. A new rule is a new file, its name here, and its times in the policy files."""

from services.monitoring.rules.missed_follow_up import MISSED_FOLLOW_UP
from services.monitoring.rules.referral_unanswered import REFERRAL_UNANSWERED
from services.monitoring.rules.stalled_case import STALLED_CASE

RULES = (MISSED_FOLLOW_UP, REFERRAL_UNANSWERED, STALLED_CASE)
