"""What a contract is: the base of the classes that `make events` writes into casebus/contracts from schemas/avro."""

from abc import ABC, abstractmethod
from dataclasses import fields
from typing import Any, ClassVar
from uuid import UUID


class Record(ABC):
    """Anything that travels as Avro: an event, or a watermark."""

    __slots__ = ()

    TYPE: ClassVar[str]
    """The schema's full name, "intake.CaseOpened"."""
    VERSION: ClassVar[int]
    """The newest version, the one that is written and read."""


class Event(Record):
    """A fact that one service states for the others; equal facts are equal values."""

    __slots__ = ()

    TOPIC: ClassVar[str]
    """The one topic that carries it."""

    @property
    @abstractmethod
    def subject(self) -> UUID:
        """What the fact is about: the record key. The events of one subject in one topic keep their order."""

    def says(self) -> dict[str, Any]:
        """The fields but the first, which is the subject."""
        return {field.name: getattr(self, field.name) for field in fields(self)[1:]}  # type: ignore[arg-type]  # every contract is a dataclass
