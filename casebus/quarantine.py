"""Records that could not be applied: kept with the reason, listed, tried again (dry run first), or given up by a person who says why."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from casebus.inbox import Positions, event_id, pack, unpack
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

    It stays in quarantine as DISCARDED with who said why, so that the same event, read again, is passed over. Another event of its
    number is not: where the record was forged, the owner's own comes later, and is applied.
    """
    if not because.strip():
        raise ValueError("say why the record is given up")
    with engine.begin() as connection:
        parsed = track.parse(_held(connection, track, entry))
        settled, is_contested = _settle(connection, track.schema, entry, "DISCARDED", because)
        tally = track.handle(connection, [parsed] if parsed.heading and not is_contested else [])
        if not tally.discarded:  # its number is another event's, which is applied, or waits for a decision of its own
            connection.execute(
                text(f"UPDATE {track.schema}.quarantine SET seq = NULL WHERE id = ANY(CAST(:ids AS bigint[]))"), {"ids": settled}
            )
        return tally


def _held(connection: Connection, track: "Track", entry: int) -> Record:
    """The record of an open entry, with its partition locked: no batch of it is applied at the same time."""
    record = record_of(connection, track.schema, entry)
    Positions.lock(connection, track.schema, [(record.topic, record.partition)])
    return record


def _settle(connection: Connection, schema: str, entry: int, state: str, because: str) -> tuple[list[int], bool]:
    """The entry, and every other one of the same event: it may have come twice. Their ids, and whether another event has its number."""
    rows = connection.execute(
        text(
            f"SELECT q.id, q.headers FROM {schema}.quarantine q JOIN {schema}.quarantine e ON e.id = :id AND q.state = 'OPEN'"
            " AND (q.id = e.id OR (q.topic, q.subject, q.seq) = (e.topic, e.subject, e.seq)) ORDER BY q.id <> e.id"
        ),
        {"id": entry},
    ).all()
    ids = [id for id, headers in rows if id == entry or event_id(headers) == event_id(rows[0].headers)]
    connection.execute(
        text(f"UPDATE {schema}.quarantine SET state = :state, settled_because = :because WHERE id = ANY(CAST(:ids AS bigint[]))"),
        {"state": state, "because": because, "ids": ids},
    )
    return ids, len(ids) < len(rows)
