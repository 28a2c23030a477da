"""What lies in a topic, from its beginning to its end."""

import time
from collections.abc import Iterator

from confluent_kafka import Consumer, TopicPartition

from casebus import kafka
from casebus.cluster import Cluster
from casebus.kafka import Record

READ_SECONDS = 120.0


def records(bootstrap: str, topic: str) -> Iterator[Record]:
    """Every record, each partition's in its order. AssertionError where the broker doesn't give them in time."""
    ends = {part: (low, high) for part, (low, high) in enumerate(kafka.bounds(Cluster(bootstrap), topic)) if high > low}
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "faults-look", "enable.auto.commit": False})
    try:
        reader.assign([TopicPartition(topic, part, low) for part, (low, _) in ends.items()])
        deadline = time.monotonic() + READ_SECONDS
        while ends:
            assert time.monotonic() < deadline, f"{topic} is not read in time"
            for record in (kafka._record(message) for message in reader.consume(500, 0.5)):
                if record is None or record.partition not in ends:
                    continue
                yield record
                if record.offset + 1 >= ends[record.partition][1]:
                    del ends[record.partition]
    finally:
        reader.close()
