"""What the bus's tests do with a sample service: publish, read the log, run a part in a thread, wait."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID, uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from sqlalchemy import Connection, text

from casebus import kafka
from casebus.codec import Codec
from casebus.consumer import Consumer as TrackConsumer
from casebus.contracts.casebus import Watermark
from casebus.envelope import Envelope, Headers, Origin, Role, to_headers
from casebus.kafka import Log, Record
from casebus.partition import partition_of
from casebus.relay import Relay, claim
from casebus.service import Job, RelayLoop
from casebus.testing import NOON
from casebus.topic_admin import apply
from casebus.track import Track
from tests.integration.bus.sample import PARTITIONS, SOMEBODY, Noted, Sample
from tests.waiting import until

T = TypeVar("T")


@contextmanager
def in_thread(job: Job) -> Iterator[None]:
    """The job runs during the block, and ends with it."""
    stop = threading.Event()
    thread = threading.Thread(target=job, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive(), "the job doesn't end when it is told to"


@contextmanager
def relaying(sample: Sample) -> Iterator[Relay]:
    """A relay that moves when the test says so."""
    log = Log(sample.cluster)
    with sample.engine.connect() as connection:
        until(lambda: claim(connection))
        connection.execute(text("SET idle_session_timeout = 0"))  # a test may take its time
        connection.commit()
        try:
            yield Relay(connection, log, sample.topics, sample.owner, sample.codec)
        finally:
            log.close()
            connection.invalidate()


def publish(sample: Sample) -> int:
    """Send everything that is committed; how many events."""
    with relaying(sample) as relay:
        return relay.drain()


def relay_loop(sample: Sample) -> RelayLoop:
    return RelayLoop(sample.engine, sample.cluster, sample.owner, sample.topics, sample.codec, 0.1)


def consumer_of(sample: Sample, track: Track | None = None) -> TrackConsumer:
    return TrackConsumer(sample.engine, sample.cluster, track or sample.track())


def make_topics(sample: Sample) -> None:
    """The topics are there, for every client, when this returns."""
    apply(sample.cluster, sample.declared())
    log = Log(sample.cluster)
    until(lambda: _answers(log, sample.topic))
    log.close()


def _answers(log: Log, topic: str) -> bool:
    try:
        return bool(log.topic_ids([topic]) and log.bounds(topic))
    except KafkaException:
        return False


def delete_topic(sample: Sample) -> None:
    """The case topic is gone when this returns."""
    admin = AdminClient({"bootstrap.servers": sample.bootstrap})
    admin.delete_topics([sample.topic], operation_timeout=20)[sample.topic].result()
    until(lambda: sample.topic not in admin.list_topics(timeout=10).topics)


def trim_topic(sample: Sample) -> None:
    """Every record that is in the case topic now is gone; the offsets go on."""
    admin = AdminClient({"bootstrap.servers": sample.bootstrap})
    ends = [TopicPartition(sample.topic, part, end) for part, (_, end) in enumerate(kafka.bounds(sample.cluster, sample.topic))]
    for done in admin.delete_records(ends).values():
        done.result()


def log_of(sample: Sample, topic: str | None = None, parts: int = PARTITIONS) -> list[Record]:
    """Every record of the topic, partition by partition."""
    topic = topic or sample.topic
    left = {part: end for part, (low, end) in enumerate(kafka.bounds(sample.cluster, topic)) if end > low}
    reader = Consumer({"bootstrap.servers": sample.bootstrap, "group.id": "tests", "enable.auto.commit": False})
    reader.assign([TopicPartition(topic, part, OFFSET_BEGINNING) for part in left])
    found: list[Record] = []
    deadline = time.monotonic() + 20
    while left:
        assert time.monotonic() < deadline, "the log is not read in time"
        message = reader.poll(1)
        if message is not None and message.error() is None:
            record = kafka._record(message)
            assert record is not None
            found.append(record)
            if record.offset + 1 >= left.get(record.partition, 0):
                left.pop(record.partition, None)
    reader.close()
    return sorted(found, key=lambda record: (record.partition, record.offset))


def statements(sample: Sample) -> list[Watermark]:
    """Every statement that is in the owner's watermark topic, in order."""
    return [sample.codec.decode_as(Watermark, record.value) for record in log_of(sample, f"{sample.owner}.watermark.v1", 1)]


def prepare(sample: Sample, track: Track, generation: int = 1) -> None:
    """Position rows, as a consumer makes them at its start, in the generation that is the log's."""
    with sample.admin.begin() as connection:
        track.prepare(connection)
        connection.execute(text(f"UPDATE {track.schema}.position SET generation = greatest(generation, :g)"), {"g": generation})


def produce(sample: Sample, records: Iterable[tuple[bytes | None, bytes | None, Headers | None]]) -> None:
    """Put anything at all on the case topic: key, value, headers. What has no key goes to partition 0."""
    producer = Producer({"bootstrap.servers": sample.bootstrap, "partitioner": "murmur2_random", "linger.ms": 2})
    for key, value, headers in records:
        producer.produce(sample.topic, value, key, headers=headers, partition=-1 if key else 0)
    assert producer.flush(20) == 0


def envelope_of(event: Noted, seq: int, generation: int = 1) -> Envelope:
    """The envelope that a relay would give the event."""
    cause = SOMEBODY
    return Envelope(
        event_id=UUID(int=seq),
        type=event.TYPE,
        version=1,
        owner=event.TYPE.partition(".")[0],
        topic=event.TOPIC,
        subject=event.case_id,
        case_seq=seq,
        generation=generation,
        occurred_at=NOON,
        recorded_at=NOON,
        agency=cause.agency,
        actor=cause.actor,
        actor_role=Role.WORKER,
        actor_agency=cause.agency,
        lead_epoch=0,
        correlation_id=UUID(int=seq),
        origin=Origin.LIVE,
    )


def case_in(part: int = 0, partitions: int = PARTITIONS) -> UUID:
    """A new case whose events belong in that partition."""
    return next(case for case in iter(uuid4, None) if partition_of(str(case).encode(), partitions) == part)


def record_of(
    codec: Codec, event: Noted, seq: int, *, offset: int = 0, part: int = 0, generation: int = 1, recorded_at: datetime = NOON
) -> Record:
    """The record as it would lie in the log."""
    envelope = replace(envelope_of(event, seq, generation), recorded_at=recorded_at)
    headers = [(name, value) for name, value in to_headers(envelope) if isinstance(value, bytes)]
    return Record(event.TOPIC, part, offset, str(event.case_id).encode(), codec.encode(event), headers)


def one(connection: Connection, query: str, **values: object) -> object:
    return connection.execute(text(query), values).scalar()
