"""What a service's things have in common, as a handler sees them."""

from typing import Protocol, TypeVar
from uuid import UUID


class Aggregate(Protocol):
    """What a shelf keeps: an identity and a version that each change raises by one."""

    @property
    def id(self) -> UUID: ...
    @property
    def version(self) -> int: ...


A = TypeVar("A", bound=Aggregate)


class Holds(Protocol[A]):
    """What a handler sees of a shelf."""

    def get(self, key: UUID) -> A | None: ...
    def all(self) -> list[A]: ...
    def put(self, aggregate: A) -> None: ...
