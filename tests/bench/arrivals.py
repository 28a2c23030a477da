"""When events came to a topic, by the broker's clock: what nobody who wrote them says."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import NamedTuple

from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported by its __init__, which has no __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from casebus import kafka
from casebus.cluster import Cluster
from casebus.joined import headers_of

READ_SECONDS = 120.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Arrival(NamedTuple):
    """The first of an event: its case, when it was recorded in system time, and when at the latest it was there in the machine's."""

    case: str
    recorded: datetime
    at: datetime


def keep_arrivals(cluster: Cluster, topic: str) -> None:
    """From now on a record's time is when the broker wrote it, not when a client made it."""
    by_arrival = ConfigEntry("message.timestamp.type", "LogAppendTime", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[by_arrival])
    admin = AdminClient(cluster.client())  # it lives until it is answered
    for done in admin.incremental_alter_configs([resource]).values():
        done.result()


def arrivals(cluster: Cluster, topic: str, kind: str) -> Iterator[Arrival]:
    """Of each event of that type, once; from the beginning of the topic to its end as it is now."""
    seen: set[str] = set()
    for message in _messages(cluster, topic):
        said = {name: value.decode() for name, value in headers_of(message) if value is not None}
        if said["ce_type"] == kind and said["ce_id"] not in seen:
            seen.add(said["ce_id"])
            _, milliseconds = message.timestamp()
            after = EPOCH + timedelta(milliseconds=milliseconds + 1)
            yield Arrival(said["ce_subject"], datetime.fromisoformat(said["ce_recordedtime"]), after)


def _messages(cluster: Cluster, topic: str) -> Iterator[Message]:
    bounds = {part: (low, high) for part, (low, high) in enumerate(kafka.bounds(cluster, topic)) if high > low}
    reader = Consumer({**cluster.client(), "group.id": "bench-look", "enable.auto.commit": False})
    try:
        reader.assign([TopicPartition(topic, part, low) for part, (low, _) in bounds.items()])
        deadline = monotonic() + READ_SECONDS
        while bounds:
            assert monotonic() < deadline, f"{topic} is not read in time"
            for message in reader.consume(500, 0.5):
                part, offset = message.partition(), message.offset()
                assert message.error() is None and part is not None and offset is not None  # noqa: PT018  # a record
                yield message
                if part in bounds and offset + 1 >= bounds[part][1]:
                    del bounds[part]
    finally:
        reader.close()
