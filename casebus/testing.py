"""Fakes for tests of handlers: a shelf and a work in memory, that behave as the real ones (tests/integration proves it)."""

from datetime import UTC, datetime
from typing import Generic, TypeVar
from uuid import UUID

from casebus.aggregate import Aggregate
from casebus.cause import Cause
from casebus.envelope import Origin, Role
from casebus.event import Event

A = TypeVar("A", bound=Aggregate)
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def cause(
    agency: str = "city-hospital", *, role: Role = Role.WORKER, origin: Origin = Origin.LIVE, region: str = "north", **more: object
) -> Cause:
    """Somebody of an agency who acts now."""
    return Cause(agency=agency, actor="actor-1", actor_role=role, actor_agency=agency, region=region, origin=origin, **more)  # type: ignore[arg-type]


class MemoryShelf(Generic[A]):
    """What a Shelf holds after loading, without a database."""

    def __init__(self, *aggregates: A) -> None:
        self._held: dict[UUID, A] = {aggregate.id: aggregate for aggregate in aggregates}

    def get(self, key: UUID) -> A | None:
        return self._held.get(key)

    def all(self) -> list[A]:
        return [self._held[key] for key in sorted(self._held)]

    def put(self, aggregate: A) -> None:
        self._held[aggregate.id] = aggregate


class MemoryWork:
    """Base of a service's fake Work: what was emitted is kept in order."""

    def __init__(self, because: Cause | None = None, now: datetime = NOON) -> None:
        self.cause = because or cause()
        self.now = now
        self.emitted: list[Event] = []

    @property
    def effective(self) -> datetime:
        return self.cause.occurred_at or self.cause.effective_at or self.now

    def emit(self, event: Event) -> None:
        self.emitted.append(event)
