"""Fault 13: three Kafka nodes, each topic three times, two of which must have a record before it is acknowledged. One node is killed and
its data wiped under load, comes back with nothing, and is in sync again; then another.

The relays' producers wait for all that are in sync, so nothing that was acknowledged is lost, and commands and events go on meanwhile. A
node counts when it ended by SIGKILL, its folder is gone, and the others say that it is out of sync.
"""

import base64
import os
import random
import shutil
import signal
import string
import subprocess
import uuid
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from casebus.cluster import Cluster
from casebus.topic_admin import diff
from casebus.topics import read_topics
from continuum.local import kafka, ports
from continuum.local.process import Child, Program, Supervisor
from tests.faults import checker
from tests.faults.driver import Load
from tests.faults.ground import Ground, Server
from tests.faults.outcome import Outcome
from tests.waiting import until

NODES = (1, 2, 3)
START_SECONDS = 240.0
CASES, CASES_SHORT = 40, 6
"""Cases that begin before, while and after each node is away."""
BESIDE = """
node.id={node}
controller.quorum.voters={voters}
min.insync.replicas=2
default.replication.factor=3
offsets.topic.replication.factor=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
broker.session.timeout.ms=6000
"""
"""What differs from the one node of deploy/kafka/server.properties: a later line counts."""


def three_nodes(ground: Ground, seed: int, short: bool) -> Outcome:  # noqa: FBT001  # the signature of every fault
    dice, cases = random.Random(seed), CASES_SHORT if short else CASES
    nodes = Nodes(ground.home)
    ground.broker = Server(nodes.start, nodes.pid_file)
    try:
        with ground.platform() as platform:
            assert not diff(nodes.cluster, read_topics()), "the topics are not as they are declared"
            assert nodes.copies() == {len(NODES)}, "a topic has fewer copies than there are nodes"
            with Load(platform, seed).running() as load:
                for struck, node in enumerate(dice.sample(NODES, 2)):
                    until(partial(load.has_told, 3 * struck * cases + cases), 300)
                    nodes.wipe(node)
                    until(partial(load.has_told, 3 * struck * cases + 2 * cases), 300)
                    nodes.begin(node)
                    until(nodes.all_in_sync, START_SECONDS)
                    print(f"  node {node} was killed and wiped, and is in sync again")
                until(partial(load.has_told, 6 * cases + cases), 300)
            found = checker.check(platform, load.ledger)
    finally:
        ground.broker.close()
    return found.outcome("three-nodes", struck=nodes.wiped, ledger=load.ledger)


@dataclass
class Nodes:
    """Three nodes on loopback, broker and controller each, below one home."""

    home: Path
    wiped: int = 0
    _id: str = field(default_factory=lambda: base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
    _ports: tuple[int, ...] = field(default_factory=lambda: ports.choose(*[0] * len(NODES) * 2))
    _running: dict[int, Child] = field(default_factory=dict)
    _supervisor: Supervisor = field(default_factory=Supervisor)

    @property
    def pid_file(self) -> Path:
        """Of the first; each is struck by its number."""
        return self._folder(NODES[0]) / "pid"

    @property
    def cluster(self) -> Cluster:
        return Cluster(",".join(f"{ports.LOOPBACK}:{port}" for port in self._ports[: len(NODES)]))

    def start(self, supervisor: Supervisor) -> str:
        """All three; returns their addresses once they answer and know of each other."""
        self._supervisor = supervisor
        for node in NODES:
            self.begin(node)
        for child in self._running.values():
            supervisor.await_ready(child, self._are_all_there, seconds=START_SECONDS)
        return self.cluster.bootstrap

    def begin(self, node: int) -> None:
        """Start the node, with an empty folder where it has none; returns at once."""
        folder = self._folder(node)
        folder.mkdir(parents=True, exist_ok=True)
        properties = folder / "server.properties"
        properties.write_text(self._properties(node))
        java = kafka._java()
        if not (folder / "data").exists():
            tool = (*java, "kafka.tools.StorageTool", "format", f"--cluster-id={self._id}", "--config", str(properties))
            made = subprocess.run(tool, capture_output=True, text=True, check=False, timeout=START_SECONDS)
            assert made.returncode == 0, made.stdout[-1000:] + made.stderr[-1000:]
        log = self.home / "logs" / f"kafka-{node}.log"
        self._running[node] = self._supervisor.start(
            Program(name=f"kafka-{node}", command=(*java, "kafka.Kafka", str(properties)), log=log)
        )
        (folder / "pid").write_text(str(self._running[node].pid))

    def wipe(self, node: int) -> None:
        """kill -9, and its data is gone; returns once the others go on without it."""
        child = self._running[node]
        child.stop_asked = True
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait(20)
        assert child.code == -signal.SIGKILL
        shutil.rmtree(self._folder(node) / "data")
        until(lambda: node not in self._in_sync(), START_SECONDS)
        self.wiped += 1

    def all_in_sync(self) -> bool:
        return self._in_sync() == set(NODES)

    def copies(self) -> set[int]:
        """How many copies the topics' partitions have."""
        topics = self._ask().list_topics(timeout=10).topics
        names = {topic.name for topic in read_topics()}
        return {len(part.replicas) for name, topic in topics.items() if name in names for part in topic.partitions.values()}

    def _in_sync(self) -> set[int]:
        """The nodes that are in sync in every partition there is."""
        try:
            topics = self._ask().list_topics(timeout=10).topics.values()
        except KafkaException:
            return set(NODES)  # nobody can say
        found = set(NODES)
        for topic in topics:
            for part in topic.partitions.values():
                found &= set(part.isrs)
        return found

    def _are_all_there(self) -> bool:
        try:
            return len(self._ask().list_topics(timeout=2).brokers) == len(NODES)
        except KafkaException:
            return False

    def _ask(self) -> AdminClient:
        return AdminClient({**self.cluster.client(), "log_level": 0})

    def _folder(self, node: int) -> Path:
        return self.home / "kafka" / str(node)

    def _properties(self, node: int) -> str:
        brokers, controllers = self._ports[: len(NODES)], self._ports[len(NODES) :]
        template = string.Template((kafka.DEPLOY / "server.properties").read_text())
        one = template.substitute(data=self._folder(node) / "data", port=brokers[node - 1], controller_port=controllers[node - 1])
        kept = [line for line in one.splitlines() if not line.startswith("controller.quorum.bootstrap.servers")]
        voters = ",".join(f"{each}@{ports.LOOPBACK}:{controllers[each - 1]}" for each in NODES)
        return "\n".join(kept) + BESIDE.format(node=node, voters=voters)
