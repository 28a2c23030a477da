"""Who may do what with the log: what schemas/topics declares, and nothing else, on a broker that asks everybody who he is."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported by its __init__, which has no __all__
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from casebus import rights
from casebus.cluster import Cluster, Protocol
from casebus.kafka import Log, bounds
from casebus.topics import Topic, read_topics
from continuum.stack import SERVICES
from tests.integration.security.authority import authority
from tests.integration.security.broker import Guarded
from tests.integration.security.conftest import STRANGER, Applied
from tests.waiting import until

TOPICS = read_topics()
_WHAT = ResourceType.TOPIC, "intake.", ResourcePatternType.PREFIXED, f"User:{STRANGER}", "*", AclOperation.WRITE, AclPermissionType.ALLOW
UNDECLARED, UNDECLARED_FILTER = AclBinding(*_WHAT), AclBindingFilter(*_WHAT)


def test_apply_makes_topics_and_rights_once(applied: Applied) -> None:
    assert applied.before.exit_code == 1
    for said in (applied.before.output, applied.first.output):
        assert "intake.case.v1 is missing" in said
        assert "planning.case.v1 is not open to planning (write)" in said
        assert "intake.case.v1 is not open to planning (read)" in said
    assert (applied.first.exit_code, applied.again.exit_code, applied.again.output) == (0, 0, "")


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_only_its_owner_may_write_a_topic(secured: Guarded, topic: Topic) -> None:
    for user in {*SERVICES, STRANGER} - {topic.owner}:
        assert refusals(secured.user(user), topic.name) == ["TOPIC_AUTHORIZATION_FAILED"], user


def refusals(cluster: Cluster, topic: str) -> list[str]:
    """What the broker says to a record. No idempotence: for that a stranger is refused as a whole."""
    said: list[str] = []
    producer = Producer({**cluster.client(), "message.timeout.ms": 20_000})
    producer.produce(topic, b"x", on_delivery=lambda error, _: said.append(error.name() if error else "taken"))
    producer.flush(30)
    return said


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_only_its_owner_and_its_consumers_may_read_a_topic(secured: Guarded, topic: Topic) -> None:
    readers = {topic.owner, *topic.consumers}
    for user in {*SERVICES, STRANGER}:
        if user in readers:
            assert len(bounds(secured.user(user), topic.name)) == topic.partitions
        else:
            with pytest.raises(KafkaException, match="Topic authorization failed"):
                bounds(secured.user(user), topic.name)


def test_a_stranger_who_knows_partitions_and_offsets_still_gets_no_record(secured: Guarded) -> None:
    log = Log(secured.user("planning"))
    [receipt] = log.send([("planning.watermark.v1", b"planning", b"no statement", [])])
    log.close()
    consumer = Consumer({**secured.user(STRANGER).client(), "group.id": "strangers"})
    consumer.assign([TopicPartition(receipt.topic, receipt.partition, OFFSET_BEGINNING)])
    try:
        message = until(lambda: consumer.poll(1))
        assert message is not None
        error = message.error()
        assert error is not None
        assert error.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)
    finally:
        consumer.close()


def test_a_right_that_nobody_declared_is_told_and_left_to_a_person(secured: Guarded) -> None:
    admin = AdminClient(secured.operator.client())
    admin.create_acls([UNDECLARED])[UNDECLARED].result(20)
    try:
        found = until(lambda: rights.diff(secured.operator, TOPICS))
        assert [(change.topic, change.possible) for change in found] == [("intake.", False)]
        assert f"User:{STRANGER} (may write)" in found[0].what
        assert rights.apply(secured.operator, TOPICS) == found
    finally:
        admin.delete_acls([UNDECLARED_FILTER])[UNDECLARED_FILTER].result(20)
    until(lambda: not rights.diff(secured.operator, TOPICS))


def someone_else(cluster: Cluster, folder: Path) -> Cluster:
    return replace(cluster, ca_file=authority(folder / "other.pem").file)


FALSE: dict[str, tuple[Callable[[Guarded, Path], Cluster], set[int]]] = {
    "a wrong password": (lambda made, _: made.user("intake", "guessed"), {KafkaError._AUTHENTICATION}),
    "an unknown user": (lambda made, _: made.user("nobody"), {KafkaError._AUTHENTICATION}),
    "another authority": (lambda made, folder: someone_else(made.user("intake"), folder), {KafkaError._SSL}),
    "another name": (
        lambda made, _: replace(made.user("intake"), bootstrap=made.operator.bootstrap.replace("127.0.0.1", "localhost")),
        {KafkaError._SSL},
    ),
    "no TLS": (
        lambda made, _: replace(made.user("intake"), protocol=Protocol.SASL_PLAINTEXT),
        {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._AUTHENTICATION},
    ),
}


@pytest.mark.parametrize("name", FALSE)
def test_who_is_not_who_he_says_gets_no_answer(secured: Guarded, tmp_path: Path, name: str) -> None:
    make, expected = FALSE[name]
    errors: list[int] = []
    producer = Producer({**make(secured, tmp_path).client(), "error_cb": lambda error: errors.append(error.code())})
    until(lambda: producer.poll(0.1) or set(errors) & expected)
    with pytest.raises(KafkaException):
        producer.list_topics(timeout=1)


def test_where_nobody_signs_in_there_are_no_rights() -> None:
    assert rights.diff(Cluster("127.0.0.1:1"), TOPICS) == []
