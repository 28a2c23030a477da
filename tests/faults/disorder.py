"""Fault 4: the topics interleave at random, each case's order kept: the copies are the same. Then the order is broken on purpose.

First the logs are emptied and written anew in random orders, while readers follow them, with every service's copies made from nothing.
Then the relays of the running services are held back and told that some events in the middle of their cases are sent, which they are not:
what follows them comes too early. That is detected, parked and seen, on the board and in the metrics, and it heals by itself when the
missing ones come. A strike is a log written anew, or a record that was parked.
"""

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import httpx
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from sqlalchemy import Engine, text

from casebus.cluster import Cluster
from casebus.codec import Codec
from casebus.consumer import Consumer
from casebus.kafka import Record
from casebus.rebuild import rebuild
from casebus.schemas import LockedIds
from casebus.topic_admin import apply
from casebus.topics import case_topics, read_topics
from casebus.track import Track
from continuum.operations import blueprint_of
from continuum.stack import SERVICES
from tests.faults import checker, state, store, topic_log
from tests.faults.checker import Findings
from tests.faults.driver import Load
from tests.faults.ground import Ground, Platform
from tests.faults.outcome import Outcome
from tests.waiting import until

CASES, CASES_SHORT = 150, 12
ORDERS, ORDERS_SHORT = 10, 1
GAPS = 8
TOPICS = [topic.name for topic in case_topics(read_topics())]
_GAPS = text("""
    SELECT o.id FROM own.unsent o JOIN own.unsent l USING (topic, subject)
    WHERE o.case_seq = 2 AND l.case_seq = 3 ORDER BY o.id LIMIT :most""")
_IDS = "(SELECT range_agg(int8range(id, id, '[]')) FROM unnest(CAST(:ids AS bigint[])) AS id)"
_BREAK = text(f"UPDATE own.sent SET beyond = beyond + {_IDS}")
_HEAL = text(f"UPDATE own.sent SET upto = 0, beyond = int8multirange(int8range(0, upto, '[]')) + beyond - {_IDS}")


def disorder(ground: Ground, seed: int, short: bool) -> Outcome:  # noqa: FBT001  # the signature of every fault
    dice = random.Random(seed)
    cases, orders = (CASES_SHORT, ORDERS_SHORT) if short else (CASES, ORDERS)
    with ground.platform() as platform:
        with Load(platform, seed).running() as load:
            until(partial(load.has_told, cases), 600)
        found = checker.check(platform, load.ledger)
        struck = _break(platform, load, found, cases)
        checker.settle(platform, platform.clock.now())
        before = state.of(platform)
        platform.run.services.stop(*platform.run.children.values())
        logs = {topic: list(topic_log.records(ground.broker.address, topic)) for topic in TOPICS}
        for number in range(orders):
            _write_anew(ground, platform, logs, dice)
            different = state.differences(before, state.of(platform))
            found.add("out_of_order", f"copied table in order {number}, such as {different[:1]}", len(different))
        print(f"  {orders} random orders of {sum(map(len, logs.values()))} records, {sum(map(len, before.values()))} copied tables")
    return found.outcome("disorder", struck=struck + orders, ledger=load.ledger)


def _break(platform: Platform, load: Load, found: Findings, cases: int) -> int:
    """Some cases' second event comes after their third; how many were parked for it."""
    intake, monitoring = platform.engines["intake"], platform.engines["monitoring"]
    with store.held_back(intake):
        with Load(platform, load.seed + 1, services=("intake",), ledger=load.ledger).running() as more:
            until(partial(more.has_told, load.ledger.cases + cases), 300)
        with intake.begin() as connection:
            missing = list(connection.execute(_GAPS, {"most": GAPS}).scalars())
            connection.execute(_BREAK, {"ids": missing})
    until(lambda: _parked(monitoring) == len(missing), 120)
    board = checker.board_of(platform)
    assert (board["parked"], board["held"]) == (len(missing), len(missing)), "the board doesn't show what is parked"
    assert 'continuum_events_total{outcome="parked",track="monitoring.copies"}' in _metrics(platform), "no metric shows what is parked"
    with store.held_back(intake), intake.begin() as connection:
        connection.execute(_HEAL, {"ids": missing})
    again = checker.check(platform, load.ledger)
    again.counts["out_of_order"] -= 2 * len(missing)  # the third before the second, and the second after it: as we broke them
    found.counts.update(again.counts)
    print(f"  {len(missing)} cases were broken on purpose: parked, seen on the board and in the metrics, and healed")
    return len(missing)


def _parked(engine: Engine) -> int:
    return store.count(engine, "SELECT count(*) FROM copy.parked")


def _metrics(platform: Platform) -> str:
    return httpx.get(f"{platform.run.urls['monitoring']}/metrics", timeout=10, trust_env=False, follow_redirects=True).text


def _write_anew(ground: Ground, platform: Platform, logs: Mapping[str, Sequence[Record]], dice: random.Random) -> None:
    """Empty topics, empty copies; and while readers follow, every record once more, in another order."""
    cluster = Cluster(ground.broker.address)
    admin = AdminClient(cluster.client())
    for gone in admin.delete_topics(TOPICS, operation_timeout=30).values():
        gone.result()
    until(lambda: not set(TOPICS) & set(admin.list_topics(timeout=10).topics))
    apply(cluster, read_topics())
    for engine in platform.engines.values():
        rebuild(engine)
    producer = Producer({**cluster.client(), "partitioner": "murmur2_random"})
    ordered = _interleaved(logs, dice)
    sent: Counter[str] = Counter()
    with _reading(platform, cluster) as readers:
        while ordered:
            count = dice.randint(1, 1 + sum(map(len, logs.values())) // 10)
            for record in ordered[:count]:
                producer.produce(record.topic, record.value, record.key, headers=list(record.headers))
                sent[record.topic] += 1
            del ordered[:count]
            assert producer.flush(60) == 0
            until(partial(_has_read, platform, readers, dict(sent)), 120)


def _interleaved(logs: Mapping[str, Sequence[Record]], dice: random.Random) -> list[Record]:
    """All records; those of one case in one topic in their order."""
    queues: dict[tuple[str, bytes | None], list[Record]] = defaultdict(list)
    for topic, records in logs.items():
        for record in records:
            queues[topic, record.key].append(record)
    turns = [place for place, records in queues.items() for _ in records]
    dice.shuffle(turns)
    following = {place: iter(records) for place, records in queues.items()}
    return [next(following[place]) for place in turns]


@contextmanager
def _reading(platform: Platform, cluster: Cluster) -> Iterator[dict[str, Track]]:
    """The copies' track of every service that has one, at work."""
    stop, codec = threading.Event(), Codec(LockedIds())
    tracks = {name: track for name in SERVICES for track in blueprint_of(name).tracks(codec) if track.schema == "copy"}
    threads = [
        threading.Thread(target=Consumer(platform.engines[name], cluster, track).run, args=(stop,), name=track.group)
        for name, track in tracks.items()
    ]
    for thread in threads:
        thread.start()
    try:
        yield tracks
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)


def _has_read(platform: Platform, readers: Mapping[str, Track], sent: Mapping[str, int]) -> bool:
    """Whether each of the readers has all that was sent to its topics."""
    for name, track in readers.items():
        with platform.engines[name].connect() as connection:
            there: dict[str, int] = dict(iter(connection.execute(text("SELECT topic, sum(next) FROM copy.position GROUP BY 1"))))
        if any(there.get(topic, 0) < sent.get(topic, 0) for topic in track.topics):
            return False
    return True
