"""The broker: really started, killed and started again."""

import os
import re
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from continuum.local import jars, kafka, ports
from continuum.local.process import LocalFailure, Supervisor


def create_topic(bootstrap: str, name: str) -> None:
    client = AdminClient({"bootstrap.servers": bootstrap})  # kept: its answers end with it
    client.create_topics([NewTopic(name, 1, 1)])[name].result(10)


def produce(bootstrap: str, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    producer.produce(topic, value)
    assert producer.flush(10) == 0


def consume(bootstrap: str, topic: str) -> bytes | None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"{topic}.reader"})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    return one_of(consumer)


def one_of(consumer: Consumer) -> bytes | None:
    try:
        message = consumer.poll(20)
        assert message is not None
        assert message.error() is None
        return message.value()
    finally:
        consumer.close()


def test_what_is_produced_is_consumed_by_a_group(broker: str) -> None:
    create_topic(broker, "sample.round-trip")
    produce(broker, "sample.round-trip", b"hello")
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "sample.readers", "auto.offset.reset": "earliest"})
    consumer.subscribe(["sample.round-trip"])
    assert one_of(consumer) == b"hello"


def test_a_topic_is_never_made_by_asking_for_it_and_forgets_nothing(broker: str) -> None:
    client = AdminClient({"bootstrap.servers": broker})
    create_topic(broker, "sample.kept")
    topic = ConfigResource(ResourceType.TOPIC, "sample.kept")
    settings = client.describe_configs([topic])[topic].result(10)
    assert settings["retention.ms"].value == "-1"
    assert settings["retention.bytes"].value == "-1"
    assert client.list_topics("sample.unknown", timeout=10).topics["sample.unknown"].error is not None


def test_a_record_may_carry_a_time_to_come(broker: str) -> None:
    create_topic(broker, "sample.future")
    failures: list[object] = []
    producer = Producer({"bootstrap.servers": broker})
    producer.produce("sample.future", b"later", timestamp=4_102_444_800_000, on_delivery=lambda error, _: failures.append(error))
    assert producer.flush(10) == 0
    assert failures == [None]


def test_a_killed_broker_starts_again_on_other_ports_with_what_it_had(tmp_path: Path) -> None:
    with Supervisor() as supervisor:
        port, controller_port = ports.choose(0, 0)
        bootstrap = kafka.start(supervisor, home=tmp_path, port=port, controller_port=controller_port)
        create_topic(bootstrap, "sample.survivor")
        produce(bootstrap, "sample.survivor", b"still here")
        os.kill(int((tmp_path / "kafka" / "pid").read_text()), 9)
        crashed = supervisor.next_crash(10)
        assert crashed is not None
        assert crashed.program.name == "kafka"
    with Supervisor() as supervisor:
        port, controller_port = ports.choose(0, 0)
        assert (
            consume(kafka.start(supervisor, home=tmp_path, port=port, controller_port=controller_port), "sample.survivor") == b"still here"
        )


def test_a_broker_on_a_taken_port_fails_with_the_reason(tmp_path: Path, broker: str) -> None:
    taken = int(broker.rpartition(":")[2])
    with Supervisor() as supervisor, pytest.raises(LocalFailure, match="kafka ended with code 1"):
        kafka.start(supervisor, home=tmp_path, port=taken, controller_port=ports.choose(0)[0])


def test_a_broken_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "kafka" / "data").mkdir(parents=True)
    with Supervisor() as supervisor, pytest.raises(LocalFailure, match=r"is not whole: move .* away"):
        kafka.start(supervisor, home=tmp_path, port=1, controller_port=2)


def test_a_damaged_jar_is_fetched_anew_and_a_false_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("M2_REPO", str(tmp_path))
    lock = tmp_path / "jgo.lock.toml"
    first_jar = (kafka.DEPLOY / "jgo.lock.toml").read_text().split("[[dependencies]]")[-1]
    lock.write_text(f"[[dependencies]]{first_jar}")
    (jar,) = jars.fetch(lock)
    whole = jar.read_bytes()
    jar.write_bytes(whole[:100])
    assert jars.fetch(lock) == (jar,)
    assert jar.read_bytes() == whole
    lock.write_text(re.sub('sha256 = "[0-9a-f]{64}"', f'sha256 = "{"0" * 64}"', lock.read_text()))
    with pytest.raises(LocalFailure, match="SHA-256 differs"):
        jars.fetch(lock)
