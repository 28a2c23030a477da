"""What lies in a topic, from its beginning to its end."""

import time
from collections.abc import Iterator

from confluent_kafka import Consumer, Message, TopicPartition

from casebus.kafka import bounds

READ_SECONDS = 120.0


def messages(bootstrap: str, topic: str) -> Iterator[Message]:
    """Every record, each partition's in its order. AssertionError where the broker doesn't give them in time."""
    ends = {part: (low, high) for part, (low, high) in enumerate(bounds(bootstrap, topic)) if high > low}
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "faults-look", "enable.auto.commit": False})
    try:
        reader.assign([TopicPartition(topic, part, low) for part, (low, _) in ends.items()])
        deadline = time.monotonic() + READ_SECONDS
        while ends:
            assert time.monotonic() < deadline, f"{topic} is not read in time"
            for message in reader.consume(500, 0.5):
                if message.error() is not None:
                    continue
                yield message
                part = int(message.partition() or 0)
                if int(message.offset() or 0) + 1 >= ends[part][1]:
                    del ends[part]
    finally:
        reader.close()


def headers(message: Message) -> list[tuple[str, str | bytes | None]]:
    """As they were written; none where the client can't read their names."""
    return list(message.headers() or [])


def key(message: Message) -> bytes | None:
    given = message.key()
    return given.encode() if isinstance(given, str) else given
