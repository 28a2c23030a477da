"""kill -9 of every service while commands go on: nothing that was answered is lost, nothing happens twice."""

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from uuid import uuid4

import httpx
import pytest

from casebus.envelope import Role
from continuum.stack import SERVICES
from tests.e2e.conftest import Person, Platform
from tests.waiting import until

STRIKES = 6
MOST = 2000
"""Cases, so that the load ends whatever happens."""
AGENCIES = ("kill-a", "kill-b", "kill-c", "kill-d")


def persistently(
    who: Person, service: str, path: str, body: Mapping[str, object], *, version: int | None = None, seen: str = ""
) -> httpx.Response:
    """The command's answer, asked with one key until the service that was killed is there again."""
    key, answers = str(uuid4()), []

    def answered() -> bool:
        try:
            answers.append(who.tell(service, path, body, version=version, seen=seen, key=key))
        except httpx.TransportError:
            return False
        return answers[-1].status_code < 500

    until(answered, 60)
    return answers[-1]


def one_case(platform: Platform, number: int) -> tuple[str, list[str]]:
    """A case that goes through two agencies; the agencies that held it."""
    dice = random.Random(number)
    lead, *chain = dice.sample(AGENCIES, 3)
    who = platform.person(lead, region="killed")
    case = persistently(who, "intake", "/cases", {"region": "killed", "source": "CLIENT"})
    case_id = str(case.json()["id"])
    persistently(who, "intake", f"/cases/{case_id}/triage", {"priority": "LOW", "nature": "HOUSING"}, version=1)
    opened = persistently(who, "intake", f"/cases/{case_id}/opening", {}, version=2)
    for taker in chain:
        body = {"case_id": case_id, "service_type": "housing", "agency": taker}
        offer = persistently(who, "referral", "/referrals", body, seen=opened.headers["Case-Seen"])
        assert offer.status_code == 201, offer.text
        taken = persistently(
            platform.person(taker, region="killed"), "referral", f"/referrals/{offer.json()['id']}/acceptance", {}, version=1
        )
        assert taken.status_code == 200, taken.text
    return case_id, [lead, *chain]


@pytest.mark.parametrize("seed", [20261122])
def test_nothing_is_lost_or_doubled_when_services_are_killed(platform: Platform, seed: int) -> None:
    dice, numbers, struck = random.Random(seed), iter(range(MOST)), threading.Event()
    coordinator = platform.person("regional-office", Role.COORDINATOR, region="killed")

    def load() -> dict[str, list[str]]:
        told = {}
        while not struck.is_set() and (number := next(numbers, None)) is not None:
            case_id, chain = one_case(platform, number)
            told[case_id] = chain
        return told

    with ThreadPoolExecutor(8) as pool:
        loads = [pool.submit(load) for _ in range(8)]
        try:
            for name in (*SERVICES, *dice.choices(SERVICES, k=STRIKES - len(SERVICES))):
                os.kill(platform.run.child(name).pid, signal.SIGKILL)
                assert until(lambda: platform.run.mend(1.0), 20) == name
                until(lambda name=name: httpx_ready(platform.run.urls[name]), 30)  # type: ignore[misc]  # bound at once
                assert not any(each.done() for each in loads), "the load ended before the fault struck"
        finally:
            struck.set()
        held = {case_id: chain for each in loads for case_id, chain in each.result().items()}
    expected = Counter((a, b) for chain in held.values() for a, b in pairwise(chain))

    def flow() -> Counter[tuple[str, str]]:
        return Counter({(c["from"], c["to"]): c["count"] for c in coordinator.ask("monitoring", "/board").json()["flow"]["cells"]})

    until(lambda: flow() == expected, 60)
    board = coordinator.ask("monitoring", "/board").json()
    assert board["cases"]["total"] == len(held)
    assert (board["parked"], board["quarantined"], board["held"]) == (0, 0, 0)


def httpx_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
