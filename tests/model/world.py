"""The platform in memory: three owners with their databases and relays, a broker, and monitoring's reader and clocks, in virtual time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection, Engine

from casebus import outbox
from casebus.cause import Cause
from casebus.cluster import Cluster
from casebus.codec import Codec
from casebus.consumer import Consumer
from casebus.contracts import EVENTS
from casebus.contracts.casebus import Watermark
from casebus.envelope import Role
from casebus.errors import LogBroken
from casebus.event import Event
from casebus.inbox import Partition
from casebus.kafka import Log as KafkaLog
from casebus.kafka import Record, SendFailed
from casebus.relay import Relay, claim, reseed
from casebus.schemas import LockedIds
from casebus.topics import case_topics, read_topics
from casebus.track import Track
from casebus.watermark import learn, prune, reached
from casebus.work import Work
from services.monitoring.clocks import ClockWorker
from services.monitoring.domain.policy import Policy
from services.monitoring.policies import Policies
from tests.model.broker import PARTITIONS, Broker, Frozen, Killed, Log, Sent, Silent
from tests.model.database import Blocked, Database, Session, SessionLost
from tests.model.memory import MOST, Facts
from tests.unit.monitoring.story import LEAD, MONDAY, WRITTEN

OWNERS = ("intake", "monitoring", "planning")
CODEC = Codec(LockedIds())
CASE_TOPICS = {topic.owner: replace(topic, partitions=PARTITIONS) for topic in case_topics(read_topics()) if topic.owner in OWNERS}
HOURS = {
    "follow_up": {"intervals": ["6h"], "grace": "1h"},
    "duties": {"REFERRAL_UNANSWERED": {"within": "2h", "grace": "0h"}, "STALLED_CASE": {"within": "3h", "grace": "0h"}},
    "ladder": {"WORKER": "2h", "SUPERVISOR": "2h"},
}
POLICY: Policy = TypeAdapter(Policy).validate_python(WRITTEN | HOURS)
SOMEBODY = Cause(agency=LEAD, actor="actor-1", actor_role=Role.WORKER, actor_agency=LEAD)
RESOLUTION = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Strike:
    """What happens to a relay at its n-th statement or record."""

    at: int
    act: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Turn:
    """One poll of the reader: how many records it gets of which partition, how often each, and what happens before they are applied."""

    picks: tuple[tuple[str, int, int], ...]
    times: int = 1
    meanwhile: Callable[[], None] | None = None
    fails: Callable[[], Exception | Killed] | None = None
    """What ends the batch's transaction before its commit."""
    jump: int = 0
    """By how much the next poll misses the place where it should begin."""


class Stop:
    """A stop signal that a loop which only waits gets, too."""

    def __init__(self) -> None:
        self._set, self._waits = False, 0

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True

    def wait(self, _: float = 0) -> bool:
        self._waits += 1
        self._set = self._set or self._waits > 4
        return self._set


class Worker:
    """One process that reads: it stands for the cluster, since that is what a Consumer asks for everything."""

    def __init__(self, world: "World", turns: list[Turn]) -> None:
        self.world, self.broker, self.turns, self.stop = world, world.broker, turns, Stop()

    def reader(self, _: str, topics: list[str], place: Callable[[list[Partition]], dict[Partition, int]]) -> "Reader":
        return Reader(self, place([(topic, part) for topic in topics for part in range(PARTITIONS)]))


class Reader:
    """casebus.kafka.Reader, with a script."""

    def __init__(self, worker: Worker, place: dict[Partition, int]) -> None:
        self._worker, self.next, self._cursor = worker, dict(place), dict(place)

    def batch(self, limit: int, *_: float) -> list[Record]:
        if not self._worker.turns:
            self._worker.stop.set()
            return []
        turn = self._worker.turns.pop(0)
        records: list[Record] = []
        for topic, part, count in turn.picks:
            found = self._worker.broker.read(topic, part, self._cursor[topic, part], min(count, (limit - len(records)) // turn.times))
            records += [record for record in found for _ in range(turn.times)]
            if found:
                self.next[topic, part] = found[-1].offset + 1
                self._cursor[topic, part] = max(0, found[-1].offset + 1 + turn.jump)
        if not records and set(self._worker.turns) == {turn}:
            del self._worker.turns[1:]
        if turn.meanwhile is not None:
            turn.meanwhile()
        self._worker.world.fail_next_commit(turn.fails)
        return records

    def seek(self, place: Mapping[Partition, int]) -> None:
        self.next |= place
        self._cursor |= place

    def close(self) -> None: ...


class World:
    def __init__(self) -> None:
        self.broker = Broker(*(topic.name for topic in CASE_TOPICS.values()))
        self.databases = {owner: Database(owner, MONDAY) for owner in OWNERS}
        self.relays: dict[str, tuple[Relay, Log]] = {}
        self.said: list[Watermark] = []
        self.writers: list[tuple[str, Session]] = []
        """Transactions that stay open, with their owners."""
        self.stopped: dict[str, str] = {}
        """By owner, why a person has to mend its log."""
        self.monitoring = self.databases["monitoring"]
        self.monitoring.bounds = self.broker.bounds
        self.engine = cast(Engine, self.monitoring)
        self.track = Track(
            service="monitoring",
            schema="copy",
            topics={topic.name: PARTITIONS for topic in CASE_TOPICS.values()},
            handlers=dict.fromkeys(EVENTS.values(), _keep),
            make_work=lambda connection: cast(Work, Facts(connection)),
            codec=CODEC,
            most=MOST,
        )
        policies = Policies({"*": POLICY})
        self.clocks = ClockWorker(engine=self.engine, codec=CODEC, policies=policies, wake=lambda: None, tick=0)

    # What services do

    def state(self, owner: str, *events: Event, session: Session | None = None) -> bool:
        """State events in a transaction of their own, or in an open one. False where another one holds the case."""
        own = session or self.databases[owner].connect()
        try:
            outbox.append(cast(Connection, own), [(event, SOMEBODY) for event in events], CODEC)
            if session is None:
                own.commit()
        except Blocked:
            self.end(own, commits=False)
            return False
        return True

    def end(self, session: Session, *, commits: bool) -> None:
        self.writers = [(owner, open) for owner, open in self.writers if open is not session]
        session.commit() if commits else session.rollback()

    # What a relay does

    def relay(self, owner: str, *, barrier: bool = True, strike: Strike | None = None, silent: Silent | None = None) -> None:
        """One turn of the owner's relay, which is made anew where there is none."""
        database = self.databases[owner]
        passed = 0

        def meanwhile(_: str) -> None:
            nonlocal passed
            passed += 1
            if strike is not None and passed == strike.at:
                strike.act()

        database.before_statement = meanwhile
        try:
            relay, log = self.relays.get(owner) or self._begin(owner)
            log.silent, log.meanwhile = silent, meanwhile
            if barrier:
                relay.barrier()
            relay.drain()
        except (Killed, SendFailed, SessionLost, Blocked):
            self.end_relay(owner)
        except LogBroken as broken:
            self.stopped[owner] = str(broken)
            self.end_relay(owner)
        finally:
            database.before_statement = _nothing

    def _begin(self, owner: str) -> tuple[Relay, Log]:
        database = self.databases[owner]
        session, log, topic = database.connect(), Log(self.broker, self._hear_of), CASE_TOPICS[owner]
        connection = cast(Connection, session)
        if not claim(connection):  # the one before is gone: its session has ended
            database.claimed_by = session
        relay = Relay(connection, cast(KafkaLog, log), {topic.name: topic}, owner, CODEC)
        self.relays[owner] = relay, log
        return self.relays[owner]

    def end_relay(self, owner: str) -> None:
        """Its session ends, and with it its claim; the next turn makes another."""
        self.relays.pop(owner, None)
        if (session := self.databases[owner].claimed_by) is not None:
            session.lose()

    def _hear_of(self, sent: Sent) -> None:
        self.said.append(CODEC.decode_as(Watermark, sent[2]))

    def wake(self) -> None:
        """A sender that stood still sends what it had in hand. A topic made anew meanwhile is another one to it."""
        late, self.broker.late = self.broker.late, []
        for identity, sent in late:
            if self.broker.topics[sent[0]].identity == identity:
                self.broker.append(sent)

    def reseed(self, owner: str) -> None:
        topic = CASE_TOPICS[owner]
        reseed(cast(Engine, self.databases[owner]), cast(KafkaLog, Log(self.broker, self._hear_of)), {topic.name: topic})
        self.end_relay(owner)
        self.stopped.pop(owner, None)

    # What monitoring does

    def read(self, *turns: Turn) -> None:
        """A worker reads for so many turns, and ends."""
        worker = Worker(self, list(turns))
        consumer = Consumer(self.engine, cast(Cluster, worker), self.track)
        try:
            consumer.run(worker.stop)  # type: ignore[arg-type]  # a signal in virtual time
        except Killed:
            pass
        finally:
            self.fail_next_commit(None)
        if consumer.stopped_because is not None:
            self.stopped[consumer.stopped_because.partition(".")[0]] = consumer.stopped_because

    def fail_next_commit(self, error: Callable[[], Exception | Killed] | None) -> None:
        def fail(name: str) -> None:
            if error is not None and name == "commit":
                self.monitoring.before_statement = _nothing
                raise error()

        self.monitoring.before_statement = fail

    def hear(self, *statements: Watermark) -> None:
        with self.monitoring.begin() as session:
            learn(cast(Connection, session), statements)
            prune(cast(Connection, session))

    def look(self, *, holds: bool = False) -> None:
        """The clock worker's turn; its transaction may stay open."""
        self.monitoring.holds_commits = holds
        try:
            self.clocks.turn()
        except Blocked:
            pass
        finally:
            self.monitoring.holds_commits = False
            for session in self.monitoring.held:
                self.writers.append(("monitoring", session))
            self.monitoring.held.clear()

    def rebuild(self) -> None:
        """casebus.rebuild: the copies are emptied, places go to their generation's beginning."""
        for name in ("inbox", "parked", "fact", "watch", "quarantine"):
            self.monitoring.table(name).clear()
        places = self.monitoring.table("position")
        for place, (generation, _, began) in places.items():
            places[place] = generation, began, began

    # What is true

    def rows(self, owner: str, *, open_too: bool = False) -> list[outbox.Row]:
        """What the owner has recorded, in the order of its numbers."""
        found = {id: row for (id,), row in self.databases[owner].table("outbox").items()}
        for whose, session in self.writers if open_too else ():
            if whose == owner:
                found |= {id: row for (id,), row in session.rows("outbox").items()}
        return [found[id] for id in sorted(found)]

    def known(self) -> dict[int, datetime]:
        """The watermark of each partition."""
        return reached(cast(Connection, self.monitoring.connect())).partitions

    def everything(self) -> Iterator[tuple[str, outbox.Row]]:
        for owner in OWNERS:
            for row in self.rows(owner, open_too=True):
                yield owner, row

    def held(self, case: UUID) -> bool:
        """Whether the case waits for a person, or for what comes before."""
        return any(case == subject for table in ("parked",) for _, subject, _ in self.monitoring.table(table))


def _keep(event: Event, work: Facts) -> None:
    work.keep(event)


def _nothing(_: str) -> None: ...


def kill() -> None:
    raise Killed


def freeze() -> None:
    raise Frozen
