"""The relay of one service: outbox → Kafka, and the statements that say how far (docs/architecture.md, "Caught up, exactly").

A statement (owner, generation, T, next) says: every event recorded before T is in the owner's case topic of that generation, below next[p]
in partition p. A barrier (T, b) is the clock's floor, committed, and a transaction number taken after that. Whoever has a number ≥ b reads
the clock after the floor was set, so records ≥ T; whoever has a smaller one is over once a snapshot's xmin ≥ b. Nothing else is assumed.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from casebus import outbox, telemetry, tracing
from casebus.codec import Codec
from casebus.contracts.casebus import Watermark
from casebus.database import planned_once
from casebus.envelope import Envelope, Headers, from_headers
from casebus.errors import InvalidEvent, LogBroken
from casebus.inbox import GREATEST
from casebus.kafka import SEND_SECONDS, Log, Receipt, Record, SendFailed
from casebus.topics import Topic

BATCH = 2000
LOCK = 7_310_001
"""The advisory lock of a database's one relay."""
Sent = tuple[str, bytes, bytes, Headers]
_BARRIER = text("UPDATE own.timebase SET floor = own.system_time() RETURNING floor, (SELECT max(id) FROM own.outbox)")
_SNAPSHOT = text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, (SELECT max(id) FROM own.unsent)")
_MARK = text(f"""
    WITH moved AS (
      UPDATE own.stream SET next = CAST(n.next AS bigint[])
      FROM unnest({planned_once("topics", "text[]")}, {planned_once("nexts", "text[]")}) AS n (topic, next) WHERE stream.topic = n.topic
    ), whole AS (
      SELECT int8multirange(int8range(0, upto, '[]')) + beyond + CAST(:sent AS int8multirange) AS ids FROM own.sent
    ), first AS (
      SELECT ids, (SELECT each FROM unnest(ids) AS each ORDER BY each LIMIT 1) AS range FROM whole
    )
    UPDATE own.sent SET upto = upper(range) - 1, beyond = ids - int8multirange(range) FROM first RETURNING NOT isempty(beyond)""")
log = telemetry.logger(__name__)


class RelayRuns(Exception):
    """A relay is at work on this database."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What of one topic is in Kafka: of this generation nothing stands in partition p before `began[p]`, nor after `next[p]`."""

    topic: str
    generation: int
    topic_id: str
    next: tuple[int, ...]
    began: tuple[int, ...] = ()

    def after(self, receipts: list[Receipt]) -> "Stream":
        """Raises LogBroken where the broker acknowledged at a place that was ours before: the log is not the one we knew."""
        ends = list(self.next)
        for receipt in receipts:
            if receipt.offset < self.next[receipt.partition]:
                raise LogBroken(f"{self.topic}/{receipt.partition} went back to offset {receipt.offset}: run `continuum reseed`")
            ends[receipt.partition] = max(ends[receipt.partition], receipt.offset + 1)
        return replace(self, next=tuple(ends))


class Barrier(NamedTuple):
    """Once no transaction below `number` is open, all that was recorded before `moment` is there, and all of the outbox up to `newest`."""

    moment: datetime
    newest: int | None
    number: int


class Relay:
    """One at a time per database (advisory lock). Lives as long as its session: then come a new Relay, new barriers, a new producer.

    Each of its statements is a transaction of its own (`claim`): at rest it asks twenty times a second.
    """

    def __init__(self, connection: Connection, log: Log, topics: dict[str, Topic], owner: str, codec: Codec) -> None:
        self._connection, self._log, self._codec, self._owner = connection, log, codec, owner
        self._case_topic = f"{owner}.case.v1"
        self._barriers: deque[Barrier] = deque()
        self._skipped = True
        """Whether a number may be between those that are sent, of a transaction that is open or was rolled back."""
        self._streams = {name: self._begin(topic) for name, topic in topics.items()}

    def _begin(self, topic: Topic) -> Stream:
        """The stream as the database knows it, refused where the broker's topic is another one or shorter than what it acknowledged."""
        identity, ends = self._log.topic_ids([topic.name])[topic.name], tuple(self._log.ends(topic.name))
        if len(ends) != topic.partitions:
            raise LogBroken(f"{topic.name} has {len(ends)} partitions, not {topic.partitions}: make new topics and reseed")
        found = self._connection.execute(
            text("SELECT topic, generation, topic_id, next, began FROM own.stream WHERE topic = :t"), {"t": topic.name}
        ).first()
        if found is None:
            return self._begin_first(Stream(topic.name, self._log.generation(topic.name) + 1, identity, ends, ends))
        stream = Stream(found.topic, found.generation, found.topic_id, tuple(found.next), tuple(found.began))
        if stream.topic_id != identity or any(end < known for end, known in zip(ends, stream.next, strict=True)):
            raise LogBroken(f"{topic.name} is another topic, or shorter than what it acknowledged: run `continuum reseed`")
        self._must_be_ours(stream)
        return stream

    def _must_be_ours(self, stream: Stream) -> None:
        """After what we marked lies at most what a relay before us sent and could not mark. Anything else this database has forgotten:

        it was restored to an earlier time. Going on would give numbers again that others have heard with another meaning.
        """
        later = self._log.after(stream.topic, stream.next)
        while batch := list(islice(later, BATCH)):
            said = [envelope for envelope in map(self._envelope, batch) if envelope is not None]
            strangers = outbox.unstated(self._connection, stream.topic, said)
            if strangers or any(envelope.generation > stream.generation for envelope in said):
                raise LogBroken(
                    f"{stream.topic} holds events that this database does not know: it was restored to an earlier time, or somebody else"
                    " wrote them. Read the runbook, Back up and restore, before anything else"
                )

    def _envelope(self, record: Record) -> Envelope | None:
        """None for rubbish, which readers put into quarantine."""
        try:
            envelope = from_headers(record.headers, topic=record.topic, key=record.key)
            event = self._codec.decode(record.value)
        except InvalidEvent:
            return None
        whole = (event.TYPE, event.subject) == (envelope.type, envelope.subject)
        return envelope if whole and max(envelope.case_seq, envelope.generation) <= GREATEST else None

    def _begin_first(self, stream: Stream) -> Stream:
        """A database that never sent anything. What is in the topic is another one's: what that one stated must not count for us."""
        if any(stream.next):
            log.warning("the topic holds events of another database", topic=stream.topic, generation=stream.generation)
        self._connection.execute(
            text(
                "INSERT INTO own.stream (topic, generation, topic_id, next, began)"
                " VALUES (:t, :g, :i, CAST(:n AS bigint[]), CAST(:n AS bigint[]))"
            ),
            {"t": stream.topic, "g": stream.generation, "i": stream.topic_id, "n": list(stream.next)},
        )
        return stream

    def barrier(self) -> None:
        """Promise that nothing will be recorded below T any more, and remember by which transaction number that holds.

        It holds of the outbox too: whoever got a number below its newest had a transaction's number before (own.emit), so a smaller one.
        """
        moment, newest = self._connection.execute(_BARRIER).one()
        number = self._connection.execute(text("SELECT pg_current_xact_id()::text::bigint")).scalar_one()
        self._barriers.append(Barrier(moment, newest, number))

    def drain(self) -> int:
        """Send to the end of the outbox as one snapshot saw it, then state the newest barrier that this proves. Returns the events sent."""
        xmin, top = self._connection.execute(_SNAPSHOT).one()
        sent, rows = 0, self._read(0, top) if top is not None else []
        while rows:
            if not sent:
                self._look()
            sent, rows = sent + len(rows), self._publish(rows, top)
        self._state(xmin)
        return sent

    def _look(self) -> None:
        """Raises LogBroken where a topic was made again: what it held is gone, and what is sent now would pass for the beginning of it."""
        for topic, identity in self._log.topic_ids(self._streams, SEND_SECONDS).items():
            if identity != self._streams[topic].topic_id:
                raise LogBroken(f"{topic} was made again: run `continuum reseed`")

    def _state(self, xmin: int) -> None:
        proven = None
        while self._barriers and self._barriers[0].number <= xmin:
            proven = self._barriers.popleft()
        if proven is not None:
            self._look()
            if self._skipped and proven.newest is not None:  # what is not there up to it was rolled back
                self._remember([], f"[0,{proven.newest}]")
            stream = self._streams[self._case_topic]
            statement = Watermark(
                owner=self._owner, generation=stream.generation, recorded_before=proven.moment, next=stream.next, began=stream.began
            )
            self._log.send_soon(f"{self._owner}.watermark.v1", self._owner.encode(), self._codec.encode(statement))

    def _read(self, after: int, top: int) -> list[outbox.Row]:
        """What was committed later with a number before `after` is not of this snapshot: the next drain sends it."""
        return outbox.unpublished(self._connection, after, top, BATCH)

    def _publish(self, rows: list[outbox.Row], top: int) -> list[outbox.Row]:
        """Send a batch and wait for every answer; returns the next one. What fails is sent again, by the next Relay."""
        with tracing.span(f"send {self._case_topic}", kind=tracing.Kind.CLIENT, about=tracing.of_batch("send", len(rows))) as running:
            running.link(row.attributes.get("traceparent") for row in tracing.some(rows))
            return self._send(rows, top)

    def _send(self, rows: list[outbox.Row], top: int) -> list[outbox.Row]:
        generations = {name: (stream.generation, stream.began) for name, stream in self._streams.items()}
        following: list[outbox.Row] = []

        def records() -> Iterator[Sent]:
            for row in rows:
                yield row.topic, row.subject.encode(), row.value, row.headers(*generations[row.topic])
            if len(rows) == BATCH:  # read on while the broker works
                following.extend(self._read(rows[-1].id, top))

        receipts = self._log.send(records())
        if len(receipts) < len(rows):
            raise SendFailed(f"{len(rows) - len(receipts)} of {len(rows)} events were not acknowledged")
        self._mark(rows, receipts)
        return following

    def _mark(self, rows: list[outbox.Row], receipts: list[Receipt]) -> None:
        """The rows are in Kafka: remember it together with the next offset of each partition."""
        names = {row.topic for row in rows}
        moved = [self._streams[name].after([receipt for receipt in receipts if receipt.topic == name]) for name in names]
        self._streams |= {stream.topic: stream for stream in moved}
        self._remember(moved, ",".join(f"[{row.id},{row.id}]" for row in rows))

    def _remember(self, moved: list[Stream], sent: str) -> None:
        """Where the streams end, and which numbers are sent."""
        nexts = [f"{{{','.join(map(str, stream.next))}}}" for stream in moved]
        values = {"topics": [stream.topic for stream in moved], "nexts": nexts, "sent": f"{{{sent}}}"}
        self._skipped = self._connection.execute(_MARK, values).scalar_one()


def claim(connection: Connection) -> bool:
    """Whether this session is now the database's one relay; from here on each of its statements is a transaction of its own.

    A frozen relay's session ends after 5 s idle, and with it its claim.
    """
    connection.execution_options(isolation_level="AUTOCOMMIT")
    connection.execute(text("SET idle_session_timeout = '5s'"))
    held: bool = connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK}).scalar_one()
    connection.commit()
    return held


def reseed(engine: Engine, kafka: Log, topics: Mapping[str, Topic]) -> int:
    """After a log was lost or shortened: a new generation, and everything again.

    Readers begin where the log ends now, which each event and statement of the generation says; their inbox drops what they had.

    A new generation has sent nothing (bus_v9.sql). Returns how many events there are to send. A relay at work loses its claim, and goes on
    after it; raises RelayRuns if it won't.
    """
    with engine.begin() as connection:
        _hold_relays(connection)
        identities = kafka.topic_ids(topics)
        for name in topics:
            connection.execute(
                text(
                    "UPDATE own.stream SET generation = generation + 1, topic_id = :i, next = CAST(:n AS bigint[]),"
                    " began = CAST(:n AS bigint[]) WHERE topic = :t"
                ),
                {"i": identities[name], "n": kafka.ends(name), "t": name},
            )
        again: int = connection.execute(text("SELECT count(*) FROM own.unsent")).scalar_one()
        return again


def _hold_relays(connection: Connection) -> None:
    """No relay works until this transaction ends: one that does loses its session, and with it its claim."""
    connection.execute(text("SET LOCAL lock_timeout = '5s'"))
    connection.execute(
        text(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = :lock AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ),
        {"lock": LOCK},
    )
    try:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    except OperationalError as error:
        raise RelayRuns("a relay at work on this database does not let go: stop the service first") from error
