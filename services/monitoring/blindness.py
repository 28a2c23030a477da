"""MONITORING_BLIND: an owner that states nothing, or a log that isn't read, means that monitoring can't know. One event names it; no case is accused."""

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
from casebus.watermark import Reached, reached
from casebus.work import Work

NAMESPACE = UUID("0f6f3a52-6f0e-5a0d-8a43-0c7b2f1f9b11")
OPERATIONS = "operations"

log = telemetry.logger(__name__)


@dataclass(kw_only=True)
class BlindWatch:
    """A job of monitoring. `after`: real seconds without a step forward before an owner counts as unseen."""

    engine: Engine
    owners: tuple[str, ...]
    make_work: Callable[[Connection], Work]
    after: float = 30.0
    _moved: dict[str, tuple[datetime | None, float]] = field(default_factory=dict)

    def run(self, stop: Signal) -> None:
        while not stop.wait(1.0):
            try:
                self.turn()
            except Exception as error:
                log.warning("the watch begins again", error=type(error).__name__)

    def turn(self) -> None:
        """Look once; state what changed."""
        with self.engine.begin() as connection:
            known = reached(connection)
            blind = {owner for (owner,) in connection.execute(text("SELECT owner FROM own.blindness FOR UPDATE"))}
            unseen = {owner for owner in self.owners if self._is_unseen(owner, known)}
            if unseen == blind:
                return
            work = self.make_work(connection)
            work.cause = Cause(
                agency=OPERATIONS, actor="system-monitoring", actor_role=Role.SYSTEM, actor_agency=OPERATIONS, origin=Origin.SYSTEM
            )
            for owner in sorted(unseen - blind):
                self._lose(connection, work, owner, known.owners.get(owner))
            for owner in sorted(blind - unseen):
                connection.execute(text("DELETE FROM own.blindness WHERE owner = :owner"), {"owner": owner})
                work.emit(MonitoringSawAgain(watch_id=uuid5(NAMESPACE, owner), owner=owner, until=known.owners.get(owner, work.now)))
            work.save()

    def _is_unseen(self, owner: str, known: Reached) -> bool:
        moment = known.owners.get(owner)
        before = self._moved.get(owner)
        if before is None or before[0] != moment:
            self._moved[owner] = (moment, monotonic())
            return False
        return monotonic() - before[1] > self.after

    def _lose(self, connection: Connection, work: Work, owner: str, last: datetime | None) -> None:
        since = last or work.now
        connection.execute(
            text("INSERT INTO own.blindness VALUES (:owner, :since) ON CONFLICT DO NOTHING"), {"owner": owner, "since": since}
        )
        work.emit(MonitoringWentBlind(watch_id=uuid5(NAMESPACE, owner), owner=owner, since=since))
        log.error("monitoring is blind", owner=owner)
