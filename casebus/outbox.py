"""Events wait here, in the transaction of the change that they report, until the relay has sent them. Rows stay: it is the event store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from pydantic import TypeAdapter
from sqlalchemy import Connection, text
from uuid_utils.compat import uuid7

from casebus.cause import Cause
from casebus.codec import Codec
from casebus.envelope import Envelope, to_headers
from casebus.event import Event

_APPEND = text(
    "SELECT n, seq, recorded FROM own.emit(CAST(:topics AS text[]), CAST(:subjects AS uuid[]), CAST(:values AS bytea[]),"
    " CAST(:attributes AS jsonb[]), CAST(:occurred AS timestamptz[]), CAST(:after AS timestamptz[]))"
)
_UNPUBLISHED = text(
    "SELECT id, topic, subject, case_seq, value, attributes, occurred_at, recorded_at FROM own.outbox"
    " WHERE published_at IS NULL AND id <= :top ORDER BY id LIMIT :limit"
)
_ENVELOPE = TypeAdapter(Envelope)
_SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One event that waits to be sent. `attributes` are the envelope's, but what its place and generation give."""

    id: int
    topic: str
    subject: UUID
    case_seq: int
    value: bytes
    attributes: dict[str, Any]
    occurred_at: datetime
    recorded_at: datetime

    def envelope(self, generation: int) -> Envelope:
        return _ENVELOPE.validate_python(
            self.attributes
            | {
                "topic": self.topic,
                "owner": self.topic.partition(".")[0],
                "subject": self.subject,
                "case_seq": self.case_seq,
                "generation": generation,
                "occurred_at": self.occurred_at,
                "recorded_at": self.recorded_at,
            }
        )


def append(connection: Connection, stated: Sequence[tuple[Event, Cause]], codec: Codec) -> dict[UUID, int]:
    """Write the events in this transaction, in this order; the last case_seq of each subject.

    Raises InvalidEnvelope for a cause that no header can hold: one such row would stop the relay for all.
    """
    if not stated:
        return {}
    rows = connection.execute(
        _APPEND,
        {
            "topics": [event.TOPIC for event, _ in stated],
            "subjects": [event.subject for event, _ in stated],
            "values": [codec.encode(event) for event, _ in stated],
            "attributes": [_attributes(event, cause) for event, cause in stated],
            "occurred": [cause.occurred_at for _, cause in stated],
            "after": [cause.recorded_at for _, cause in stated],
        },
    )
    return {stated[n - 1][0].subject: seq for n, seq, _ in rows}


def unpublished(connection: Connection, top: int, limit: int) -> list[Row]:
    """What is not yet sent, in order, up to the row `top`."""
    rows = connection.execute(_UNPUBLISHED, {"top": top, "limit": limit})
    return [Row(**row._mapping) for row in rows]


def _must_be_sendable(event: Event, said: dict[str, Any]) -> None:
    place: dict[str, Any] = {"owner": event.TYPE.partition(".")[0], "topic": event.TOPIC, "subject": event.subject, "case_seq": 1}
    to_headers(Envelope(**said, **place, generation=1, occurred_at=_SOME_TIME, recorded_at=_SOME_TIME))


def _attributes(event: Event, cause: Cause) -> str:
    event_id = uuid7()
    said = {
        "event_id": event_id,
        "type": event.TYPE,
        "version": event.VERSION,
        "agency": cause.agency,
        "actor": cause.actor,
        "actor_role": cause.actor_role,
        "actor_agency": cause.actor_agency,
        "lead_epoch": cause.lead_epoch,
        "correlation_id": cause.correlation_id or event_id,
        "origin": cause.origin,
        "on_behalf_of": cause.on_behalf_of,
        "causation_id": cause.causation_id,
        "import_id": cause.import_id,
        "policy_version": cause.policy_version,
        "traceparent": cause.traceparent,
    }
    _must_be_sendable(event, said)
    return orjson.dumps({name: value for name, value in said.items() if value is not None}).decode()
