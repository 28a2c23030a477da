"""What is delivered, and what a channel says when it can't."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.monitoring.domain.message import Message
from services.monitoring.domain.policy import Language


@dataclass(frozen=True, kw_only=True, slots=True)
class Parcel:
    """One message to one address, opened: it is never logged. `id` and
    `made_at` are the message's, the same at each attempt; both times are real."""

    id: UUID
    message: Message
    language: Language
    address: str
    secrets: tuple[str, ...]
    made_at: datetime
    now: datetime

    def __repr__(self) -> str:
        return f"Parcel({self.id})"


class NotDelivered(Exception):
    """`because` is a code of ours. `final`: another attempt would end the same; `gone`: so would every later message."""

    def __init__(self, because: str, *, final: bool = False, gone: bool = False) -> None:
        super().__init__(because)
        self.because, self.final, self.gone = because, final, gone


class Carrier(Protocol):
    """One way to deliver."""

    def carry(self, parcel: Parcel) -> None:
        """Returns once the other side has taken it. Raises NotDelivered."""
