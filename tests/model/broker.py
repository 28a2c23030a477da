"""A Kafka in memory: topics with an identity, partitions whose beginnings may be cut off, and what senders left on the way."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from casebus import partition
from casebus.envelope import Headers, InvalidEnvelope, began, from_headers
from casebus.errors import OutOfReach
from casebus.kafka import Receipt, Record

PARTITIONS = 2
Sent = tuple[str, bytes, bytes, Headers]


class Killed(BaseException):
    """The process is gone: nothing in it catches this."""


class Frozen(Killed):
    """The process stands still, until after its session has ended. What it was sending goes out when it wakes, and nothing else."""


def partition_of(case: UUID) -> int:
    return partition.partition_of(str(case).encode(), PARTITIONS)


def as_read(headers: Headers) -> list[tuple[str, bytes]]:
    """What a reader gets of headers that were sent."""
    return [(name, value.encode() if isinstance(value, str) else value) for name, value in headers if value is not None]


@dataclass(slots=True)
class Part:
    low: int = 0
    records: list[Record] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.low + len(self.records)


@dataclass(slots=True)
class Topic:
    identity: int
    parts: list[Part] = field(default_factory=lambda: [Part() for _ in range(PARTITIONS)])


@dataclass(frozen=True, slots=True)
class Silent:
    """A partition of which no answer comes; what is sent there may arrive all the same."""

    part: int
    stores: bool


class Broker:
    """`stored` remembers where each event was first put in each generation of its topic's identity, whatever became of it since."""

    def __init__(self, *topics: str) -> None:
        self._made = 0
        self.topics: dict[str, Topic] = {}
        self.stored: dict[tuple[str, int, UUID, int], int] = {}
        self.late: list[tuple[int, Sent]] = []
        """What frozen senders had in hand, each with the topic's identity when they took it."""
        for name in topics:
            self.make(name)

    def make(self, name: str) -> None:
        """Anew, under the same name."""
        self._made += 1
        self.topics[name] = Topic(self._made)

    def trim(self, name: str, part: int, low: int) -> None:
        cut = self.topics[name].parts[part]
        if low > cut.low:
            del cut.records[: low - cut.low]
            cut.low = low

    def swap_last(self, name: str, part: int) -> None:
        """The last two records change places, if they are of one case."""
        records = self.topics[name].parts[part].records
        if len(records) > 1 and records[-1].key == records[-2].key:
            first, second = records[-2:]
            records[-2:] = [second._replace(offset=first.offset), first._replace(offset=second.offset)]

    def append(self, sent: Sent) -> Receipt:
        name, key, value, headers = sent
        number = partition_of(UUID(key.decode())) if key else 0
        part = self.topics[name].parts[number]
        raw = as_read(headers)
        part.records.append(Record(name, number, part.end, key, value, raw))
        try:
            said = from_headers(raw, topic=name, key=key)
            self.stored.setdefault((name, said.generation, said.subject, said.case_seq), part.end - 1)
        except InvalidEnvelope:
            pass
        return Receipt(name, number, part.end - 1)

    def read(self, name: str, number: int, offset: int, limit: int) -> list[Record]:
        """Raises OutOfReach as a client does."""
        part = self.topics[name].parts[number]
        if not part.low <= offset <= part.end:
            raise OutOfReach(name, number)
        return part.records[offset - part.low :][:limit]

    def bounds(self, name: str) -> list[tuple[int, int]]:
        return [(part.low, part.end) for part in self.topics[name].parts]

    def generation(self, name: str) -> tuple[int, tuple[int, ...]]:
        """The highest among the last records, and where it began, as casebus.kafka.newest_generation finds them."""
        found: list[tuple[int, tuple[int, ...]]] = [(0, ())]
        for part in self.topics[name].parts:
            if part.records:
                try:
                    said = from_headers(part.records[-1].headers, topic=name, key=part.records[-1].key)
                    found.append((said.generation, began(part.records[-1].headers)))
                except InvalidEnvelope:
                    continue
        return max(found)


class Log:
    """casebus.kafka.Log. `meanwhile` is called before each record is sent and before the answers come."""

    def __init__(self, broker: Broker, state: Callable[[Sent], None]) -> None:
        self._broker, self._state = broker, state
        self.meanwhile: Callable[[str], None] = lambda _: None
        self.silent: Silent | None = None

    def topic_ids(self, topics: Iterable[str], _: float = 0) -> dict[str, str]:
        return {topic: str(self._broker.topics[topic].identity) for topic in topics}

    def bounds(self, topic: str) -> list[tuple[int, int]]:
        return self._broker.bounds(topic)

    def ends(self, topic: str) -> list[int]:
        return [end for _, end in self.bounds(topic)]

    def generation(self, topic: str) -> int:
        return self._broker.generation(topic)[0]

    def after(self, topic: str, places: Sequence[int]) -> Iterator[Record]:
        for part, place in zip(self._broker.topics[topic].parts, places, strict=True):
            yield from part.records[max(0, place - part.low) :]

    def send(self, records: Iterable[Sent]) -> list[Receipt]:
        waiting = list(records)
        receipts = []
        while waiting:
            try:
                self.meanwhile("send")
            except Frozen:
                self._broker.late += [(self._broker.topics[topic].identity, (topic, *rest)) for topic, *rest in waiting]  # type: ignore[misc]
                raise
            sent = waiting.pop(0)
            silent = self.silent if self.silent and partition_of(UUID(sent[1].decode())) == self.silent.part else None
            if silent is None or silent.stores:
                receipt = self._broker.append(sent)
                receipts += [] if silent else [receipt]
        self.meanwhile("answer")
        return receipts

    def send_soon(self, topic: str, key: bytes, value: bytes) -> None:
        """A statement. Whether, when and how often it arrives is the test's."""
        try:
            self.meanwhile("send_soon")
        finally:
            self._state((topic, key, value, []))
