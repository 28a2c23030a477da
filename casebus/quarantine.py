"""Records that could not be applied: kept with the reason, listed, tried again (dry run first), or given up by a person who says why."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from casebus.inbox import Positions, pack, unpack
from casebus.kafka import Record

if TYPE_CHECKING:
    from casebus.track import Tally, Track


class NoSuchEntry(LookupError):
    """No entry of that number is open."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One record in quarantine; `seq` and `subject` are None where its headers could not be read."""

    id: int
    topic: str
    part: int
    log_offset: int
    subject: UUID | None
    seq: int | None
    type: str | None
    reason: str
    state: str
    quarantined_at: datetime


def put(connection: Connection, schema: str, record: Record, reason: str, subject: UUID | None, seq: int | None, kind: str | None) -> None:
    """In the transaction that passes the record; the same record at the same place is kept once."""
    connection.execute(
        text(
            f"INSERT INTO {schema}.quarantine (topic, part, log_offset, subject, seq, type, reason, key, value, headers)"
            " VALUES (:topic, :part, :offset, :subject, :seq, :type, :reason, :key, :value, :headers) ON CONFLICT DO NOTHING"
        ),
        {"topic": record.topic, "part": record.partition, "offset": record.offset, "subject": subject, "seq": seq, "type": kind}
        | {"reason": reason, "key": record.key, "value": record.value, "headers": pack(record.headers)},
    )


def entries(connection: Connection, schema: str, *, state: str = "OPEN") -> list[Entry]:
    """Oldest first."""
    rows = connection.execute(
        text(
            "SELECT id, topic, part, log_offset, subject, seq, type, reason, state, quarantined_at"
            f" FROM {schema}.quarantine WHERE state = :state ORDER BY id"
        ),
        {"state": state},
    )
    return [Entry(**row._mapping) for row in rows]


def record_of(connection: Connection, schema: str, entry: int) -> Record:
    """The record as it lay in the log, locked. Raises NoSuchEntry unless it is open."""
    row = connection.execute(
        text(f"SELECT topic, part, log_offset, key, value, headers FROM {schema}.quarantine WHERE id = :id AND state = 'OPEN' FOR UPDATE"),
        {"id": entry},
    ).first()
    if row is None:
        raise NoSuchEntry(f"{schema}.quarantine has no open entry {entry}")
    return Record(row.topic, row.part, row.log_offset, row.key, row.value, unpack(row.headers))


def replay(engine: Engine, track: "Track", entry: int, *, dry_run: bool) -> "Tally":
    """Apply the record again, and what was parked behind it; the tally says what became of them. Raises NoSuchEntry.

    A dry run, or a record that is refused again, changes nothing: `reasons` of the tally say why. What the handler raises passes through.
    """
    with engine.connect() as connection, connection.begin() as transaction:
        parsed = track.parse(_held(connection, track, entry))
        tally = track.handle(connection, [parsed])
        if dry_run or not (tally.applied or tally.duplicates or tally.parked):
            transaction.rollback()
        else:
            _settle(connection, track.schema, entry, "REPLAYED", "replayed")
    return tally


def discard(engine: Engine, track: "Track", entry: int, because: str) -> "Tally":
    """Give the record up; its case goes on with what was parked behind it. Raises NoSuchEntry, and ValueError without a reason.

    It stays in quarantine as DISCARDED with who said why, so that the same record, read again, is passed over.
    """
    if not because.strip():
        raise ValueError("say why the record is given up")
    with engine.begin() as connection:
        parsed = track.parse(_held(connection, track, entry))
        _settle(connection, track.schema, entry, "DISCARDED", because)
        return track.handle(connection, [parsed] if parsed.heading else [])


def _held(connection: Connection, track: "Track", entry: int) -> Record:
    """The record of an open entry, with its partition locked: no batch of it is applied at the same time."""
    record = record_of(connection, track.schema, entry)
    Positions.lock(connection, track.schema, [(record.topic, record.partition)])
    return record


def _settle(connection: Connection, schema: str, entry: int, state: str, because: str) -> None:
    """The entry, and every other one of the same event: it may have come twice."""
    connection.execute(
        text(
            f"UPDATE {schema}.quarantine q SET state = :state, settled_because = :because FROM {schema}.quarantine e WHERE e.id = :id"
            " AND (q.id = e.id OR (q.state = 'OPEN' AND (q.topic, q.subject, q.seq) = (e.topic, e.subject, e.seq)))"
        ),
        {"state": state, "because": because, "id": entry},
    )
