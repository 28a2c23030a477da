"""Fault 14: three workers of a service share the partitions, and one of them is killed (SIGKILL), again and again.

The workers are the service's whole process and two more with its consumers alone. A strike counts when the group had three members with
partitions before it, and afterwards the two that are left had all of them. Every case keeps its order, whoever reads it.
"""

import random
import signal
from collections import Counter
from concurrent.futures import TimeoutError as NoAnswer

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from casebus.membership import LONGER_THAN_WE_WAIT
from continuum.local.process import Child
from tests.faults import checker
from tests.faults.driver import Load
from tests.faults.ground import Ground, Platform
from tests.faults.outcome import Outcome
from tests.waiting import until

WORKERS = 3
ROUNDS, ROUNDS_SHORT = 6, 1
"""For each of the services."""
GROUPS = {"planning": "planning.reactions", "monitoring": "monitoring.copies"}
"""The group by which the sharing is seen."""
TAKEN_OVER = 180.0


def shared_partitions(ground: Ground, seed: int, short: bool) -> Outcome:  # noqa: FBT001  # the signature of every fault
    dice, struck = random.Random(seed), 0
    with ground.platform() as platform:
        workers = {name: [platform.run.child(name), *(platform.also(name, "consumer") for _ in range(WORKERS - 1))] for name in GROUPS}
        admin = AdminClient({"bootstrap.servers": ground.broker.address})
        with Load(platform, seed).running() as load:
            for _ in range(ROUNDS_SHORT if short else ROUNDS):
                for name, sharing in workers.items():
                    _lose_one(platform, admin, name, sharing, dice.randrange(WORKERS))
                    struck += 1
                    load.must_run()
        found = checker.check(platform, load.ledger)
    return found.outcome("shared-partitions", struck=struck, ledger=load.ledger)


def _lose_one(platform: Platform, admin: AdminClient, name: str, sharing: list[Child], number: int) -> None:
    """Kill one of the workers, wait until the others have taken over, and start it again."""
    every = until(lambda: _shared(admin, name, WORKERS), TAKEN_OVER)
    platform.end(sharing[number])
    assert sharing[number].code == -signal.SIGKILL
    until(lambda: _shared(admin, name, WORKERS - 1) == every, TAKEN_OVER)
    whole = sharing[number] is platform.run.child(name)
    sharing[number] = platform.start(name) if whole else platform.also(name, "consumer")


def _shared(admin: AdminClient, name: str, members: int) -> int:
    """How many partitions the group's members have, if there are so many and none has nothing; else 0."""
    try:
        asked = admin.describe_consumer_groups([GROUPS[name]], request_timeout=LONGER_THAN_WE_WAIT)
        group = asked[GROUPS[name]].result(10)
    except (KafkaException, NoAnswer):
        return 0
    held = Counter({m.member_id: len(m.assignment.topic_partitions) for m in group.members})
    return held.total() if len(held) == members and all(held.values()) else 0
