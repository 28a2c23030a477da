"""Why something happens: who asked for it, on whose behalf, when, and which event came before. Every event that follows inherits it."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from casebus.envelope import Envelope, Origin, Role


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """`occurred_at` is None for what happens when it is recorded. Of a causing event, `recorded_at` is when it was recorded, and

    `effective_at` from when it counts: an OFFLINE one from when it occurred. Both are None for a command.
    """

    agency: str
    actor: str
    actor_role: Role
    actor_agency: str
    region: str = ""
    on_behalf_of: str | None = None
    origin: Origin = Origin.LIVE
    occurred_at: datetime | None = None
    recorded_at: datetime | None = None
    effective_at: datetime | None = None
    import_id: UUID | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    lead_epoch: int = 0
    policy_version: str | None = None
    traceparent: str | None = None


@lru_cache(maxsize=1024)
def in_epoch(cause: Cause, lead_epoch: int) -> Cause:
    """The same, while a case is led in this epoch."""
    return replace(cause, lead_epoch=lead_epoch)


def of_event(envelope: Envelope, service: str) -> Cause:
    """The cause of a reaction: the system's own act, or, of an imported event, part of the import at that event's time."""
    imported = envelope.origin is Origin.IMPORT
    return Cause(
        agency=envelope.agency,
        actor=f"system-{service}",
        actor_role=Role.SYSTEM,
        actor_agency=envelope.agency,
        on_behalf_of=envelope.on_behalf_of,
        origin=Origin.IMPORT if imported else Origin.SYSTEM,
        occurred_at=envelope.occurred_at if imported else None,
        recorded_at=envelope.recorded_at,
        effective_at=envelope.occurred_at if envelope.origin in (Origin.IMPORT, Origin.OFFLINE) else envelope.recorded_at,
        import_id=envelope.import_id,
        correlation_id=envelope.correlation_id,
        causation_id=envelope.event_id,
        lead_epoch=envelope.lead_epoch,
        traceparent=envelope.traceparent,
    )
