"""Records that could not be applied: kept with the reason, listed, tried again (dry run first), or given up by a person who says why."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from casebus.inbox import pack, unpack
from casebus.kafka import Record


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
    """In the transaction that passes the record; the same record is kept once."""
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


def record_of(connection: Connection, schema: str, entry: int) -> Record | None:
    """The record as it lay in the log, locked; None where no such entry is open."""
    row = connection.execute(
        text(f"SELECT topic, part, log_offset, key, value, headers FROM {schema}.quarantine WHERE id = :id AND state = 'OPEN' FOR UPDATE"),
        {"id": entry},
    ).first()
    if row is None:
        return None
    return Record(row.topic, row.part, row.log_offset, row.key, row.value, unpack(row.headers))


def settle(connection: Connection, schema: str, entry: int, state: str, because: str) -> None:
    connection.execute(
        text(f"UPDATE {schema}.quarantine SET state = :state, settled_because = :because WHERE id = :id"),
        {"state": state, "because": because, "id": entry},
    )
