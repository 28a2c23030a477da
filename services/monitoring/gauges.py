"""What only monitoring is like now: its clocks, its open alerts, for whom it is blind. Queries of bounded cost (casebus/gauges.py)."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from casebus.contracts.monitoring import Rung
from casebus.gauges import COUNTED, counted
from casebus.watermark import reached
from services.monitoring import metrics
from services.monitoring.rules import RULES

_DUE = text("""
    SELECT count(*) FROM (
      SELECT FROM unnest(CAST(:parts AS int[]), CAST(:moments AS timestamptz[])) AS w (part, reached),
        (VALUES (true), (false)) AS a (ahead) CROSS JOIN LATERAL (
        SELECT FROM copy.watch WHERE watch.part = w.part AND watch.ahead = a.ahead AND look_at < w.reached
          AND NOT EXISTS (SELECT FROM own.held_case h WHERE h.case_id = watch.case_id)
        ORDER BY look_at LIMIT :counted) c LIMIT :counted) found""")
_ESTIMATE = text("SELECT reltuples FROM pg_class WHERE oid = CAST('copy.watch_look_at' AS regclass)")
_OLDEST = text("""
    SELECT coalesce(extract(epoch FROM clock_timestamp() - min(next_at)), 0) FROM own.delivery
    WHERE state = 'QUEUED' AND next_at <= clock_timestamp()""")
_OPEN = text("""
    SELECT rule, rung, (SELECT count(*) FROM (
      SELECT FROM own.alert WHERE is_open AND alert.rule = r.rule AND alert.rung = g.rung LIMIT :counted) found) AS open
    FROM unnest(CAST(:rules AS text[])) AS r (rule), unnest(CAST(:rungs AS text[])) AS g (rung)""")


@dataclass(frozen=True)
class States:
    """Of these owners. It remembers which alerts it has told of, to tell when none of them is open any more."""

    owners: tuple[str, ...]
    _told: set[tuple[str, str]] = field(default_factory=set)

    def look_up(self, connection: Connection) -> None:
        """Set monitoring's gauges."""
        metrics.CLOCKS_ARMED.set(_armed(connection))
        metrics.CLOCKS_DUE.set(_due(connection))
        _tell_of_notifications(connection)
        blind = set(connection.execute(text("SELECT owner FROM own.blindness")).scalars())
        for owner in self.owners:
            metrics.BLIND.labels(owner).set(owner in blind)
        values = {"rules": [rule.name for rule in RULES], "rungs": [rung.value for rung in Rung], "counted": COUNTED}
        for rule, rung, count in connection.execute(_OPEN, values):
            if count or (rule, rung) in self._told:
                self._told.add((rule, rung))
                metrics.OPEN_ALERTS.labels(rule, rung).set(count)


def _armed(connection: Connection) -> int:
    found = counted(connection, "copy.watch WHERE look_at IS NOT NULL")
    return found if found < COUNTED else max(found, int(connection.execute(_ESTIMATE).scalar_one()))


def _due(connection: Connection) -> int:
    known = reached(connection).partitions
    parts = sorted(known)
    values = {"parts": parts, "moments": [known[part] for part in parts], "counted": COUNTED}
    found: int = connection.execute(_DUE, values).scalar_one()
    return found


def _tell_of_notifications(connection: Connection) -> None:
    waiting = {"WAITING": "own.notification", "QUEUED": "own.delivery", "DEAD": "own.delivery"}
    for state, table in waiting.items():
        metrics.NOTIFICATIONS.labels(state).set(counted(connection, f"{table} WHERE state = '{state}'"))
    metrics.NOTIFICATION_OLDEST.set(connection.execute(_OLDEST).scalar_one())
