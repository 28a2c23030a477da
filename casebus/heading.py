"""The head of a record: what decides whether it is applied.

Headers as our relay writes them are recognised in one look; any others are read one by one (`envelope.from_headers`), which also says what
is wrong with them. Both ways give the same.
"""

import re
from datetime import datetime
from functools import lru_cache
from sys import intern
from typing import Final
from uuid import UUID

from casebus.envelope import CONTENT_TYPE, OPAQUE, SLUG, SPEC_VERSION, TRACE, Envelope, Origin, RawHeaders, Role, from_headers
from casebus.joined import Joined, join
from casebus.partition import CACHED, hash_of

_UUID: Final = rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TIME: Final = rb"[0-8][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z"
_COUNT: Final = rb"[0-9]{1,9}"
_POSITIVE: Final = rb"[1-9][0-9]{0,8}"
_USUAL: Final = {
    "content-type": re.escape(CONTENT_TYPE),
    "ce_specversion": re.escape(SPEC_VERSION),
    "ce_subject": _UUID,
    "ce_id": _UUID,
    "ce_dataversion": _POSITIVE,
    "ce_caseseq": _POSITIVE,
    "ce_generation": _COUNT,
    "ce_time": _TIME,
    "ce_recordedtime": _TIME,
    "ce_agency": SLUG,
    "ce_actor": OPAQUE,
    "ce_actorrole": "|".join(Role).encode(),
    "ce_actoragency": SLUG,
    "ce_leadepoch": _COUNT,
    "ce_correlationid": _UUID,
    "ce_origin": "|".join(Origin).encode(),
}
_SOMETIMES: Final = {
    "ce_began": rb"[0-9]{1,18}(?:,[0-9]{1,18})*",
    "ce_causationid": _UUID,
    "ce_importid": _UUID,
    "ce_corrects": _UUID,
    "ce_onbehalfof": OPAQUE,
    "ce_policyversion": OPAQUE,
    "ce_consent": OPAQUE,
    "traceparent": TRACE,
}
_ASKED: Final = ("ce_subject", "ce_type", "ce_caseseq", "ce_generation", "ce_time", "ce_recordedtime", "ce_origin")
"""What decides whether a record is applied, and from when it counts."""
_ORIGINS: Final = {origin.encode(): origin for origin in Origin}


class Heading:
    """Of a whole and right envelope. `envelope` itself is made when somebody asks for it: most records need none.

    `key_hash` says in which partition the record's key belongs (casebus/partition.py).
    """

    __slots__ = (
        "_envelope",
        "_headers",
        "_topic",
        "case_seq",
        "generation",
        "key_hash",
        "occurred_at",
        "origin",
        "recorded_at",
        "subject",
        "type",
    )

    def __init__(self, topic: str, headers: RawHeaders, found: re.Match[bytes]) -> None:
        """`found` is what `_usual` found. Raises ValueError for a day that no calendar has."""
        self._topic, self._headers = topic, headers
        self._envelope: Envelope | None = None
        subject, kind, seq, generation, occurred, recorded, origin = found.group(*_ASKED)
        self.subject, self.key_hash = _case(subject)
        self.type, self.origin = intern(kind.decode()), _ORIGINS[origin]
        self.case_seq, self.generation = int(seq), int(generation)
        self.occurred_at = datetime.fromisoformat(occurred.decode())
        self.recorded_at = self.occurred_at if recorded == occurred else datetime.fromisoformat(recorded.decode())

    @classmethod
    def of(cls, envelope: Envelope, key: bytes | None) -> "Heading":
        made = cls.__new__(cls)
        made.key_hash = hash_of(key or b"")
        made._envelope = envelope
        made.type, made.subject, made.case_seq, made.generation = envelope.type, envelope.subject, envelope.case_seq, envelope.generation
        made.occurred_at, made.recorded_at, made.origin = envelope.occurred_at, envelope.recorded_at, envelope.origin
        return made

    @property
    def owner(self) -> str:
        """The service that stated it."""
        return self.type.partition(".")[0]

    @property
    def envelope(self) -> Envelope:
        if self._envelope is None:
            self._envelope = self._read()
        return self._envelope

    def _read(self) -> Envelope:
        said = {name: value.decode() for name, value in self._headers if isinstance(value, bytes)}
        causation, imported, corrects = said.get("ce_causationid"), said.get("ce_importid"), said.get("ce_corrects")
        return Envelope(
            event_id=UUID(said["ce_id"]),
            type=self.type,
            version=int(said["ce_dataversion"]),
            owner=self.owner,
            topic=self._topic,
            subject=self.subject,
            case_seq=self.case_seq,
            generation=self.generation,
            occurred_at=self.occurred_at,
            recorded_at=self.recorded_at,
            agency=said["ce_agency"],
            actor=said["ce_actor"],
            actor_role=Role(said["ce_actorrole"]),
            actor_agency=said["ce_actoragency"],
            lead_epoch=int(said["ce_leadepoch"]),
            correlation_id=UUID(said["ce_correlationid"]),
            origin=self.origin,
            on_behalf_of=said.get("ce_onbehalfof"),
            causation_id=UUID(causation) if causation else None,
            policy_version=said.get("ce_policyversion"),
            consent=said.get("ce_consent"),
            import_id=UUID(imported) if imported else None,
            corrects=UUID(corrects) if corrects else None,
            traceparent=said.get("traceparent"),
        )


def read_heading(headers: RawHeaders, *, topic: str, key: bytes | None) -> Heading:
    """The heading of a record of `topic` with that key. Raises InvalidEnvelope, as `from_headers` does."""
    joined = headers if type(headers) is Joined else join(headers)
    if joined is not None:
        found = _usual(joined.names, topic).fullmatch(joined.lines)
        if found is not None and found["ce_subject"] == key:
            try:
                return Heading(topic, joined, found)
            except ValueError:
                pass  # a day that no calendar has: which, and why, is found below
    return Heading.of(from_headers(headers, topic=topic, key=key), key)


@lru_cache(maxsize=256)
def _usual(names: tuple[str, ...], topic: str) -> re.Pattern[bytes]:
    """What the values of these headers look like, a line each. Where one of ours is missing, doubled or unknown, nothing does."""
    owner = re.escape(topic.partition(".")[0].encode())
    own = {"ce_source": rb"/continuum/" + owner, "ce_type": owner + rb"\.[A-Z][A-Za-z0-9]{1,63}"}
    known = _USUAL | _SOMETIMES | own
    if len(set(names)) < len(names) or not (_USUAL | own).keys() <= set(names) <= known.keys():
        return re.compile(rb"(?!)")
    return re.compile(
        rb"\n".join((b"(?P<%s>%s)" % (name.encode(), known[name]) if name in _ASKED else b"(?:%s)" % known[name]) for name in names)
    )


@lru_cache(maxsize=CACHED)
def _case(key: bytes) -> tuple[UUID, int]:
    """The id, and the key's hash: one look for both, since a record costs as much as what has to be looked for in memory."""
    return UUID(key.decode()), hash_of(key)
