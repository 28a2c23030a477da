"""How people are reached: where, in what language, and when (domain.md, Digest)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from casebus.contracts.intake import Priority
from casebus.contracts.monitoring import Rung
from services.monitoring.domain.calendar import Hours, after_quiet, next_at
from services.monitoring.domain.directory import OF_A_REGION
from services.monitoring.domain.policy import Digest, Language, Policy

NAMESPACE = UUID("b7d5c0de-7b0a-5a3c-9b61-0f5a7d1f4c22")
PLAIN = Digest(at="08:00", at_once=frozenset({Priority.CRITICAL}))
"""Where a policy says nothing of it."""
FAILURES, PATIENCE = 10, timedelta(hours=12)
"""A webhook that failed so often, over so long and never went well in between, is asked no more."""
OVERLAP = timedelta(days=1)
"""For how long messages are signed with the secret before too, after a new one is set."""


class Channel(StrEnum):
    """What carries a message."""

    EMAIL = "EMAIL"
    WEBHOOK = "WEBHOOK"
    APPRISE = "APPRISE"


class Whose(StrEnum):
    """Whose contact point it is: a person's, or a whole agency's or region's, which are told where the directory lists nobody there."""

    ME = "ME"
    AGENCY = "AGENCY"
    REGION = "REGION"


def reached_as(whose: Whose, name: str) -> str:
    """The key under which somebody is told."""
    return f"{whose.lower()}:{name}"


def all_told(rung: Rung, place: str, also: str | None, people: Iterable[str]) -> list[str]:
    """Those whom a rung tells: people by id, else the place as a whole."""
    if found := [reached_as(Whose.ME, person) for person in people]:
        return found
    whole = Whose.REGION if rung in OF_A_REGION else Whose.AGENCY
    return [reached_as(whole, each) for each in (place, also) if each]


def id_of(recipient: str) -> UUID:
    return uuid5(NAMESPACE, recipient)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipient:
    """Somebody who is told: `key` as `reached_as` gives it. What is None is as the policy of region and agency says."""

    id: UUID
    version: int = 0
    key: str
    region: str
    agency: str
    language: Language | None = None
    zone: str | None = None
    digest_at: time | None = None
    quiet: tuple[Hours, ...] | None = None

    def manner(self, policy: Policy) -> "Manner":
        """How it is told, under the policy of its region and agency."""
        digest = policy.digest or PLAIN
        return Manner(
            language=self.language or digest.language,
            zone=self.zone or policy.calendar.zone,
            digest_at=self.digest_at or time.fromisoformat(digest.at),
            quiet=digest.quiet if self.quiet is None else self.quiet,
            at_once=digest.at_once,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Manner:
    """How somebody is told, whoever has said so."""

    language: Language
    zone: str
    digest_at: time
    quiet: tuple[Hours, ...]
    at_once: frozenset[Priority]

    def when(self, now: datetime, priority: Priority) -> "When":
        """When an alert of this priority is told of. A critical one goes through quiet hours."""
        if priority is Priority.CRITICAL:
            return When(now, at_once=True)
        if priority in self.at_once:
            return When(after_quiet(now, self.quiet, self.zone), at_once=True)
        return When(self.digest_after(now), at_once=False)

    def digest_after(self, now: datetime) -> datetime:
        return after_quiet(next_at(now, self.digest_at, self.zone), self.quiet, self.zone)


@dataclass(frozen=True, slots=True)
class When:
    """From when on; `at_once`, or with everything else of the day."""

    moment: datetime
    at_once: bool


class PointState(StrEnum):
    """DISABLED by its failures, until its owner enables it; REMOVED by its owner: its address is forgotten."""

    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"
    REMOVED = "REMOVED"


@dataclass(frozen=True, kw_only=True, slots=True)
class ContactPoint:
    """Where somebody is reached. `address` and `secrets` are sealed: nobody reads them but who sends (sealing.py).

    `failures` in a row, since `failing_since`, in real time. `before_until`: until when the second of `secrets` still signs.
    """

    id: UUID
    version: int = 1
    recipient: str
    channel: Channel
    address: str
    secrets: tuple[str, ...] = ()
    before_until: datetime | None = None
    state: PointState = PointState.ACTIVE
    failures: int = 0
    failing_since: datetime | None = None
    because: str | None = None

    def went_well(self) -> "ContactPoint":
        return self if self.failures == 0 else replace(self, failures=0, failing_since=None, because=None)

    def went_wrong(self, now: datetime, because: str, *, gone: bool = False) -> "ContactPoint":
        """One failure more. A webhook that is gone, or fails for too long, is disabled; a mail server's failure is not its reader's."""
        since = self.failing_since or now
        worn_out = self.failures + 1 >= FAILURES and now - since >= PATIENCE
        disabled = self.channel is Channel.WEBHOOK and self.state is PointState.ACTIVE and (gone or worn_out)
        return replace(
            self,
            version=self.version + disabled,
            failures=self.failures + 1,
            failing_since=since,
            because=because,
            state=PointState.DISABLED if disabled else self.state,
        )

    def enable(self) -> "ContactPoint":
        return replace(self, version=self.version + 1, state=PointState.ACTIVE, failures=0, failing_since=None, because=None)

    def remove(self) -> "ContactPoint":
        return replace(self, version=self.version + 1, state=PointState.REMOVED, address="", secrets=())

    def with_secret(self, sealed: str, now: datetime) -> "ContactPoint":
        """Signed with the new secret, and for a day with the one before too, so that its receiver can change over."""
        return replace(self, version=self.version + 1, secrets=(sealed, *self.secrets[:1]), before_until=now + OVERLAP)

    def signing(self, now: datetime) -> tuple[str, ...]:
        """The sealed secrets that sign now, the newest first."""
        return self.secrets if self.before_until is not None and now < self.before_until else self.secrets[:1]
