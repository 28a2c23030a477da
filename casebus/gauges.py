"""What a service is like now: looked up every few seconds, for /metrics. A scrape asks nobody; each query costs the same at any size.

A count stops at COUNTED, and reads no more than that. When the database or the broker doesn't answer, that is told too, and
the others keep what they were.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Event as Signal
from time import time

from sqlalchemy import Connection, Engine, text

from casebus import metrics, telemetry
from casebus.inbox import places
from casebus.kafka import BrokerFailure, Ends
from casebus.track import Track

EVERY_SECONDS = 5.0
COUNTED = 10_000
_OUTBOX = text("""
    WITH waiting AS (SELECT id, recorded_at FROM own.unsent ORDER BY id LIMIT :counted)
    SELECT count(*) AS waiting, extract(epoch FROM own.system_time() - (SELECT recorded_at FROM waiting ORDER BY id LIMIT 1)) AS oldest,
      (SELECT max(id) FROM own.outbox) - min(id) + 1 AS span FROM waiting""")

log = telemetry.logger(__name__)


@dataclass(kw_only=True)
class Gauges:
    """A job of every process. `stopped` says which parts of it a person has to mend; `more` looks up what only this service has."""

    engine: Engine
    ends: Ends
    owner: str
    tracks: Iterable[Track]
    stopped: Callable[[], Mapping[str, bool]]
    more: Callable[[Connection], None] = lambda _: None
    _following: dict[str, dict[tuple[str, int], int]] = field(default_factory=dict)

    def run(self, stop: Signal) -> None:
        metrics.POOL_IN_USE.labels(self.owner).set_function(self.engine.pool.checkedout)  # type: ignore[attr-defined]  # of a QueuePool, as database.connect makes it
        try:
            while not stop.is_set():
                self.turn()
                stop.wait(EVERY_SECONDS)
        finally:
            self.ends.close()

    def turn(self) -> None:
        """Look once."""
        for part, is_stopped in self.stopped().items():
            metrics.STOPPED.labels(part).set(is_stopped)
        metrics.DATABASE_UP.labels(self.owner).set(self._look_up())
        metrics.BROKER_UP.labels(self.owner).set(self._look_at_log())
        metrics.LOOKED.labels(self.owner).set(time())

    def _look_up(self) -> bool:
        try:
            with self.engine.begin() as connection:
                connection.execute(text("SET LOCAL statement_timeout = '2s'"))
                self._outbox(connection)
                for track in self.tracks:
                    self._track(connection, track)
                self.more(connection)
        except Exception as error:  # noqa: BLE001  # whatever it is, it must not end the looking
            log.warning("states can't be looked up", error=type(error).__name__)
            return False
        return True

    def _outbox(self, connection: Connection) -> None:
        found = connection.execute(_OUTBOX, {"counted": COUNTED}).one()
        metrics.UNPUBLISHED.labels(self.owner).set(found.waiting if found.waiting < COUNTED else max(found.waiting, found.span))
        metrics.OLDEST.labels(self.owner).set(max(0.0, float(found.oldest or 0)))

    def _track(self, connection: Connection, track: Track) -> None:
        schema = track.schema
        metrics.PARKED.labels(track.group).set(counted(connection, f"{schema}.parked"))
        metrics.QUARANTINED.labels(track.group).set(counted(connection, f"{schema}.quarantine WHERE state = 'OPEN'"))
        self._following[track.group] = {place: following for place, (following, _) in places(connection, schema).items()}

    def _look_at_log(self) -> bool:
        """The lag is the log's end, by the broker, less the track's place, by the database: true also while the track stands still."""
        try:
            ends = self.ends.of({topic: parts for track in self.tracks for topic, parts in track.topics.items()})
        except BrokerFailure:  # the relay and the tracks say so in the log
            return False
        for group, following in self._following.items():
            for (topic, part), place in following.items():
                if (topic, part) in ends:
                    metrics.LAG.labels(group, topic, part).set(max(0, ends[topic, part] - place))
        return True


def counted(connection: Connection, rows: str) -> int:
    """How many rows, up to COUNTED."""
    found: int = connection.execute(text(f"SELECT count(*) FROM (SELECT FROM {rows} LIMIT {COUNTED}) AS found")).scalar_one()
    return found
