"""What the worker knows: for each case who held it in turn, in a table of Faust's, and the windows counted from that.

One table record holds all that is known of a case. So an update is written whole or not at all, an event that comes again is found in it,
and whatever a crash loses, no hand-off is counted twice. The windows are not stored: they are counted from the table.
"""

import json
from collections.abc import MutableMapping
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from casebus.codec import Codec
from casebus.contracts import intake, referral
from casebus.envelope import Envelope, RawHeaders, from_headers
from casebus.errors import InvalidEvent
from casebus.event import Event
from services.monitoring.domain.case_view import CaseView, Step
from services.monitoring.stream.flow import Flow

MOVES: Final[tuple[type[Event], ...]] = (intake.CaseReceived, intake.LeadHandedOver, referral.ReferralAccepted)
"""The events that can change who holds a case: all others are passed over unread."""
STEPS: Final = 200
"""The newest steps kept of a case: they bound its record (about 25 KB)."""
_MOVING: Final = frozenset(kind.TYPE for kind in MOVES)


class Ledger:
    """`cases` is the table: a case's id to its steps. One thread's alone."""

    def __init__(self, codec: Codec, cases: MutableMapping[bytes, bytes]) -> None:
        self._codec = codec
        self._cases = cases
        self.flow = Flow()

    def take(self, *, topic: str, key: bytes | None, headers: RawHeaders | None, value: bytes | None) -> bool:
        """Apply one record; False where it changes nothing: another type, or one that was applied before. Raises InvalidEvent."""
        envelope = from_headers(headers, topic=topic, key=key)
        if envelope.type not in _MOVING:
            self.flow.see(envelope.recorded_at)
            return False
        event = self._codec.decode(value)
        if (event.TYPE, event.TOPIC, event.subject) != (envelope.type, topic, envelope.subject):
            raise InvalidEvent("the value is not what its headers, key and topic say")
        self.flow.see(envelope.recorded_at)
        return self._apply(event, envelope)

    def recount(self) -> None:
        """Count all windows anew from the table: after it was recovered."""
        self.flow = Flow()
        for key, value in self._cases.items():
            case = case_from(key, value)
            for step in case.steps:
                self.flow.see(step.recorded_at)
            self.flow.change((), case.hand_offs())

    def _apply(self, event: Event, envelope: Envelope) -> bool:
        key = str(envelope.subject).encode()
        before = case_from(key, self._cases.get(key))
        if any((step.owner, step.seq) == (envelope.owner, envelope.case_seq) for step in before.steps):
            return False
        after = _bounded(before.after(event, envelope))
        self._cases[key] = to_record(after)
        self.flow.change(before.hand_offs(), after.hand_offs())
        return True


def to_record(case: CaseView) -> bytes:
    """A case's steps as the table holds them."""
    steps = [[s.recorded_at.isoformat(), s.owner, s.seq, s.at.isoformat(), s.agency, s.leads] for s in case.steps]
    return json.dumps(steps, separators=(",", ":")).encode()


def case_from(key: bytes, record: bytes | None) -> CaseView:
    """The case with that key and the steps of its record, none where there is no record."""
    steps = tuple(
        Step(recorded_at=_time(recorded_at), owner=owner, seq=seq, at=_time(at), agency=agency, leads=leads)
        for recorded_at, owner, seq, at, agency, leads in json.loads(record or b"[]")
    )
    return CaseView(id=UUID(key.decode()), steps=steps)


def _bounded(case: CaseView) -> CaseView:
    """The newest steps only. A lead who comes after an accepted referral holds nothing, so that one goes first."""
    if len(case.steps) <= STEPS:
        return case
    accepted = next((place for place, step in enumerate(case.steps) if not step.leads), len(case.steps))
    telling = tuple(step for place, step in enumerate(case.steps) if place < accepted or not step.leads)
    return replace(case, steps=telling[-STEPS:])


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
