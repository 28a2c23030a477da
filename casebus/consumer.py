"""The loop of a track: poll a batch, apply it in one transaction, go on. If the batch fails it goes one record at a time, so a bad one costs itself.

What passes (a database that restarts) is retried in place; a record that goes on failing stops the track, which says so: nothing is skipped.
"""

from collections.abc import Sequence
from threading import Event as Signal

from sqlalchemy import Engine, text

from casebus import telemetry
from casebus.errors import BeginAgain, LogBroken
from casebus.inbox import enter_generation
from casebus.kafka import Reader, Record
from casebus.track import Tally, Track

BATCH = 500
RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
TRIES = 60
"""How often one record is tried before the track stops: about five minutes."""

log = telemetry.logger(__name__)


class Consumer:
    """Runs one track until `stop` is set."""

    def __init__(self, engine: Engine, bootstrap: str, track: Track) -> None:
        self._engine, self._bootstrap, self._track = engine, bootstrap, track
        self.stopped_because: str | None = None

    def run(self, stop: Signal) -> None:
        """Returns when stopped; a LogBroken, or a record that can't be applied, ends it with `stopped_because` for /readyz to show."""
        with self._engine.begin() as connection:
            self._track.prepare(connection)
        reader = Reader(self._bootstrap, self._track.group, sorted(self._track.topics), self._place)
        try:
            while not stop.is_set():
                self._turn(reader, stop)
        except LogBroken as error:
            self.stopped_because = str(error)
            log.error("track stopped", track=self._track.group, reason=str(error))
        finally:
            reader.close()

    def _place(self, partitions: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        with self._engine.begin() as connection:
            rows = connection.execute(text(f"SELECT topic, part, next FROM {self._track.schema}.position"))
            place = {(topic, part): following for topic, part, following in rows}
        return {partition: place[partition] for partition in partitions}

    def _turn(self, reader: Reader, stop: Signal) -> None:
        batch = reader.batch(BATCH, 0.2)
        if not batch:
            return
        try:
            self._count(self._track.apply(self._engine, batch))
        except BeginAgain as error:
            self._begin_again(reader, error)
        except LogBroken:
            raise
        except Exception as error:
            log.warning("batch failed, going one by one", track=self._track.group, error=type(error).__name__, records=len(batch))
            self._one_by_one(reader, batch, stop)

    def _begin_again(self, reader: Reader, why: BeginAgain) -> None:
        log.info("reading again from what the database says", track=self._track.group, reason=str(why))
        if why.generation:
            with self._engine.begin() as connection:
                enter_generation(connection, self._track.schema, why.topic, why.generation)
        _refuse_lost(reader, self._place(reader.assigned()))
        reader.seek()

    def _one_by_one(self, reader: Reader, batch: Sequence[Record], stop: Signal) -> None:
        for record in batch:
            last = ""
            for attempt in range(TRIES):
                if stop.is_set():
                    return None
                try:
                    self._count(self._track.apply(self._engine, [record]))
                    break
                except BeginAgain as error:
                    return self._begin_again(reader, error)
                except Exception as error:
                    last = type(error).__name__
                    log.warning("record failed", track=self._track.group, error=last, topic=record.topic, offset=record.offset)
                    stop.wait(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
            else:
                raise LogBroken(
                    f"{record.topic}/{record.partition} offset {record.offset} failed {TRIES} times ({last}): mend it and start again"
                )

    def _count(self, tally: Tally) -> None:
        telemetry.count_batch(self._track.group, tally.applied, tally.duplicates, tally.parked, tally.quarantined)


def _refuse_lost(reader: Reader, place: dict[tuple[str, int], int]) -> None:
    """Stop where the log begins after our place: what lies between is gone. A place of zero in a new generation begins where the log does."""
    for (topic, partition), following in place.items():
        low, _ = reader.bounds(topic, partition)
        if following < low:
            raise LogBroken(f"{topic}/{partition} begins at {low}, applied to {following}: run `continuum reseed` at its owner")
