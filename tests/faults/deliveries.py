"""Fault 3: every record is delivered one to five times, places are set back to zero, and the groups are never at rest.

Rows of the outboxes are marked as unsent again, so their relays send them once more, after newer ones; the tracks' places go back to the
beginning of the log; and a member comes to, or leaves, every group every two seconds. Nothing takes effect twice. A repeated record, a
place that went back and a member that was given partitions count as strikes.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from confluent_kafka import Consumer, TopicPartition
from sqlalchemy import text

from casebus.codec import Codec
from casebus.envelope import from_headers
from casebus.schemas import LockedIds
from casebus.topics import case_topics, read_topics
from casebus.track import Track
from continuum.operations import blueprint_of
from continuum.stack import SERVICES
from tests.faults import checker, store, topic_log
from tests.faults.driver import Load
from tests.faults.ground import Ground, Platform
from tests.faults.outcome import Outcome
from tests.waiting import until

COPIES = 5
CASES, CASES_SHORT = 300, 16
RESETS, RESETS_SHORT = 12, 2
_AGAIN = text("""
    UPDATE own.sent SET upto = 0, beyond = int8multirange(int8range(0, upto, '[]')) + beyond
      - (SELECT coalesce(range_agg(int8range(id, id, '[]')), '{}') FROM own.outbox WHERE id % :copies >= :round)""")
TURN_SECONDS = 2.0


def deliveries(ground: Ground, seed: int, short: bool) -> Outcome:  # noqa: FBT001  # the signature of every fault
    dice, struck = random.Random(seed), 0
    cases, resets = (CASES_SHORT, RESETS_SHORT) if short else (CASES, RESETS)
    with ground.platform() as platform:
        with Guests(ground.broker.address, _tracks()).storm() as guests, Load(platform, seed).running() as load:
            for number in range(1, resets + 1):
                until(partial(load.has_told, number * cases // resets), 300)
                struck += sum(_set_back(platform, name, dice) for name in SERVICES)
                _send_again(platform, dice.randint(1, COPIES - 1))
            until(lambda: load.has_told(cases) and guests.given > 0, 300)
        for number in range(1, COPIES):
            _send_again(platform, number)
            until(lambda: store.unsent(platform) == 0, 180)
        found = checker.check(platform, load.ledger)
        repeated = _repetitions(ground.broker.address)
    print(f"  records by how often they were delivered: {dict(sorted(Counter(repeated).items()))}")
    print(f"  {struck} places were set back to zero; guests were given {guests.given} partitions in {guests.turns} comings and goings")
    again = sum(times > 1 for times in repeated)
    assert again, "no record was delivered twice"
    return found.outcome("deliveries", struck=struck + again + guests.turns, ledger=load.ledger)


def _tracks() -> list[Track]:
    return [track for name in SERVICES for track in blueprint_of(name).tracks(Codec(LockedIds()))]


def _send_again(platform: Platform, number: int) -> None:
    """In the round of that number the rows whose turn it is: over all rounds each record is sent from one to five times."""
    for engine in platform.engines.values():
        with store.held_back(engine), engine.begin() as connection:
            connection.execute(_AGAIN, {"copies": COPIES, "round": number})


def _set_back(platform: Platform, name: str, dice: random.Random) -> int:
    """A track of the service begins at zero again; how many places that moved."""
    schema = dice.choice(store.TRACKS)
    with platform.engines[name].begin() as connection:
        return connection.execute(text(f"UPDATE {schema}.position SET next = 0 WHERE next > 0")).rowcount


def _repetitions(bootstrap: str) -> list[int]:
    """Of each event, how often it lies in its topic."""
    found: Counter[tuple[str, object, int]] = Counter()
    for topic in case_topics(read_topics()):
        for record in topic_log.records(bootstrap, topic.name):
            envelope = from_headers(record.headers, topic=topic.name, key=record.key)
            found[topic.name, envelope.subject, envelope.case_seq] += 1
    return list(found.values())


@dataclass
class Guests:
    """Members of the services' groups that read nothing. One comes or goes in each group every two seconds."""

    bootstrap: str
    tracks: list[Track]
    turns: int = 0
    given: int = 0
    """Partitions that they were given, all told."""
    _there: dict[str, Consumer] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def storm(self) -> Iterator["Guests"]:
        thread = threading.Thread(target=self._run, name="guests")
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join(60)

    def _run(self) -> None:
        while not self._stop.is_set():
            for track in self.tracks:
                self._turn(track)
            self._stay(TURN_SECONDS)
        for guest in self._there.values():
            guest.close()

    def _turn(self, track: Track) -> None:
        self.turns += 1
        if (guest := self._there.pop(track.group, None)) is not None:
            return guest.close()
        guest = self._there[track.group] = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": track.group,
                "partition.assignment.strategy": "range",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        guest.subscribe(list(track.topics), on_assign=self._assigned)
        return None

    def _assigned(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self.given += len(partitions)

    def _stay(self, seconds: float) -> None:
        """Guests that are there take part in what their group does."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._stop.is_set():
            for guest in self._there.values():
                guest.poll(0.05)
