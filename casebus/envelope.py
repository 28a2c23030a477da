"""The envelope of an event: who stated it, when, for whom and because of what.

It travels in the Kafka headers as CloudEvents 1.0 attributes (binary mode) beside the W3C trace context; the value holds the event alone.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final, Protocol, TypeVar
from uuid import UUID

from casebus.errors import InvalidEvent

Headers = list[tuple[str, str | bytes | None]]
RawHeaders = Sequence[tuple[str, str | bytes | None]]
T = TypeVar("T")

CONTENT_TYPE: Final = b"application/avro"
SPEC_VERSION: Final = b"1.0"
SLUG: Final = rb"[a-z][a-z0-9-]{1,62}"
OPAQUE: Final = rb"[A-Za-z0-9._:/+=-]{1,128}"
TRACE: Final = rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
"""What the values of some headers look like."""


class Role(StrEnum):
    """In what function somebody acted."""

    WORKER = "WORKER"
    SUPERVISOR = "SUPERVISOR"
    COORDINATOR = "COORDINATOR"
    INTEGRATOR = "INTEGRATOR"
    OPERATOR = "OPERATOR"
    SYSTEM = "SYSTEM"


class Origin(StrEnum):
    """How a fact came to us; IMPORT and OFFLINE facts count from when they occurred (domain.md)."""

    LIVE = "LIVE"
    OFFLINE = "OFFLINE"
    IMPORT = "IMPORT"
    CORRECTION = "CORRECTION"
    SYSTEM = "SYSTEM"


class InvalidEnvelope(InvalidEvent):
    """Headers that are no envelope, read or to be written. Names the header and what is wrong with it, never its value."""

    def __init__(self, header: str, problem: str) -> None:
        super().__init__(f"header {header} {problem}")
        self.header = header
        self.problem = problem


class Head(Protocol):
    """Who stated an event, as which of its case, and when: what an envelope says, and its heading too, which costs less to read."""

    @property
    def owner(self) -> str: ...
    @property
    def case_seq(self) -> int: ...
    @property
    def origin(self) -> Origin: ...
    @property
    def occurred_at(self) -> datetime: ...
    @property
    def recorded_at(self) -> datetime: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """What every event says about itself.

    Times are aware, read ones in UTC. `subject` is the record key. `actor`, `on_behalf_of`, `policy_version` and `consent` are opaque
    ids of at most 128 letters, digits and ._:/+=- (so no e-mail address is one); `agency` and `actor_agency` are slugs.
    """

    event_id: UUID
    type: str
    version: int
    owner: str
    topic: str
    subject: UUID
    case_seq: int
    generation: int
    occurred_at: datetime
    recorded_at: datetime
    agency: str
    actor: str
    actor_role: Role
    actor_agency: str
    lead_epoch: int
    correlation_id: UUID
    origin: Origin
    on_behalf_of: str | None = None
    causation_id: UUID | None = None
    policy_version: str | None = None
    consent: str | None = None
    import_id: UUID | None = None
    corrects: UUID | None = None
    traceparent: str | None = None


def to_headers(envelope: Envelope) -> Headers:
    """The envelope as record headers; what is None has no header. Raises InvalidEnvelope for what `from_headers` would not read back."""
    headers: Headers = [
        ("content-type", CONTENT_TYPE),
        ("ce_specversion", SPEC_VERSION),
        ("ce_source", b"/continuum/" + envelope.owner.encode()),
        ("ce_subject", str(envelope.subject).encode()),
        ("ce_id", str(envelope.event_id).encode()),
        ("ce_type", envelope.type.encode()),
        ("ce_dataversion", b"%d" % envelope.version),
        ("ce_caseseq", b"%d" % envelope.case_seq),
        ("ce_generation", b"%d" % envelope.generation),
        ("ce_time", _instant_text("ce_time", envelope.occurred_at)),
        ("ce_recordedtime", _instant_text("ce_recordedtime", envelope.recorded_at)),
        ("ce_agency", _text("ce_agency", envelope.agency, _is_slug)),
        ("ce_actor", _text("ce_actor", envelope.actor, _is_opaque)),
        ("ce_actorrole", envelope.actor_role.encode()),
        ("ce_actoragency", _text("ce_actoragency", envelope.actor_agency, _is_slug)),
        ("ce_leadepoch", b"%d" % envelope.lead_epoch),
        ("ce_correlationid", str(envelope.correlation_id).encode()),
        ("ce_origin", envelope.origin.encode()),
    ]
    if envelope.causation_id is not None:
        headers.append(("ce_causationid", str(envelope.causation_id).encode()))
    if envelope.import_id is not None:
        headers.append(("ce_importid", str(envelope.import_id).encode()))
    if envelope.corrects is not None:
        headers.append(("ce_corrects", str(envelope.corrects).encode()))
    for name, optional in (
        ("ce_onbehalfof", envelope.on_behalf_of),
        ("ce_policyversion", envelope.policy_version),
        ("ce_consent", envelope.consent),
    ):
        if optional is not None:
            headers.append((name, _text(name, optional, _is_opaque)))
    if envelope.traceparent is not None and _is_trace(envelope.traceparent.encode()):
        headers.append(("traceparent", envelope.traceparent.encode()))
    return headers


def must_be_sendable(*, agency: str, actor: str, actor_agency: str, on_behalf_of: str | None, policy_version: str | None) -> None:
    """Raises InvalidEnvelope where one of these could not be written by `to_headers`. What else an envelope has we make ourselves."""
    _text("ce_agency", agency, _is_slug)
    _text("ce_actor", actor, _is_opaque)
    _text("ce_actoragency", actor_agency, _is_slug)
    if on_behalf_of is not None:
        _text("ce_onbehalfof", on_behalf_of, _is_opaque)
    if policy_version is not None:
        _text("ce_policyversion", policy_version, _is_opaque)


def from_headers(headers: RawHeaders | None, *, topic: str, key: bytes | None) -> Envelope:
    """The envelope of a record of `topic` with that key. Raises InvalidEnvelope for the first header that is missing, doubled or wrong."""
    values = _by_name(headers or ())
    owner = topic.partition(".")[0]
    _expect(values, "content-type", CONTENT_TYPE)
    _expect(values, "ce_specversion", SPEC_VERSION)
    _expect(values, "ce_source", b"/continuum/" + owner.encode())
    _expect(values, "ce_subject", key)
    event_type = _needed(values, "ce_type", _type)
    if not event_type.startswith(f"{owner}."):
        raise InvalidEnvelope("ce_type", "names an event of another service than the topic's")
    _optional(values, "ce_began", _offsets)
    return Envelope(
        event_id=_needed(values, "ce_id", _uuid),
        type=event_type,
        version=_needed(values, "ce_dataversion", _positive),
        owner=owner,
        topic=topic,
        subject=_needed(values, "ce_subject", _uuid),
        case_seq=_needed(values, "ce_caseseq", _positive),
        generation=_needed(values, "ce_generation", _count),
        occurred_at=_needed(values, "ce_time", _instant),
        recorded_at=_needed(values, "ce_recordedtime", _instant),
        agency=_needed(values, "ce_agency", _slug),
        actor=_needed(values, "ce_actor", _opaque),
        actor_role=_needed(values, "ce_actorrole", _ROLES.__getitem__),
        actor_agency=_needed(values, "ce_actoragency", _slug),
        lead_epoch=_needed(values, "ce_leadepoch", _count),
        correlation_id=_needed(values, "ce_correlationid", _uuid),
        origin=_needed(values, "ce_origin", _ORIGINS.__getitem__),
        on_behalf_of=_optional(values, "ce_onbehalfof", _opaque),
        causation_id=_optional(values, "ce_causationid", _uuid),
        policy_version=_optional(values, "ce_policyversion", _opaque),
        consent=_optional(values, "ce_consent", _opaque),
        import_id=_optional(values, "ce_importid", _uuid),
        corrects=_optional(values, "ce_corrects", _uuid),
        traceparent=_optional(values, "traceparent", _trace),
    )


def began(headers: RawHeaders) -> tuple[int, ...]:
    """Where the record's generation began in each partition of its topic, of headers that are an envelope; empty where at 0 in all."""
    value = dict(headers).get("ce_began")
    return _offsets(value if isinstance(value, bytes) else value.encode()) if value else ()


def _by_name(headers: RawHeaders) -> dict[str, bytes]:
    values: dict[str, bytes] = {}
    for name, value in headers:
        if name in values and name in _OURS:
            raise InvalidEnvelope(name, "is given twice")
        if value is not None:
            values[name] = value if isinstance(value, bytes) else value.encode(errors="replace")
    return values


def _expect(values: dict[str, bytes], name: str, expected: bytes | None) -> None:
    found = values.get(name)
    if found is None:
        raise InvalidEnvelope(name, "is missing")
    if found != expected:
        raise InvalidEnvelope(name, "is not what this topic and key need")


def _needed(values: dict[str, bytes], name: str, read: Callable[[bytes], T]) -> T:
    value = values.get(name)
    if value is None:
        raise InvalidEnvelope(name, "is missing")
    try:
        return read(value)
    except (ValueError, KeyError, OverflowError):
        raise InvalidEnvelope(name, "is not a value of its kind") from None


def _optional(values: dict[str, bytes], name: str, read: Callable[[bytes], T]) -> T | None:
    return _needed(values, name, read) if name in values else None


def _uuid(value: bytes) -> UUID:
    if len(value) != 36:
        raise ValueError
    return UUID(value.decode("ascii"))


def _count(value: bytes) -> int:
    if not value.isdigit() or len(value) > 18:
        raise ValueError
    return int(value)


def _positive(value: bytes) -> int:
    number = _count(value)
    if number < 1:
        raise ValueError
    return number


def _offsets(value: bytes) -> tuple[int, ...]:
    return tuple(_count(offset) for offset in value.split(b","))


def _instant(value: bytes) -> datetime:
    moment = datetime.fromisoformat(value.decode("ascii"))
    if moment.tzinfo is None:
        raise ValueError
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def _slug(value: bytes) -> str:
    return _matching(value, _is_slug)


def _opaque(value: bytes) -> str:
    return _matching(value, _is_opaque)


def _type(value: bytes) -> str:
    return _matching(value, _is_type)


def _trace(value: bytes) -> str | None:
    """A broken trace context is dropped, as W3C says: it must not cost the event."""
    return value.decode("ascii") if _is_trace(value) else None


def trace_context(text: str | None) -> str | None:
    """The same for a header that was kept as text."""
    return text if text is not None and _is_trace(text.encode(errors="replace")) else None


def _matching(value: bytes, fits: "_Fits") -> str:
    if fits(value) is None:
        raise ValueError
    return value.decode("ascii")


def _text(name: str, text: str, fits: "_Fits") -> bytes:
    value = text.encode(errors="replace")
    if fits(value) is None:
        raise InvalidEnvelope(name, "is not a value of its kind")
    return value


@lru_cache(1024)
def instant_text(moment: datetime) -> str:
    """An aware time as headers write it: in UTC, to the microsecond. What is stated together has the same one."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[:26] + "Z"


def _instant_text(name: str, moment: datetime) -> bytes:
    if moment.tzinfo is None:
        raise InvalidEnvelope(name, "is a time without its zone")
    return instant_text(moment).encode()


_Fits = Callable[[bytes], re.Match[bytes] | None]
_is_slug: _Fits = re.compile(SLUG).fullmatch
_is_opaque: _Fits = re.compile(OPAQUE).fullmatch
_is_type: _Fits = re.compile(rb"[a-z]{1,32}\.[A-Z][A-Za-z0-9]{1,63}").fullmatch
_is_trace: _Fits = re.compile(TRACE).fullmatch
_ROLES: Final = {role.encode(): role for role in Role}
_ORIGINS: Final = {origin.encode(): origin for origin in Origin}
_OURS: Final = frozenset(
    {
        "content-type",
        "ce_specversion",
        "ce_source",
        "ce_subject",
        "ce_id",
        "ce_type",
        "ce_dataversion",
        "ce_caseseq",
        "ce_generation",
        "ce_began",
        "ce_time",
        "ce_recordedtime",
        "ce_agency",
        "ce_actor",
        "ce_actorrole",
        "ce_actoragency",
        "ce_leadepoch",
        "ce_correlationid",
        "ce_origin",
        "ce_onbehalfof",
        "ce_causationid",
        "ce_policyversion",
        "ce_consent",
        "ce_importid",
        "ce_corrects",
        "traceparent",
    }
)
