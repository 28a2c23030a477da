"""MONITORING_BLIND: where an owner states nothing, or its log isn't read, monitoring can't know. One event names it; no case is accused."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event as Signal
from time import monotonic
from uuid import UUID, uuid5

from sqlalchemy import Connection, Engine, text

from casebus import telemetry
from casebus.cause import Cause
from casebus.contracts.monitoring import MonitoringSawAgain, MonitoringWentBlind
from casebus.envelope import Origin, Role
from casebus.timebase import system_time
from casebus.watermark import Reached, reached
from casebus.work import Work
from services.monitoring import metrics
from services.monitoring.steadiness import Steadiness

NAMESPACE = UUID("0f6f3a52-6f0e-5a0d-8a43-0c7b2f1f9b11")
OPERATIONS, READER = "operations", "monitoring"
SYSTEM_TIME = "system-time"
"""What is named instead of an owner while the time is ahead."""

log = telemetry.logger(__name__)


@dataclass(kw_only=True)
class BlindWatch:
    """A job of monitoring. `after`: real seconds without a step forward before an owner counts as unseen. It names the time, too, if that
    has jumped ahead (steadiness.py)."""

    engine: Engine
    owners: tuple[str, ...]
    make_work: Callable[[Connection], Work]
    after: float = 30.0
    clock: Callable[[], float] = monotonic
    steadiness: Steadiness = field(default_factory=Steadiness)
    _moved: dict[str, tuple[datetime | None, float]] = field(default_factory=dict)

    def run(self, stop: Signal) -> None:
        while not stop.wait(1.0):
            try:
                self.turn()
            except Exception as error:  # noqa: BLE001  # a database that is away: begin again until it is back
                log.warning("the watch begins again", error=type(error).__name__)

    def turn(self) -> None:
        """Look once; state what changed. Of several watches one states it."""
        with self.engine.begin() as connection:
            known = reached(connection)
            tell_ages(system_time(connection), known)
            blind: dict[str, datetime] = dict(iter(connection.execute(text("SELECT owner, since FROM own.blindness FOR UPDATE"))))
            lost = [owner for owner in self.owners if self._stands_still(owner, known) and owner not in blind]
            seen = [owner for owner in sorted(blind) if owner in known.owners and known.owners[owner] > blind[owner]]
            if self.steadiness.is_ahead(connection) != (SYSTEM_TIME in blind):
                (seen if SYSTEM_TIME in blind else lost).append(SYSTEM_TIME)
            if not lost and not seen:
                return
            work = self.make_work(connection)
            work.cause = Cause(
                agency=OPERATIONS, actor="system-monitoring", actor_role=Role.SYSTEM, actor_agency=OPERATIONS, origin=Origin.SYSTEM
            )
            for owner in sorted(lost):
                self._lose(connection, work, owner, known.owners.get(owner) or work.now)
            for owner in seen:
                connection.execute(text("DELETE FROM own.blindness WHERE owner = :owner"), {"owner": owner})
                work.emit(MonitoringSawAgain(watch_id=uuid5(NAMESPACE, owner), owner=owner, until=known.owners.get(owner, work.now)))
            work.save()

    def _stands_still(self, owner: str, known: Reached) -> bool:
        """Whether its watermark hasn't moved for too long. A watch that has just begun doesn't know yet."""
        moment = known.owners.get(owner)
        before = self._moved.get(owner)
        if before is None or before[0] != moment:
            self._moved[owner] = (moment, self.clock())
            return False
        return self.clock() - before[1] > self.after

    def _lose(self, connection: Connection, work: Work, owner: str, since: datetime) -> None:
        new = connection.execute(
            text("INSERT INTO own.blindness VALUES (:owner, :since) ON CONFLICT DO NOTHING"), {"owner": owner, "since": since}
        )
        if new.rowcount:
            work.emit(MonitoringWentBlind(watch_id=uuid5(NAMESPACE, owner), owner=owner, since=since))
            log.error("monitoring is blind", owner=owner)


def tell_ages(now: datetime, known: Reached) -> None:
    """How far behind each owner is, in system time, for the metrics."""
    for owner, moment in known.owners.items():
        metrics.WATERMARK_AGE.labels(owner, READER).set((now - moment).total_seconds())
