"""Facts as they are kept: read piece by piece they say what the whole envelope and event say, and lead to the same decisions."""

from dataclasses import replace
from random import Random

import pytest

from casebus.codec import Codec
from casebus.contracts import monitoring
from casebus.contracts.monitoring import CancelReason
from casebus.envelope import from_headers, to_headers
from casebus.inbox import pack, unpack
from casebus.schemas import LockedIds
from services.monitoring.domain.decision import Decision, decide
from services.monitoring.domain.fact import Fact, History
from services.monitoring.domain.regime import always
from services.monitoring.kept import Kept
from services.monitoring.rules import RULES
from tests.unit.monitoring.story import CASE, IMPORT, POLICY, Story, day, some

CODEC = Codec(LockedIds())
LAW = always(lambda *_: POLICY)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def told() -> list[Fact]:
    """Live, offline and imported facts of every owner."""
    story = Story()
    story.begin_import(day(0.1), "intake", "monitoring")
    story.follow_up("first", due=day(14), at=day(0.2))
    story.follow_up("old", due=day(-20), at=day(0.3), occurred=day(-40), import_id=IMPORT)
    story.complete_import("intake", day(0.4))
    story.complete_import("monitoring", day(0.5))
    story.offer("shelter", day(1))
    story.contact("first", day(16), occurred=day(13))
    story.accept("shelter", day(3))
    story.follow_up("second", due=day(28), at=day(16.1))
    story.state(day(30))
    story.tell(monitoring.FollowUpCancelled(case_id=CASE, follow_up_id=some("second"), reason=CancelReason.CASE_CLOSED), day(31))
    story.close(day(31))
    return story.facts


def kept(fact: Fact, traceparent: str | None = None) -> Kept:
    headers = to_headers(fact.envelope)
    if traceparent is not None:
        headers.append(("traceparent", traceparent.encode()))
    packed = pack([(name, value) for name, value in headers if isinstance(value, bytes)])
    envelope = fact.envelope
    return Kept(CODEC, CASE, (envelope.recorded_at, envelope.owner, envelope.case_seq), packed, CODEC.encode(fact.event))


@pytest.mark.parametrize("trace", [None, TRACE, "nonsense", "00-\x00"])
def test_each_piece_is_what_the_whole_says(trace: str | None) -> None:
    for fact in told():
        one = kept(fact, trace)
        whole = from_headers(unpack(one._headers), topic=fact.envelope.topic, key=str(CASE).encode())
        assert (one.event, one.envelope, one.kind) == (fact.event, whole, type(fact.event))
        assert (one.id, one.correlation_id, one.traceparent) == (whole.event_id, whole.correlation_id, whole.traceparent)
        plain = Fact(fact.event, whole)
        assert (one.recorded_at, one.effective, one.order, one.place) == (plain.recorded_at, plain.effective, plain.order, plain.place)
        assert one.import_id == plain.import_id
    assert replace(told()[0].envelope, traceparent=TRACE).traceparent == kept(told()[0], TRACE).traceparent


def test_what_is_read_piece_by_piece_is_decided_alike() -> None:
    facts, dice = told(), Random(5)
    decided = 0
    for watermark in (day(n / 2) for n in range(100)):
        mixed = dice.sample(facts, len(facts))
        plain, plain_look = decide(History.below(CASE, mixed, watermark), watermark, LAW, RULES)
        lazy, lazy_look = decide(History.below(CASE, [kept(fact) for fact in mixed], watermark), watermark, LAW, RULES)
        assert ([said(one) for one in plain], plain_look) == ([said(one) for one in lazy], lazy_look)
        decided += len(plain)
    assert decided > 100


def said(one: Decision) -> tuple[object, ...]:
    return one.id, one.event, one.agency, one.occurred_at, one.because.order
