"""Facts as they are kept, read as far as a decision asks: most decisions need a few events of a case, and when the others were."""

from collections.abc import Collection
from datetime import datetime
from operator import attrgetter
from uuid import UUID

import orjson
from sqlalchemy import Connection, text

from casebus.codec import Codec
from casebus.contracts import EVENTS
from casebus.envelope import Envelope, Origin, trace_context
from casebus.event import Event
from casebus.heading import read_heading
from casebus.inbox import unpack
from services.monitoring.domain.fact import Fact

AS_NUMBER = attrgetter("int")
"""Ids compare faster so."""
_OF_CASES = text("SELECT case_id, owner, case_seq, recorded_at, headers, value FROM copy.fact WHERE case_id = ANY(CAST(:cases AS uuid[]))")
_BEFORE_TYPE = b'["ce_type","'
"""As casebus.inbox packs headers; a quote within a value is escaped."""
_COUNTS_FROM_WHEN_IT_OCCURRED = (Origin.IMPORT.value, Origin.OFFLINE.value)


def facts_of(connection: Connection, codec: Codec, cases: Collection[UUID]) -> dict[UUID, list[Fact]]:
    """Every fact that is kept of these cases, in no order."""
    found: dict[UUID, list[Fact]] = {case_id: [] for case_id in cases}
    for case_id, owner, seq, recorded_at, headers, value in connection.execute(_OF_CASES, {"cases": sorted(cases, key=AS_NUMBER)}).all():
        found[case_id].append(Kept(codec, case_id, (recorded_at, owner, seq), headers, value))
    return found


class Kept(Fact):
    """Its headers and value were whole and right when it was kept: what is asked for is taken from them as they lie there."""

    __slots__ = ("_codec", "_envelope", "_event", "_headers", "_said", "_value", "case_id", "kind", "order", "recorded_at")
    __setattr__ = object.__setattr__

    def __init__(self, codec: Codec, case_id: UUID, order: tuple[datetime, str, int], headers: bytes, value: bytes) -> None:
        self._codec, self.case_id, self._headers, self._value = codec, case_id, headers, value
        object.__setattr__(self, "order", order)
        object.__setattr__(self, "recorded_at", order[0])
        self.kind: type[Event] = EVENTS[_type(headers)]
        self._event: Event | None = None
        self._envelope: Envelope | None = None
        self._said: dict[str, str] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kept) and (self.case_id, self.order) == (other.case_id, other.order)

    def __hash__(self) -> int:
        return hash((self.case_id, self.order))

    @property
    def event(self) -> Event:
        if self._event is None:
            self._event = self._codec.decode(self._value)
        return self._event

    @property
    def envelope(self) -> Envelope:
        if self._envelope is None:
            topic, key = f"{self.order[1]}.case.v1", str(self.case_id).encode()
            self._envelope = read_heading(unpack(self._headers), topic=topic, key=key).envelope
        return self._envelope

    @property
    def id(self) -> UUID:
        return UUID(self._headings()["ce_id"])

    @property
    def correlation_id(self) -> UUID:
        return UUID(self._headings()["ce_correlationid"])

    @property
    def traceparent(self) -> str | None:
        return trace_context(self._headings().get("traceparent"))

    @property
    def import_id(self) -> UUID | None:
        said = self._headings()
        found = said.get("ce_importid") if said["ce_origin"] == Origin.IMPORT.value else None
        return UUID(found) if found else None

    @property
    def effective(self) -> datetime:
        said = self._headings()
        return datetime.fromisoformat(said["ce_time"]) if said["ce_origin"] in _COUNTS_FROM_WHEN_IT_OCCURRED else self.recorded_at

    def _headings(self) -> dict[str, str]:
        if self._said is None:
            self._said = dict(orjson.loads(self._headers))
        return self._said


def _type(headers: bytes) -> str:
    begin = headers.index(_BEFORE_TYPE) + len(_BEFORE_TYPE)
    return headers[begin : headers.index(b'"', begin)].decode()
