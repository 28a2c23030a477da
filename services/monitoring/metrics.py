"""What monitoring counts and measures beside what every service does (casebus/metrics.py)."""

from casebus.metrics import counter, gauge

_RULE = "the rule's name, or FOLLOW_UP"

DECISIONS = counter(
    "continuum_alerts_total",
    "What the clock worker decided, by the event that it stated.",
    "Many at once: an outage of an agency's system, or of ours; the board says which.",
    rule=_RULE,
    decision="AlertRaised, AlertEscalated, AlertResolved, AlertAutoCleared, FollowUpMissed, FollowUpMadeUp",
)
WATERMARK_AGE = gauge(
    "continuum_watermark_age_seconds",
    "System time less the moment up to which everything that the owner recorded is applied here.",
    "Above 10 s: what comes due is not decided; above 30 s monitoring calls itself blind.",
    owner="the service whose events are read",
    reader="the service that reads them: monitoring",
)
