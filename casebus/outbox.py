"""The event store: an event is written here in the transaction of the change that it reports, and stays as it was written.

What of it the relay has not sent yet is own.unsent.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import Connection, text
from uuid_utils.compat import uuid7

from casebus.cause import Cause
from casebus.codec import Codec
from casebus.envelope import CONTENT_TYPE, SPEC_VERSION, Envelope, Headers, instant_text, must_be_sendable
from casebus.event import Event

_APPEND = text(
    "SELECT n, seq, recorded FROM own.emit(CAST(:topics AS text[]), CAST(:subjects AS uuid[]), CAST(:values AS bytea[]),"
    " CAST(:attributes AS jsonb[]), CAST(:occurred AS timestamptz[]), CAST(:after AS timestamptz[]))"
)
_UNPUBLISHED = text(
    "SELECT id, topic, CAST(subject AS text), case_seq, value, CAST(attributes AS text), occurred_at, recorded_at FROM own.unsent"
    " WHERE id > :after AND id <= :top ORDER BY id LIMIT :limit"
)
_STATED = text(
    "SELECT o.attributes ->> 'event_id' FROM own.outbox o WHERE o.topic = :topic AND (o.subject, o.case_seq) IN"
    " (SELECT * FROM unnest(CAST(:subjects AS uuid[]), CAST(:seqs AS int[])))"
)

_HEADER_OF = {
    "event_id": "ce_id",
    "type": "ce_type",
    "version": "ce_dataversion",
    "agency": "ce_agency",
    "actor": "ce_actor",
    "actor_role": "ce_actorrole",
    "actor_agency": "ce_actoragency",
    "lead_epoch": "ce_leadepoch",
    "correlation_id": "ce_correlationid",
    "origin": "ce_origin",
    "on_behalf_of": "ce_onbehalfof",
    "causation_id": "ce_causationid",
    "policy_version": "ce_policyversion",
    "consent": "ce_consent",
    "import_id": "ce_importid",
    "corrects": "ce_corrects",
    "traceparent": "traceparent",
}
"""Where each attribute travels. They were checked when the event was stated: what is in the outbox can be sent."""


class Row(NamedTuple):
    """One event that waits to be sent. `attributes` are the envelope's, but what its place and generation give."""

    id: int
    topic: str
    subject: str
    case_seq: int
    value: bytes
    attributes: dict[str, Any]
    occurred_at: datetime
    recorded_at: datetime

    def headers(self, generation: int, began: Sequence[int] = ()) -> Headers:
        """The envelope, as `to_headers` writes it. `began` is where the generation began; it is said unless that is at 0 everywhere."""
        recorded = instant_text(self.recorded_at)
        placed: Headers = [
            ("content-type", CONTENT_TYPE),
            ("ce_specversion", SPEC_VERSION),
            ("ce_source", f"/continuum/{self.topic.partition('.')[0]}"),
            ("ce_subject", self.subject),
            ("ce_caseseq", str(self.case_seq)),
            ("ce_generation", str(generation)),
            ("ce_time", recorded if self.occurred_at == self.recorded_at else instant_text(self.occurred_at)),
            ("ce_recordedtime", recorded),
        ]
        if any(began):
            placed.append(("ce_began", ",".join(map(str, began))))
        return placed + [(_HEADER_OF[name], str(value)) for name, value in self.attributes.items()]


def append(connection: Connection, stated: Sequence[tuple[Event, Cause]], codec: Codec) -> dict[UUID, int]:
    """Write the events in this transaction, in this order; the last case_seq of each subject.

    Raises InvalidEnvelope for a cause that no header can hold: one such row would stop the relay for all.
    """
    if not stated:
        return {}
    rows = connection.execute(_APPEND, columns(stated, codec))
    return {stated[n - 1][0].subject: seq for n, seq, _ in rows}


def columns(stated: Sequence[tuple[Event, Cause]], codec: Codec) -> dict[str, list[Any]]:
    """The events as `own.emit` takes them, a list of each of its arguments. Raises InvalidEnvelope."""
    return {
        "topics": [event.TOPIC for event, _ in stated],
        "subjects": [event.subject for event, _ in stated],
        "values": [codec.encode(event) for event, _ in stated],
        "attributes": [_attributes(event, cause) for event, cause in stated],
        "occurred": [cause.occurred_at for _, cause in stated],
        "after": [cause.recorded_at for _, cause in stated],
    }


def unpublished(connection: Connection, after: int, top: int, limit: int) -> list[Row]:
    """What is not yet sent, in order, from behind the row `after` up to the row `top`."""
    rows = connection.execute(_UNPUBLISHED, {"after": after, "top": top, "limit": limit}).all()
    return [
        Row(id, topic, subject, seq, value, orjson.loads(said), occurred, recorded)
        for id, topic, subject, seq, value, said, occurred, recorded in rows
    ]


def unstated(connection: Connection, topic: str, events: Sequence[Envelope]) -> list[Envelope]:
    """Which of these events this database never stated, though they lie in its topic."""
    rows = connection.execute(
        _STATED,
        {"topic": topic, "subjects": [e.subject for e in events], "seqs": [e.case_seq for e in events]},
    ).all()
    ours = {event_id for (event_id,) in rows}
    return [event for event in events if str(event.event_id) not in ours]


def _attributes(event: Event, cause: Cause) -> str:
    must_be_sendable(
        agency=cause.agency,
        actor=cause.actor,
        actor_agency=cause.actor_agency,
        on_behalf_of=cause.on_behalf_of,
        policy_version=cause.policy_version,
    )
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
    return orjson.dumps({name: value for name, value in said.items() if value is not None}).decode()
