"""What a contract is: the base of the classes that `make events` writes into casebus/contracts from schemas/avro."""

from abc import ABC, abstractmethod
from typing import ClassVar
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
