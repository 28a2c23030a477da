"""Duties that last seconds, so that a run of minutes holds a hundred thousand deadlines; and monitoring as a process with them."""

from dataclasses import replace
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from casebus.assembly import Blueprint, run
from services.monitoring.domain.calendar import Calendar, Duration
from services.monitoring.domain.policy import Policy
from services.monitoring.main import blueprint
from services.monitoring.policies import Policies
from services.monitoring.settings import Settings
from tests.policies import watching

OFFER, FOLLOW_UP, STALL = timedelta(seconds=5), timedelta(seconds=6), timedelta(seconds=7)
"""How long an offer may wait, until the first follow-up, and how long a case may stand still."""
PROGRESS = frozenset({"planning.StepDone", "referral.ReferralAccepted", "monitoring.ContactRecorded"})


class Seconds(Calendar):
    """Every span counts seconds, whatever its unit."""

    def add(self, moment: datetime, span: Duration) -> datetime:
        return moment + timedelta(seconds=span.count)


POLICY: Policy = TypeAdapter(Policy).validate_python(
    watching(
        {
            "policy": "seconds",
            "version": "1",
            "region": "*",
            "calendar": Seconds(zone="UTC", country="GB", subdivision="ENG"),
            "follow_up": {"intervals": [f"{FOLLOW_UP.seconds}h"], "grace": "0h"},
            "duties": {
                "REFERRAL_UNANSWERED": {"within": f"{OFFER.seconds}h", "grace": "0h"},
                "STALLED_CASE": {"within": f"{STALL.seconds}h", "grace": "0h"},
            },
            "progress": sorted(PROGRESS),
            "ladder": {"WORKER": "9999h", "SUPERVISOR": "9999h"},
        },
        "MISSED_FOLLOW_UP",
        "REFERRAL_UNANSWERED",
        "STALLED_CASE",
    )
)
POLICIES = Policies({"*": POLICY})


def monitoring(name: str = "monitoring", tick_seconds: float = 0.1) -> Blueprint:
    """Monitoring with these duties; under another name it is a reader of its own, with its own consumer groups and nothing to send."""
    return replace(blueprint(POLICIES, tick_seconds), name=name)


if __name__ == "__main__":
    run(lambda settings: monitoring(tick_seconds=settings.tick_seconds), Settings)
