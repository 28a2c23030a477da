"""What is done to the processes, the sessions and the broker while the clocks run; a strike counts when its effect was seen."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient
from sqlalchemy import Engine, text

from casebus.cluster import Cluster
from casebus.kafka import Log
from casebus.relay import reseed
from casebus.topic_admin import apply
from casebus.topics import read_topics
from continuum.local.process import LocalFailure
from continuum.operations import blueprint_of
from tests.faults.ground import Ground
from tests.faults.watermarks.processes import MONITORS, OWNERS, Processes, freeze
from tests.waiting import until

STARTS = 5
_SESSIONS = text("SELECT pid FROM pg_stat_activity WHERE datname = ANY(:names) AND pid <> pg_backend_pid() AND state <> 'idle'")


@dataclass
class Storm:
    """Strikes in a thread of its own, in an order that the dice say, each kind once before any comes again."""

    ground: Ground
    processes: Processes
    admins: Mapping[str, Engine]
    """Each owner's database, as its administrator."""
    dice: Random
    longest: float
    """Seconds for which something is frozen at most. Beyond five a relay's session ends, and with it its claim."""
    struck: Counter[str] = field(default_factory=Counter)
    failure: list[BaseException] = field(default_factory=list)
    _enough: threading.Event = field(default_factory=threading.Event)

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.ground.broker.address)

    @property
    def has_struck(self) -> bool:
        """With each kind, once at least; or it failed, which `at_work` says."""
        return bool(self.failure) or all(self.struck[name] for name in self.kinds())

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """During the block."""
        thread = threading.Thread(target=self._run, name="storm")
        thread.start()
        try:
            yield
        finally:
            self._enough.set()
            thread.join(300)
        if self.failure:
            raise self.failure[0]

    def _run(self) -> None:
        kinds = self.kinds()
        try:
            left: list[str] = []
            while not self._enough.is_set():
                left = left or self.dice.sample(list(kinds), len(kinds))
                name = left.pop()
                self.struck[name] += bool(kinds[name]())
                self._enough.wait(self.dice.uniform(0.2, 1.5))
        except BaseException as error:  # noqa: BLE001  # said by `at_work`, in the thread that waits for us
            self.failure.append(error)

    def kinds(self) -> dict[str, Callable[[], bool]]:
        """By name: what strikes, and says whether it did."""
        return {
            "relay frozen": lambda: self._frozen(self.dice.choice(OWNERS[:3])),
            "relay killed": lambda: self._killed(self.dice.choice(OWNERS[:3])),
            "worker frozen": lambda: self._frozen(self.dice.choice(MONITORS)),
            "worker killed": lambda: self._killed(self.dice.choice(MONITORS)),
            "session frozen": self._session_frozen,
            "rebalance": self._rebalance,
            "broker frozen": self._broker_frozen,
            "broker killed": self._broker_killed,
            "topic made again": self._topic_made_again,
        }

    def _frozen(self, name: str) -> bool:
        pid = self.processes.children[name].pid
        freeze(pid)
        try:
            return self._pass()
        finally:
            os.kill(pid, signal.SIGCONT)

    def _killed(self, name: str) -> bool:
        self.processes.kill(name)
        self.processes.begin(name)
        return True

    def _session_frozen(self) -> bool:
        """One that is at work, as whoever holds a transaction open is."""
        with self.admins["intake"].connect() as connection:
            found = [pid for (pid,) in connection.execute(_SESSIONS, {"names": list(OWNERS)})]
        try:
            pid = self.dice.choice(found)
            freeze(pid)
        except (IndexError, ProcessLookupError):  # nobody is at work just now, or not any more
            return False
        try:
            return self._pass()
        finally:
            os.kill(pid, signal.SIGCONT)

    def _rebalance(self) -> bool:
        """A member comes, is given partitions that it doesn't read, and goes."""
        given: list[object] = []
        member = Consumer(
            {
                **self.cluster.client(),
                "group.id": self.dice.choice(["monitoring.copies", "monitoring.reactions"]),
                "partition.assignment.strategy": "range",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        try:
            member.subscribe([f"{owner}.case.v1" for owner in OWNERS], on_assign=lambda _, partitions: given.extend(partitions))
            for _ in range(40):
                if given:
                    return True
                member.poll(0.25)
            return False
        finally:
            member.close()

    def _broker_frozen(self) -> bool:
        self.ground.broker.freeze()
        try:
            return self._pass()
        finally:
            self.ground.broker.thaw()

    def _broker_killed(self) -> bool:
        self.ground.broker.kill()
        for left in reversed(range(STARTS)):
            try:
                self.ground.broker.start()
                break
            except LocalFailure:  # a machine that is busy with other things: it takes its time
                self.ground.broker.close()
                if not left:
                    raise
        return True

    def _topic_made_again(self) -> bool:
        """Under its running readers: emptied by mistake, made anew, and filled from its outbox. Twice at most: it sends everything."""
        if self.struck["topic made again"] >= 2:
            return False
        owner = self.dice.choice(OWNERS[:3])
        topic = f"{owner}.case.v1"
        admin = AdminClient(self.cluster.client())
        before = _topic_id(self.cluster, topic)
        admin.delete_topics([topic], operation_timeout=30)[topic].result()
        until(lambda: topic not in admin.list_topics(timeout=10).topics)
        apply(self.cluster, read_topics())
        until(lambda: _topic_id(self.cluster, topic) not in ("", before))
        log = Log(self.cluster)
        try:
            return reseed(self.admins[owner], log, blueprint_of(owner).topics()) > 0
        finally:
            log.close()

    def _pass(self) -> bool:
        """The fault lasts."""
        threading.Event().wait(self.dice.uniform(0.3, self.longest))
        return True


def _topic_id(cluster: Cluster, topic: str) -> str:
    log = Log(cluster)
    try:
        return log.topic_ids([topic])[topic]
    except Exception:  # noqa: BLE001  # it isn't there
        return ""
    finally:
        log.close()
