"""The transaction that a handler works in: a batch's aggregates loaded before it, saved after it, with the events that they caused."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import Connection

from casebus import outbox
from casebus.access import Standing
from casebus.aggregate import Aggregate
from casebus.cause import Cause, of_event
from casebus.codec import Codec
from casebus.envelope import Envelope
from casebus.event import Event
from casebus.heading import Heading
from casebus.kafka import Record
from casebus.shelf import Rows, Shelf
from casebus.timebase import system_time

A = TypeVar("A", bound=Aggregate)


@dataclass(frozen=True, slots=True)
class Draft:
    """An event and why it happened, until the database gives it its place."""

    event: Event
    cause: Cause


class Received(NamedTuple):
    """The event in hand as it came from the log to a service."""

    heading: Heading
    record: Record
    service: str

    @property
    def envelope(self) -> Envelope:
        return self.heading.envelope


class Work:
    """Each service's storage derives its own, with its shelves, and says how to load them.

    `now` is the system time, once it is asked for; `cause` is why the handler is called. A handler never commits and never touches Kafka.
    """

    received: Received

    def __init__(self, connection: Connection, codec: Codec) -> None:
        self.connection = connection
        self._codec = codec
        self._cause: Cause | None = None
        self._drafts: list[Draft] = []
        self._marked = 0
        self._shelves: list[Shelf[Aggregate]] = []

    @cached_property
    def now(self) -> datetime:
        return system_time(self.connection)

    def shelf(self, table: str, kind: type[A], *, lock: bool = True) -> Shelf[A]:
        """A set of aggregates that is saved with this work; a copy, which its consumer alone writes, needs no lock."""
        made = Shelf(self.connection, table, kind, lock=lock)
        self._shelves.append(made)  # type: ignore[arg-type]  # a list of shelves of any aggregate
        return made

    def only_reads(self) -> None:
        """From here on nothing is locked: for a request that changes nothing."""
        for each in self._shelves:
            each.unlock()

    @property
    def cause(self) -> Cause:
        """A command's, as the desk says; else the event in hand."""
        if self._cause is None:
            self._cause = of_event(self.received.envelope, self.received.service)
        return self._cause

    @cause.setter
    def cause(self, cause: Cause) -> None:
        self._cause = cause

    def receive(self, received: Received) -> None:
        """The next event is in hand."""
        self.received, self._cause = received, None

    def load(self, ids: Collection[UUID]) -> None:
        """Load what these ids (of cases, or of what the service owns) need, as sets."""
        raise NotImplementedError

    def standing(self, aggregate: UUID) -> Standing | None:
        """Who takes part in the case that this id belongs to, or None where it isn't known."""
        raise NotImplementedError

    def timed(self, standing: Standing) -> Standing:
        """With the time, where somebody may read it for a time."""
        return replace(standing, now=self.now) if standing.emergencies else standing

    def version(self, aggregate: UUID) -> int | None:
        """The version of the aggregate a command addresses, None where there is none."""
        raise NotImplementedError

    def emit(self, event: Event) -> None:
        """State the event, in this transaction, in the order of calls."""
        self._drafts.append(Draft(event, self.cause))

    @property
    def effective(self) -> datetime:
        """When what is done now takes effect: when it happened, if that is told; else from when its cause counts; else now."""
        return self.cause.occurred_at or self.cause.effective_at or self.now

    def mark(self) -> None:
        """What follows is one command: `undo` takes it back alone."""
        self._marked = len(self._drafts)
        for each in self._shelves:
            each.mark()

    def undo(self) -> None:
        del self._drafts[self._marked :]
        for each in self._shelves:
            each.undo()

    def stated(self) -> list[UUID]:
        """The subjects of the events stated since the mark."""
        return [draft.event.subject for draft in self._drafts[self._marked :]]

    def unsaved(self) -> tuple[list[Rows], dict[str, list[Any]]]:
        """What `save` would write: the rows of each table, and the events as own.emit takes them."""
        rows = [each.unsaved() for each in self._shelves]
        return [each for each in rows if each.ids], outbox.columns([(d.event, d.cause) for d in self._drafts], self._codec)

    def save(self) -> dict[UUID, int]:
        """Write everything; the last case_seq of each subject that an event was stated about."""
        for each in self._shelves:
            each.save()
        drafts, self._drafts = self._drafts, []
        return outbox.append(self.connection, [(d.event, d.cause) for d in drafts], self._codec)
