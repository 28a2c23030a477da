"""What monitoring counts and measures beside what every service does (casebus/metrics.py)."""

from casebus.metrics import counter, gauge, histogram

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
BLIND = gauge(
    "continuum_blind",
    "1 where monitoring has said that it is blind for this owner.",
    "1: no clock is decided.",
    owner="which service; system-time where the servers' clocks have jumped ahead",
)
LATENESS = histogram(
    "continuum_clock_lateness_seconds",
    "System time from the moment for which a case was to be looked at to a decision about it. Imported history is not in it.",
    "p99 above a minute: the worker or a watermark is behind. Where system time is stepped, it shows the steps.",
    (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 86400.0),
)
CLOCKS_ARMED = gauge(
    "continuum_clocks_armed",
    "Cases with a moment to be looked at. Above 10,000 as PostgreSQL's statistics have it.",
    "What is due after an outage can be as many.",
)
CLOCKS_DUE = gauge(
    "continuum_clocks_due",
    "Cases whose moment has come and that nothing holds, up to 10,000.",
    "Doesn't fall: the clock worker stands still or is behind.",
)
OPEN_ALERTS = gauge(
    "continuum_alerts_open",
    "Alerts that nobody has resolved, up to 10,000 of each rule and rung.",
    "COORDINATOR rises: agencies don't answer theirs.",
    rule=_RULE,
    rung="WORKER, SUPERVISOR, MANAGER, COORDINATOR, DUTY_AUTHORITY",
)
UNREACHABLE = counter(
    "continuum_notifications_unreachable_total",
    "People, or places told as a whole, that an alert should tell and that have no contact point, or none that is not disabled.",
    "Rises where nobody reads the board: they should say how they are reached.",
)
OUTCOMES = ("SENT", "FAILED", "DEAD", "DROPPED")
DELIVERIES = counter(
    "continuum_notification_attempts_total",
    "Attempts to deliver a message, by what became of them.",
    "FAILED of one channel only: its server is away; DEAD: section of the runbook, a message didn't go out.",
    channel="EMAIL, WEBHOOK, APPRISE",
    outcome=", ".join(OUTCOMES),
)
NOTIFICATIONS = gauge(
    "continuum_notifications",
    "What people are still to be told: WAITING for their time, QUEUED messages, and DEAD ones, up to 10,000 each.",
    "DEAD: the runbook says how they are sent again.",
    state="WAITING, QUEUED, DEAD",
)
NOTIFICATION_OLDEST = gauge(
    "continuum_notification_oldest_seconds",
    "For how long the oldest message waits that could go out now, in real time: those that wait to be tried again are not in it.",
    "Above 300: nobody delivers, or too slowly.",
)
