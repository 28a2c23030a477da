"""Fault 12, the second half: referral's relay is stuck for a minute (SIGSTOP), while offers come due that were accepted in time.

Monitoring can't know that they were. It says so once (MONITORING_BLIND), accuses nobody meanwhile, and decides rightly once it wakes.
"""

import random
import time
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text

from tests.faults import checker, store
from tests.faults.driver import AGENCIES, Ledger, Load, Story, Teller
from tests.faults.ground import Ground, Platform
from tests.faults.nemesis import Nemesis
from tests.faults.outcome import Outcome
from tests.waiting import until

OFFERS = 40
STUCK_SECONDS = 60.0
OWNER = "referral"
RULE = "REFERRAL_UNANSWERED"
Offer = tuple[UUID, UUID, str]
"""A case, its offer, and whom it was made to."""


def stuck_relay(ground: Ground, seed: int, short: bool) -> Outcome:  # noqa: FBT001  # the signature of every fault
    with ground.platform() as platform:
        nemesis, ledger = Nemesis(platform, random.Random(seed)), Ledger()
        platform.end(platform.run.child(OWNER))
        platform.start(OWNER, "--only", "api")
        platform.also(OWNER, "consumer")
        relay = platform.also(OWNER, "relay")
        teller = Teller(platform, ledger)
        offers = [_offer(platform, teller, ledger, nemesis.dice) for _ in range(OFFERS)]
        checker.drain(platform)
        with nemesis.frozen(relay):
            _come_due(platform, teller, ledger, offers, 0.0 if short else STUCK_SECONDS)
            accused = _raised(platform)
        found = checker.check(platform, ledger)
        found.add("false_alerts", "alert about an offer while monitoring was blind", accused)
        blind = _went_blind(platform)
        found.add("missing_alerts", "MONITORING_BLIND", int(OWNER not in blind))
        found.add("duplicated", f"MONITORING_BLIND, of {blind}", max(0, len(blind) - 1))
        teller.close()
    return found.outcome("stuck-relay", struck=nemesis.struck, ledger=ledger)


def _offer(platform: Platform, teller: Teller, ledger: Ledger, dice: random.Random) -> Offer:
    """One case of one agency, offered to another."""
    lead, taker = dice.sample(AGENCIES, 2)
    case = Story(teller, Load(platform, 0, ledger=ledger), dice).begin(lead)
    body = {"case_id": str(case), "service_type": "housing", "agency": taker}
    offered = teller.tell(lead, OWNER, "/referrals", body, "ReferralOffered", case=case, **{"Case-Seen": "intake=3"})
    return case, UUID(offered["id"]), taker


def _come_due(platform: Platform, teller: Teller, ledger: Ledger, offers: list[Offer], seconds: float) -> None:
    """An hour before they are due half of them are accepted; then it is an hour later than that, and monitoring sees that it is blind."""
    begun = time.monotonic()
    platform.clock.step(platform.clock.now() + timedelta(hours=3))
    for case, offer, taker in offers[::2]:
        headers = {"If-Match": '"1"', "Case-Seen": "intake=3"}
        teller.tell(taker, OWNER, f"/referrals/{offer}/acceptance", {}, "ReferralAccepted", case=case, **headers)
        ledger.holders[case].append(taker)
    platform.clock.step(platform.clock.now() + timedelta(hours=2))
    until(lambda: _went_blind(platform), 120)
    time.sleep(max(0.0, begun + seconds - time.monotonic()))


def _went_blind(platform: Platform) -> list[str]:
    """The owners that monitoring named, each time that it did."""
    rows = [row for row in store.outbox(platform.engines["monitoring"]) if row.type == "monitoring.MonitoringWentBlind"]
    return [str(event.says["owner"]) for event in store.stated(rows)]


def _raised(platform: Platform) -> int:
    with platform.engines["monitoring"].connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM own.alert WHERE rule = :rule"), {"rule": RULE}).scalar_one())
