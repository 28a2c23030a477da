"""Deliveries: one a message and contact point, taken by one worker at a time for a while, and settled by what became of it.

It says what is so when it goes out: what is over by then is left out, and a message of which nothing is left is dropped.
A worker that dies leaves what it had taken; when its time is over another takes it. Its receiver may have it already, and knows it by
the message's id.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from services.monitoring import metrics
from services.monitoring.domain.policy import Language
from services.monitoring.domain.reach import Channel, PointState
from services.monitoring.sealing import Seal, Unsealable
from services.monitoring.storage import Work
from services.monitoring.telling.gathering import MESSAGE
from services.monitoring.telling.items import said_in, still
from services.monitoring.telling.parcel import NotDelivered, Parcel

LEASE = timedelta(seconds=90)
"""Longer than any channel takes."""
PAUSES = tuple(timedelta(seconds=each) for each in (5, 60, 300, 1800, 7200, 18000, 36000))
"""Before each attempt after the first: 17 to 18 hours together. After the last one a message is dead."""
_TAKE = text("""
    WITH taken AS (
      SELECT id FROM own.delivery WHERE state = 'QUEUED' AND channel = :channel AND next_at <= clock_timestamp()
      ORDER BY next_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ), held AS (
      UPDATE own.delivery d SET attempts = d.attempts + 1, next_at = clock_timestamp() + CAST(:lease AS interval)
      FROM taken t WHERE d.id = t.id RETURNING d.id, d.attempts, d.message_id, d.point_id
    )
    SELECT h.id, h.attempts, h.message_id, h.point_id, CAST(m.content AS text), m.language, m.made_at, clock_timestamp()
    FROM held h JOIN own.message m ON m.id = h.message_id""")
_END = text("""
    UPDATE own.delivery SET state = :state, ended_at = clock_timestamp(), because = :because
    WHERE id = :id AND state = 'QUEUED' AND (attempts = :attempts OR :state = 'SENT')""")
_AGAIN = text("""
    UPDATE own.delivery SET next_at = clock_timestamp() + CAST(:pause AS interval), because = :because
    WHERE id = :id AND state = 'QUEUED' AND attempts = :attempts""")
_REVIVE = text("""
    UPDATE own.delivery SET state = 'QUEUED', attempts = 0, next_at = clock_timestamp(), ended_at = NULL
    WHERE state = 'DEAD' AND (CAST(:id AS uuid) IS NULL OR id = :id)""")
_DEAD = text("""
    SELECT d.id, d.channel, d.attempts, d.because, d.ended_at, m.recipient FROM own.delivery d JOIN own.message m ON m.id = d.message_id
    WHERE d.state = 'DEAD' ORDER BY d.ended_at, d.id LIMIT :limit""")
_FORGET = text("""
    WITH old AS (SELECT id FROM own.message m WHERE made_at < clock_timestamp() - CAST(:kept AS interval)
      AND NOT EXISTS (SELECT FROM own.delivery d WHERE d.message_id = m.id AND d.state IN ('QUEUED', 'DEAD')) ORDER BY made_at LIMIT :limit)
    DELETE FROM own.message WHERE id IN (SELECT id FROM old)""")
_FORGET_NOTICES = text("""
    DELETE FROM own.notification WHERE id IN (SELECT id FROM own.notification
      WHERE state <> 'WAITING' AND made_at < clock_timestamp() - CAST(:kept AS interval) ORDER BY made_at LIMIT :limit)""")


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """A delivery that this worker has for LEASE: the `attempt`-th, with its parcel, or why there is none."""

    id: UUID
    attempt: int
    point: UUID
    channel: Channel
    parcel: Parcel | None
    because: str = ""


@dataclass(frozen=True, slots=True)
class Dead:
    """A message that didn't go out, as operators see it: no address, no case."""

    id: UUID
    channel: str
    attempts: int
    because: str | None
    since: datetime
    recipient: str


def take(work: Work, channel: Channel, limit: int, seal: Seal | None) -> list[Taken]:
    """Up to so many that can go out now; nobody else takes them for a while."""
    work.only_reads()
    rows = work.connection.execute(_TAKE, {"channel": channel, "limit": limit, "lease": LEASE}).all()
    work.points.load_ids({row.point_id for row in rows})
    said, system_now = said_in(work.connection, {row.message_id for row in rows}), work.now
    found = []
    for one, attempt, message, point, content, language, made_at, now in rows:
        known = work.points.get(point)
        parcel, because = None, "POINT_REMOVED"
        current = still(MESSAGE.validate_json(content), said.get(message, []), system_now)
        if current is None:
            because = "OVER"
        elif known is not None and known.state is PointState.ACTIVE:
            try:
                opened = _opener(seal)
                parcel = Parcel(
                    id=message,
                    message=current,
                    language=Language(language),
                    address=opened(known.address),
                    secrets=tuple(map(opened, known.signing(now))),
                    made_at=made_at,
                    now=now,
                )
            except Unsealable:
                because = "KEY_MISSING"
        elif known is not None and known.state is PointState.DISABLED:
            because = "POINT_DISABLED"
        found.append(Taken(id=one, attempt=attempt, point=point, channel=channel, parcel=parcel, because=because))
    return found


def sent(work: Work, one: Taken) -> None:
    """It has arrived."""
    work.connection.execute(_END, {"id": one.id, "attempts": one.attempt, "state": "SENT", "because": None})
    point = work.point(one.point)
    if point is not None and (better := point.went_well()) is not point:
        work.points.put(better)
    metrics.DELIVERIES.labels(one.channel, "SENT").inc()


def failed(work: Work, one: Taken, error: NotDelivered, chance: Callable[[], float]) -> None:
    """It is tried again later, unless that would be no use or it was tried often enough. A webhook that always fails is disabled."""
    said = {"id": one.id, "attempts": one.attempt, "because": error.because}
    if error.final or one.attempt > len(PAUSES):
        work.connection.execute(_END, said | {"state": "DEAD"})
        metrics.DELIVERIES.labels(one.channel, "DEAD").inc()
    else:
        work.connection.execute(_AGAIN, said | {"pause": pause(one.attempt, chance)})
        metrics.DELIVERIES.labels(one.channel, "FAILED").inc()
    point = work.point(one.point)
    if point is not None and point.state is PointState.ACTIVE:
        work.points.put(point.went_wrong(work.real_now, error.because, gone=error.gone))


def dropped(work: Work, one: Taken) -> None:
    """All that it says is over, or its contact point is no more, or disabled. Where only the key is missing it stays, dead, for an
    operator to put right."""
    state = "DEAD" if one.because == "KEY_MISSING" else "DROPPED"
    work.connection.execute(_END, {"id": one.id, "attempts": one.attempt, "state": state, "because": one.because})
    metrics.DELIVERIES.labels(one.channel, state).inc()


def pause(attempt: int, chance: Callable[[], float]) -> timedelta:
    """After the attempt of this number: between half and one and a half of its pause, so that many that failed together come apart."""
    return PAUSES[attempt - 1] * (0.5 + chance())


def dead(connection: Connection, limit: int = 100) -> Sequence[Dead]:
    """Messages that didn't go out, the oldest first."""
    return [Dead(*row) for row in connection.execute(_DEAD, {"limit": limit})]


def revive(connection: Connection, one: UUID | None = None) -> int:
    """Try a dead delivery again from the beginning, or all of them; how many."""
    return connection.execute(_REVIVE, {"id": one}).rowcount


def forget(connection: Connection, kept: timedelta, limit: int = 500) -> int:
    """Drop what was told longer ago than that; how many rows. Alerts and who was their target stay, as events."""
    values = {"kept": kept, "limit": limit}
    return connection.execute(_FORGET, values).rowcount + connection.execute(_FORGET_NOTICES, values).rowcount


def _opener(seal: Seal | None) -> Callable[[str], str]:
    if seal is None:
        raise Unsealable
    return seal.open
