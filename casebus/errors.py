"""Errors say what happens next.

Rejected            the caller is told, nothing changed (HTTP 4xx/503)
    Invalid  Forbidden  Absent  Conflict  Stale  Unversioned  NotYet
InvalidEvent        an event that can never be applied: quarantined, its case held, the others go on
BeginAgain          a reader's place is no longer true (a higher generation, a rebuild): read again from what the database says
OutOfReach          the log doesn't have what a reader needs next: a new generation, or LogBroken
LogBroken           the log lost records that were not read: refuse to go on, a person decides (reseed, rebuild)
anything else       a passing fault: retried in place, and after a limit the consumer stops and says so
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fix:
    """One field that is wrong and how to put it right; never the value that was sent."""

    field: str
    fix: str


class Rejected(Exception):
    """A command that is refused and changes nothing; `title` is constant for the class, `detail` says what to do."""

    status: ClassVar[int] = 400
    title: ClassVar[str] = "The request can't be done"

    def __init__(self, detail: str, *fixes: Fix, version: int | None = None, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.detail, self.fixes, self.version, self.retry_after = detail, fixes, version, retry_after


class Unauthenticated(Rejected):
    status = 401
    title = "Who you are is not known"


class Forbidden(Rejected):
    status = 403
    title = "Your role may not do this"


class Absent(Rejected):
    """What doesn't exist and what the caller may not know of are one answer."""

    status = 404
    title = "There is nothing here for you"

    def __init__(self) -> None:
        super().__init__("No such thing exists, or your agency takes no part in its case.")


class Conflict(Rejected):
    status = 409
    title = "The state it is in does not allow this"


class Stale(Rejected):
    status = 412
    title = "It has changed since you saw it"


class TooLarge(Rejected):
    status = 413
    title = "The request is too large"


class Invalid(Rejected):
    status = 422
    title = "Something in the request is not right"


class Unversioned(Rejected):
    status = 428
    title = "Say which version you saw"


class NotYet(Rejected):
    status = 503
    title = "Not yet"


class InvalidEvent(Exception):
    """An event that no retry can apply; the message names the reason, never a value."""


class BeginAgain(Exception):
    """The reader's place moved under it: seek to what the database says and go on. In a new generation, from where it `began`."""

    def __init__(self, reason: str, topic: str = "", generation: int = 0, began: Sequence[int] = ()) -> None:
        super().__init__(reason)
        self.topic, self.generation, self.began = topic, generation, began


class OutOfReach(Exception):
    """The log has nothing at the place where a partition is to be read next."""

    def __init__(self, topic: str, partition: int) -> None:
        super().__init__(f"{topic}/{partition}")
        self.topic, self.partition = topic, partition


class LogBroken(Exception):
    """Records are gone that were never read. Going on would lose them silently."""
