"""The loop of a track: poll a batch, apply it in one transaction, go on. A batch that fails goes record by record: a bad one costs itself.

What passes (a database that restarts) is retried in place. A record that goes on failing, or a log that lost records, stops the track; it
says so, and looks again every few seconds whether a person has mended it: nothing is skipped.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf
from threading import Event as Signal
from threading import Thread
from time import monotonic

from sqlalchemy import Engine

from casebus import metrics, telemetry, tracing
from casebus.cluster import Cluster
from casebus.database import unavailable
from casebus.errors import BeginAgain, LogBroken, OutOfReach
from casebus.inbox import enter_generation, places
from casebus.kafka import Partition, Reader, Record, bounds, name_of, newest_generation
from casebus.membership import unread
from casebus.track import Parsed, Tally, Track

RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
TRIES = 60
"""How often one record is tried before the track stops: about five minutes."""
LOOK_SECONDS = 1.0
"""How often a track that has nothing to read looks whether its place was moved under it (`rebuild`, a new generation)."""
STOPPED_SECONDS = 5.0
ALONE_SECONDS = 30.0
"""How long a member is without any partition until it asks whether the others have them all. If not it joins anew: the client was seen to
wait for good when its broker had left."""
GIVES_WAY_SECONDS = 20.0
"""How long a batch waits at most for what goes before it."""
PATIENT_SECONDS = 20.0
"""How long a track takes its time with many records of which it handles few."""
RESTS, LONGEST_REST = 2.0, 0.25
"""How long a rest is (`rest_after`), by how long the work took that it follows, and at most."""
QUICK_SECONDS, LONGEST_IN_A_FLOOD = 0.004, 1.0
"""After a batch of which hardly anything is handled the rest is as long as the batch if that took so long, and grows by the square, to at
most a second: nobody waits for such records, and who has the processor for what others wait for is soon done with them."""
FLOW_SECONDS = 0.5
"""Where nothing came for so long, a record does not wait for more: none is on its way."""
HOLES = 3
"""How often the same records may seem to be missing before they are: a rebalance may show it once."""

log = telemetry.logger(__name__)


def rest_after(seconds: float, longest: float = LONGEST_REST) -> float:
    """How long to wait for what comes next, to take it together, after work that took so long: a batch costs as much as many records."""
    return min(seconds * RESTS, longest)


class _UnderWay(Thread):
    """A batch on its way into the database: a full one in a thread of its own, while the next is read.

    One that hangs doesn't hold the process at its end.
    """

    def __init__(self, apply: Callable[["_UnderWay"], Tally], batch: Sequence[Parsed], read_in: Mapping[str, int]) -> None:
        super().__init__(name="batch", daemon=True)
        self._work, self.batch, self.read_in = apply, batch, read_in
        self._tally: Tally | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            self._tally = self._work(self)
        except Exception as error:  # noqa: BLE001  # whoever waits for the batch gets it
            self._error = error

    def result(self) -> Tally:
        """Waits until it is there; raises what it ended with."""
        if self.is_alive():
            self.join()
        if self._error is not None:
            raise self._error
        assert self._tally is not None  # it ended with the one or the other
        return self._tally


class Alone(Exception):
    """The reader has had no partition for long, and no other has all of them: the client waits for what doesn't come."""


class Consumer:
    """Runs one track until `stop` is set. `stopped_because` says what a person has to mend, for /readyz; None while all is well."""

    def __init__(self, engine: Engine, cluster: Cluster, track: Track, busy: Callable[[], bool] = lambda: False) -> None:
        """While `busy`, something more urgent has the processor: a batch then waits a while."""
        self._engine, self._cluster, self._track, self._busy = engine, cluster, track, busy
        self._schema = track.schema
        self._holes: Counter[str] = Counter()
        self._looked = 0.0
        self._held = 0.0
        self._gathers = 0.0
        self._flows_until = -inf
        self._rests_until = 0.0
        self._kept_up = -inf
        self._under_way: _UnderWay | None = None
        self._generations: Mapping[str, int] = {}
        self.stopped_because: str | None = None

    @property
    def name(self) -> str:
        return self._track.group

    def run(self, stop: Signal) -> None:
        """Returns when `stop` is set, and only then."""
        while not stop.is_set():
            try:
                self._read(stop)
            except (LogBroken, OutOfReach) as error:
                self._stopped(error, stop)
            except Exception as error:  # noqa: BLE001  # a broker or a database that is away: begin again until it is back
                log.warning("track begins again", track=self._track.group, error=name_of(error))
                stop.wait(0.5)

    def _stopped(self, error: Exception, stop: Signal) -> None:
        try:
            self._find_reach(error)
            stop.wait(0.5)
        except LogBroken as lasting:
            if self.stopped_because != str(lasting):
                log.error("track stopped", track=self._track.group, reason=str(lasting))
            self.stopped_because = str(lasting)
            stop.wait(STOPPED_SECONDS)
        except Exception as passing:  # noqa: BLE001  # the broker or the database didn't answer: look again
            log.warning("track begins again", track=self._track.group, error=name_of(passing))
            stop.wait(0.5)

    def _find_reach(self, error: Exception) -> None:
        """Enter a new generation, if the log has one. Raises LogBroken otherwise, and passes on what is lasting already."""
        if not isinstance(error, OutOfReach):
            raise error
        generation, began = newest_generation(self._cluster, error.topic)
        with self._engine.begin() as connection:
            if enter_generation(connection, self._schema, error.topic, generation, began):
                return
            following = places(connection, self._schema)[error.topic, error.partition][0]
        low, high = bounds(self._cluster, error.topic)[error.partition]
        if not low <= following <= high:
            raise LogBroken(
                f"{error.topic}/{error.partition} holds {low} to {high}, next is {following}: records are lost. Run `continuum reseed`"
            )

    def _read(self, stop: Signal) -> None:
        with self._engine.begin() as connection:
            self._track.prepare(connection)
            self._generations = _generations(places(connection, self._schema))
        self._holes.clear()
        self._under_way = None
        self._held = monotonic()
        reader = Reader(self._cluster, self._track.group, sorted(self._track.topics), self._place)
        try:
            while not stop.is_set():
                self._turn(reader, stop)
        finally:
            reader.close()

    def _place(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """Where to go on, by the database."""
        with self._engine.begin() as connection:
            known = places(connection, self._schema)
        for topic, part in partitions:
            if (topic, part) not in known:
                raise LogBroken(f"{topic} has a partition {part} that schemas/topics does not declare: make new topics and reseed")
        self._generations = _generations(known)
        return {partition: known[partition][0] for partition in partitions}

    def _turn(self, reader: Reader, stop: Signal) -> None:
        """Read the next batch, also while a full one before it is on its way; then apply it."""
        self._give_way(stop)
        self._rest(stop)
        read_in = self._generations  # as it was before: while it polls, partitions may change hands
        waits = (0.0, 0.0) if self._under_way else (0.2, self._gathers if monotonic() < self._flows_until else 0.0)
        batch = [self._track.parse(record) for record in reader.batch(self._track.most, *waits)]
        if not self._arrived(reader, stop):
            return None  # the reader went back: what was read ahead comes again
        if not batch:
            return self._look(reader)
        self._under_way = _UnderWay(self._apply, batch, read_in)
        began, full = monotonic(), len(batch) == self._track.most
        handled = sum(one.event is not None for one in batch)
        patient = handled * 10 < len(batch) and began < self._kept_up + PATIENT_SECONDS
        if full and not patient:
            self._gathers = 0.0
            return self._under_way.start()
        self._under_way.run()
        self._arrived(reader, stop)
        ended = monotonic()
        self._flows_until = ended + FLOW_SECONDS
        if not full:
            self._kept_up = ended
        if patient:
            self._rests_until = ended + min((ended - began) ** 2 / QUICK_SECONDS, LONGEST_IN_A_FLOOD)
        self._gathers = rest_after(ended - began) if handled * 10 < self._track.most else 0.0
        return None

    def _rest(self, stop: Signal) -> None:
        if self._under_way is None and (early := self._rests_until - monotonic()) > 0:
            stop.wait(early)

    def _give_way(self, stop: Signal) -> None:
        end = monotonic() + GIVES_WAY_SECONDS
        while self._busy() and monotonic() < end and not stop.is_set():
            stop.wait(0.05)

    def _apply(self, one: _UnderWay) -> Tally:
        with self._traced(one.batch):
            return self._track.apply_parsed(self._engine, one.batch, one.read_in)

    def _arrived(self, reader: Reader, stop: Signal) -> bool:
        """See the batch that is under way through; whether the reader stands where it stood."""
        if self._under_way is None:
            return True
        before, self._under_way = self._under_way, None
        try:
            self._count(before.result())
        except BeginAgain as error:
            self._begin_again(reader, error)
            return False
        except Exception as error:  # noqa: BLE001  # whatever it is, it is tried again record by record
            log.warning("batch failed, going one by one", track=self._track.group, error=type(error).__name__, records=len(before.batch))
            return self._one_by_one(reader, before, stop)
        return True

    @contextmanager
    def _traced(self, batch: Sequence[Parsed]) -> Iterator[None]:
        """A span for the batch, that links to what made its records."""
        group = self._track.group
        with tracing.span(f"process {group}", kind=tracing.Kind.CONSUMER, about=tracing.of_batch("process", len(batch))) as running:
            running.tell({"messaging.consumer.group.name": group})
            running.link(tracing.carried(parsed.record.headers) for parsed in tracing.some(batch))
            yield

    def _look(self, reader: Reader) -> None:
        """With nothing to read: is what stopped us mended, and has somebody moved our place? Do we still have partitions to read?

        Raises LogBroken while it isn't mended, and Alone.
        """
        if monotonic() < self._looked + LOOK_SECONDS:
            return
        self._looked = monotonic()
        here = reader.next
        if here:
            self._held = monotonic()
        elif monotonic() > self._held + ALONE_SECONDS:
            if unread(self._cluster, self._track.group, self._track.topics, but=reader.name):
                raise Alone
            self._held = monotonic()  # there are more workers than partitions
        if self.stopped_because is not None:  # the log may be filled again exactly as far as we were
            for topic, partition in here:
                self._find_reach(OutOfReach(topic, partition))
            self.stopped_because = None
        with self._engine.begin() as connection:
            known = places(connection, self._schema)
        if any(known[partition][0] != following for partition, following in here.items()):
            log.info("its place was moved: reading on from there", track=self._track.group)
            reader.seek(self._place(list(here)))

    def _begin_again(self, reader: Reader, why: BeginAgain) -> None:
        log.info("reading again from what the database says", track=self._track.group, reason=str(why))
        if why.generation:
            with self._engine.begin() as connection:
                enter_generation(connection, self._schema, why.topic, why.generation, why.began)
        self._holes[str(why)] += 1
        if self._holes[str(why)] > HOLES and not why.generation:
            raise LogBroken(f"{why}: the log has a hole there. Run `continuum reseed` at its owner")
        reader.seek(self._place(list(reader.next)))

    def _one_by_one(self, reader: Reader, before: _UnderWay, stop: Signal) -> bool:
        """Whether all of them are through, and the reader stands where it stood."""
        try:
            for parsed in before.batch:
                self._until_applied(parsed.record, before.read_in, stop)
                if stop.is_set():
                    return False
        except BeginAgain as error:
            self._begin_again(reader, error)
            return False
        return True

    def _until_applied(self, record: Record, read_in: Mapping[str, int], stop: Signal) -> None:
        """Try the record in place. A database that is away doesn't count as a try."""
        tries = 0
        while not stop.is_set():
            try:
                return self._count(self._track.apply(self._engine, [record], read_in))
            except BeginAgain:
                raise
            except Exception as error:  # noqa: BLE001  # it is retried; what lasts stops the track below
                kind = type(error).__name__
                tries += not unavailable(error)
            log.warning("record failed", track=self._track.group, error=kind, topic=record.topic, offset=record.offset)
            if tries >= TRIES:
                raise LogBroken(f"{record.topic}/{record.partition} offset {record.offset} failed {tries} times ({kind}): mend it")
            stop.wait(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
        return None

    def _count(self, tally: Tally) -> None:
        self.stopped_because = None
        metrics.count_batch(self._track.group, tally.applied, tally.duplicates, tally.parked, tally.quarantined)


def _generations(known: Mapping[Partition, tuple[int, int]]) -> dict[str, int]:
    """Of each topic, by what is known of its partitions."""
    return {topic: generation for (topic, _), (_, generation) in known.items()}
