"""Kafka as the bus uses it: a log to append to with receipts, and a reader that starts where our own database says.

librdkafka's defaults are not ours: idempotent, acks=all, murmur2 (else keys land elsewhere than Java's and Faust's), no automatic offsets.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from sys import intern
from time import monotonic, sleep
from typing import Any, NamedTuple, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # its stubs leave it out
from uuid_utils.compat import uuid7

from casebus.cluster import Cluster
from casebus.envelope import Headers, InvalidEnvelope, began, from_headers
from casebus.errors import LogBroken, OutOfReach
from casebus.joined import RecordHeaders, headers_of

SEND_SECONDS = 4.0
"""How long a batch may wait for its answers: less than the relay's session may idle (5 s), so a stuck broker never costs it its claim."""
ASK_SECONDS = 10.0
LOOK_SECONDS = 3.0
"""How often a reader looks whether its topics are still the same, and how long it waits for that answer."""
_NOT_YET = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN_TOPIC_OR_PART)
"""What a broker says of a topic that was made a moment ago."""

Partition = tuple[str, int]
_client_log = logging.getLogger("continuum.kafka")

BrokerFailure = KafkaException
"""What the client raises when the broker can't be reached or refuses."""


def name_of(error: Exception) -> str:
    """What an error is called in a log, the broker's word with it; never what it says, which may hold anything."""
    said = error.args[0] if isinstance(error, BrokerFailure) and error.args else None
    return f"{type(error).__name__} {said.name()}" if isinstance(said, KafkaError) else type(error).__name__


class SendFailed(Exception):
    """Not everything was acknowledged; what is unpublished is sent again by a new producer."""


class Receipt(NamedTuple):
    """Where the broker put a record."""

    topic: str
    partition: int
    offset: int


class Record(NamedTuple):
    """A record as it lies in the log."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: RecordHeaders


class Log:
    """The writing side. A Log that failed fatally is closed and made again."""

    def __init__(self, cluster: Cluster) -> None:
        common: dict[str, Any] = {**cluster.client(), "logger": _client_log}
        self._admin = AdminClient(common)
        self._cluster = cluster
        self._producer = Producer(
            common
            | {
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "murmur2_random",
                "linger.ms": 2,
                "message.timeout.ms": 60_000,
                "message.max.bytes": 1_000_000,
            }
        )

    def topic_ids(self, topics: Iterable[str], seconds: float = ASK_SECONDS) -> dict[str, str]:
        """The identity of each topic: another one under the same name has another. KafkaException where there is none."""
        found = self._admin.describe_topics(TopicCollection([*topics]), request_timeout=seconds)
        return {topic: str(one.result().topic_id) for topic, one in found.items()}

    def ends(self, topic: str) -> list[int]:
        """The next offset of each partition."""
        return [end for _, end in self.bounds(topic)]

    def bounds(self, topic: str) -> list[tuple[int, int]]:
        """The first and the next offset of each partition."""
        return bounds(self._cluster, topic)

    def generation(self, topic: str) -> int:
        """The generation that the topic's newest records are in; 0 for an empty topic."""
        return newest_generation(self._cluster, topic)[0]

    def after(self, topic: str, places: Sequence[int]) -> Iterator[Record]:
        """What lies in the topic from these places on, by partition, to its present ends."""
        return records_after(self._cluster, topic, places)

    def send(self, records: Iterable[tuple[str, bytes, bytes, Headers]]) -> list[Receipt]:
        """Send and wait; the receipts of what was acknowledged in time, in any order. Raises SendFailed when the producer is beyond use."""
        receipts: list[Receipt] = []
        refused: set[str] = set()

        def answered(error: KafkaError | None, message: Message) -> None:
            if error is None:
                receipts.append(Receipt(str(message.topic()), int(message.partition() or 0), int(message.offset() or 0)))
            else:
                refused.add(error.name())

        try:
            for topic, key, value, headers in records:
                self._producer.produce(topic, value, key, headers=headers, on_delivery=answered)
        except (BufferError, KafkaException) as error:
            raise SendFailed(str(error)) from error
        self._producer.flush(SEND_SECONDS)
        if refused:
            _client_log.warning("the broker did not take every record: %s", ", ".join(sorted(refused)))
        return [self._placed(receipt) for receipt in receipts]

    def _placed(self, receipt: Receipt) -> Receipt:
        """A retry that the broker had stored already is acknowledged without an offset: the partition's end stands for it."""
        if receipt.offset >= 0:
            return receipt
        return Receipt(receipt.topic, receipt.partition, self.ends(receipt.topic)[receipt.partition] - 1)

    def send_soon(self, topic: str, key: bytes, value: bytes) -> None:
        """Send without waiting: for statements, of which the next one says more."""
        try:
            self._producer.produce(topic, value, key)
            self._producer.poll(0)
        except (BufferError, KafkaException) as error:
            raise SendFailed(str(error)) from error

    def close(self) -> None:
        """Drop what was not acknowledged; it is still in the outbox."""
        self._producer.purge()
        self._producer.flush(1.0)


def bounds(cluster: Cluster, topic: str) -> list[tuple[int, int]]:
    """The first and the next offset of each partition."""
    with _probe(cluster) as probe:
        return _bounds(probe, topic)


def newest_records(cluster: Cluster, topic: str) -> list[Record]:
    """The last record of each partition that has any. Raises KafkaException where the broker doesn't give them in time."""
    with _probe(cluster) as probe:
        ends = {part: high - 1 for part, (low, high) in enumerate(_bounds(probe, topic)) if high > low}
        probe.assign([TopicPartition(topic, part, offset) for part, offset in ends.items()])
        found: dict[int, Record] = {}
        end = monotonic() + ASK_SECONDS
        while len(found) < len(ends):
            if monotonic() > end:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
            message = probe.poll(0.2)
            record = None if message is None else _record(message)
            if record is not None:
                found[record.partition] = record
        return list(found.values())


def records_after(cluster: Cluster, topic: str, places: Sequence[int]) -> Iterator[Record]:
    """From these places on, by partition, to the present ends. Raises KafkaException where the broker doesn't give them in time."""
    with _probe(cluster, tells_end=True) as probe:
        begins = [
            (part, max(low, place), high) for part, ((low, high), place) in enumerate(zip(_bounds(probe, topic), places, strict=True))
        ]
        left = {part: high for part, begin, high in begins if begin < high}
        probe.assign([TopicPartition(topic, part, begin) for part, begin, _ in begins if part in left])
        end = monotonic() + ASK_SECONDS
        while left:
            if monotonic() > end:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
            message = probe.poll(0.2)
            if message is None:
                continue
            part, ended = int(message.partition() or 0), message.error()
            if ended is not None and ended.code() == KafkaError._PARTITION_EOF:
                left.pop(part, None)
            elif (record := _record(message)) is not None and record.offset < left.get(part, 0):
                end = monotonic() + ASK_SECONDS
                yield record


def newest_generation(cluster: Cluster, topic: str) -> tuple[int, tuple[int, ...]]:
    """The highest generation among the last records of the topic's partitions, and where it began; 0 where none of them is an event."""
    found: list[tuple[int, tuple[int, ...]]] = [(0, ())]
    for record in newest_records(cluster, topic):
        try:
            found.append((from_headers(record.headers, topic=topic, key=record.key).generation, began(record.headers)))
        except InvalidEnvelope:
            continue
    return max(found)


class Ends:
    """Asks, again and again, where topics end. It has no client until it is first asked."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._admin: AdminClient | None = None

    def of(self, topics: Mapping[str, int]) -> dict[Partition, int]:
        """The next offset of each partition of these topics, by their number of partitions; those that don't answer yet are left out.

        Raises BrokerFailure.
        """
        common: dict[str, Any] = {**self._cluster.client(), "logger": _client_log}
        self._admin = self._admin or AdminClient(common)
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # its stubs leave it out
        wanted = {TopicPartition(topic, part): latest for topic, parts in topics.items() for part in range(parts)}
        found: dict[Partition, int] = {}
        for place, answer in (self._admin.list_offsets(wanted, request_timeout=LOOK_SECONDS) if wanted else {}).items():
            try:
                found[place.topic, place.partition] = answer.result().offset
            except KafkaException as error:
                if error.args[0].code() not in _NOT_YET:
                    raise
        return found

    def close(self) -> None:
        self._admin = None


@contextmanager
def _probe(cluster: Cluster, *, tells_end: bool = False) -> Iterator[Consumer]:
    """A consumer that asks and leaves: it belongs to no group's members."""
    probe = Consumer(_reading(cluster, "continuum-probe") | {"enable.partition.eof": tells_end})
    try:
        yield probe
    finally:
        probe.close()


def _bounds(probe: Consumer, topic: str) -> list[tuple[int, int]]:
    end = monotonic() + ASK_SECONDS
    while True:
        try:
            found = probe.list_topics(topic, timeout=ASK_SECONDS).topics[topic]
            if found.error is not None:
                raise KafkaException(found.error)
            partitions = found.partitions
            return [probe.get_watermark_offsets(TopicPartition(topic, part), timeout=ASK_SECONDS) for part in sorted(partitions)]
        except KafkaException as error:
            if error.args[0].code() not in _NOT_YET or monotonic() > end:
                raise
            sleep(0.05)


Place = Callable[[Sequence[Partition]], dict[Partition, int]]
"""Where to begin in each partition, by what our database has applied."""


class TopicMadeAgain(Exception):
    """A topic is another one than when its reader began: read it by a new client."""


class _Identities:
    """Which topics a client began with. One that was made again has lower leader epochs, which librdkafka takes for old news: it would
    wait for ever, without a word, where the topic before it had been through a restart of its broker."""

    def __init__(self, cluster: Cluster, topics: Sequence[str]) -> None:
        common: dict[str, Any] = {**cluster.client(), "logger": _client_log}
        self._admin = AdminClient(common)
        self._topics = TopicCollection(list(topics))
        self._known: dict[str, str] = {}
        self._due = 0.0

    def look(self) -> None:
        """Every few seconds. Raises TopicMadeAgain; a topic that is away, or a broker that doesn't answer, is asked for again."""
        if monotonic() < self._due:
            return
        for topic, answer in self._admin.describe_topics(self._topics, request_timeout=LOOK_SECONDS).items():
            try:
                found = str(answer.result().topic_id)
            except KafkaException:
                continue
            if self._known.setdefault(topic, found) != found:
                raise TopicMadeAgain(topic)
        self._due = monotonic() + LOOK_SECONDS


class Reader:
    """The reading side of one track: a group member that begins where `place` says, never where the group does.

    A member has the same partitions of every topic, so all of a case is read by one, who waits for no other. The group deals them out in
    the order of the members' names, which is that of their beginnings: one that joins moves few.
    """

    def __init__(self, cluster: Cluster, group: str, topics: Sequence[str], place: Place) -> None:
        self._place = place
        self.name = f"{group}.{uuid7().hex}"
        self._identities = _Identities(cluster, topics)
        self._next: dict[Partition, int] = {}
        self._consumer = Consumer(
            {**_reading(cluster, group), **cluster.member(), "partition.assignment.strategy": "range", "client.id": self.name}
        )
        self._consumer.subscribe(list(topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        begin = self._place([(p.topic, p.partition) for p in partitions])
        for partition in partitions:
            partition.offset = begin[partition.topic, partition.partition]
        self._next |= begin
        consumer.assign(partitions)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._next.clear()
        consumer.unassign()

    def batch(self, limit: int, seconds: float, more: float = 0) -> list[Record]:
        """What is there, up to `limit`; waits for the first record, and `more` seconds for others that come with it. Raises OutOfReach
        where the log doesn't have what comes next, and TopicMadeAgain."""
        self._identities.look()
        records = _batch(self._consumer, limit, seconds, more)
        for record in records:
            if (record.topic, record.partition) in self._next:
                self._next[record.topic, record.partition] = record.offset + 1
        return records

    @property
    def next(self) -> dict[Partition, int]:
        """The offset that comes next in each of our partitions."""
        return dict(self._next)

    def seek(self, place: Mapping[Partition, int]) -> None:
        """Go back, or on, to these offsets."""
        for (topic, partition), offset in place.items():
            self._consumer.seek(TopicPartition(topic, partition, offset))
            self._next[topic, partition] = offset

    def close(self) -> None:
        self._consumer.close()


class NewestRecords:
    """The last records of topics of one partition, and all that come after them, without a group: for watermarks."""

    def __init__(self, cluster: Cluster, topics: Sequence[str], last: int) -> None:
        self._consumer, self._topics = Consumer(_reading(cluster, "continuum-watermarks")), len(topics)
        self._consumer.assign([TopicPartition(topic, 0, _BEFORE_END - last) for topic in topics])
        self._identities = _Identities(cluster, topics)

    def batch(self, seconds: float, more: float = 0) -> list[Record]:
        """What is there; waits for the first, and at most `more` seconds for one of each topic. Raises TopicMadeAgain."""
        self._identities.look()
        few = _batch(self._consumer, self._topics, seconds, more)
        return few + _batch(self._consumer, 500, 0) if few else few

    def close(self) -> None:
        self._consumer.close()


_BEFORE_END = -2000
"""librdkafka's RD_KAFKA_OFFSET_TAIL: less n it means n records before the end, or the beginning, where there are fewer."""


def _reading(cluster: Cluster, group: str) -> dict[str, Any]:
    return {
        **cluster.client(),
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "fetch.message.max.bytes": 1_048_576,
        "logger": _client_log,
    }


def _batch(consumer: Consumer, limit: int, seconds: float, more: float = 0) -> list[Record]:
    if (first := consumer.poll(seconds)) is None:
        return []
    messages, records = [first, *consumer.consume(limit - 1, more)], []
    messages.reverse()
    while messages:  # each is dropped once it is read: what the client makes of a batch is more than a processor has at hand
        if (record := _record(messages.pop())) is not None:
            records.append(record)
    return records


def _record(message: Message) -> Record | None:
    if (error := message.error()) is None:
        topic, part, offset = cast(tuple[str, int, int], (message.topic(), message.partition(), message.offset()))
        return Record(intern(topic), part, offset, message.key(), message.value(), headers_of(message))
    if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
        raise OutOfReach(str(message.topic()), int(message.partition() or 0))
    if error.code() == KafkaError.INVALID_SESSION_TIMEOUT:
        raise LogBroken("the broker refuses KAFKA_SESSION_SECONDS: group.min.session.timeout.ms and group.max. say there what it takes")
    if error.fatal():
        raise KafkaException(error)
    _client_log.warning("the broker said %s; the client goes on", error.name())
    return None
