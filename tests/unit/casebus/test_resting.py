"""Records that come one after the other are read together: a track waits for more where it handled little for what it could have."""

from dataclasses import replace
from threading import Event as Signal
from typing import Any, ClassVar

import pytest

from casebus import consumer as module
from casebus.consumer import FLOW_SECONDS, LONGEST_IN_A_FLOOD, LONGEST_REST, PATIENT_SECONDS, QUICK_SECONDS, RESTS, Consumer, rest_after
from casebus.kafka import Record
from casebus.track import Parsed, Tally, Track

NOTHING: Any = None
RECORD = Record("intake.case.v1", 0, 0, None, None, [])
TOOK = 0.02
"""Seconds of a batch."""


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Stop(Signal):
    """Notes for how long it was waited."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0)
        self._clock.now += timeout or 0
        return False


class Reader:
    """Always has so many records, as far as they are asked for. Notes for how long more were waited for."""

    next: ClassVar[dict[tuple[str, int], int]] = {}

    def __init__(self) -> None:
        self.has = 0
        self.waits: list[float] = []

    def batch(self, limit: int, seconds: float, more: float) -> list[Record]:
        self.waits.append(more)
        return [RECORD] * min(limit, self.has)


class Reading:
    """A track of at most 20 records a batch, whose service handles all of them, or none."""

    def __init__(self, clock: Clock, monkeypatch: pytest.MonkeyPatch, *, handles: bool) -> None:
        track = Track(service="planning", schema="copy", topics={"intake.case.v1": 6}, handlers={}, make_work=NOTHING, codec=NOTHING)
        self.consumer, self.stop, self.reader = Consumer(NOTHING, NOTHING, replace(track, most=20)), Stop(clock), Reader()
        monkeypatch.setattr(Track, "parse", lambda _, record: Parsed(record, event=record if handles else None))

    def turn(self, records: int) -> list[float]:
        """One more batch; the rests until now."""
        self.reader.has = records
        self.consumer._turn(self.reader, self.stop)  # type: ignore[arg-type]  # it only has what is asked of it
        if self.consumer._under_way is not None and self.consumer._under_way.is_alive():
            self.consumer._under_way.join()
        return self.stop.waits


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Only a batch and a rest take time."""
    found = Clock()

    def apply(*_: object) -> Tally:
        found.now += TOOK
        return Tally()

    monkeypatch.setattr(module, "monotonic", found)
    monkeypatch.setattr(Consumer, "_apply", apply)
    return found


def test_after_a_small_batch_more_is_waited_for_twice_as_long_as_it_took(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Reading(clock, monkeypatch, handles=True)
    assert reading.turn(1) == reading.turn(1) == [], "it is with the broker meanwhile"
    assert reading.reader.waits == pytest.approx([0, RESTS * TOOK])


def test_after_a_pause_no_more_is_waited_for(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once slow is not always slow, and nobody else is on the way."""
    reading = Reading(clock, monkeypatch, handles=True)
    reading.turn(1)
    clock.now += FLOW_SECONDS
    reading.turn(1)
    assert reading.reader.waits == [0, 0]


@pytest.mark.parametrize("records", [2, 20])
def test_where_it_handles_much_it_waits_for_no_more(clock: Clock, monkeypatch: pytest.MonkeyPatch, records: int) -> None:
    reading = Reading(clock, monkeypatch, handles=True)
    for _ in range(3):
        assert reading.turn(records) == []
    assert reading.reader.waits == [0, 0, 0]


def test_a_flood_of_what_it_does_not_handle_is_read_at_leisure_for_a_while(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Reading(clock, monkeypatch, handles=False)
    assert reading.turn(20) == reading.turn(20) == [], "what it begins with is a backlog"
    began = clock.now + TOOK
    reading.turn(1)
    reading.turn(20)
    while clock.now < began + PATIENT_SECONDS - LONGEST_IN_A_FLOOD:
        reading.turn(20)
    _, *rests = reading.stop.waits
    assert rests == pytest.approx([TOOK**2 / QUICK_SECONDS] * len(rests))
    clock.now += LONGEST_IN_A_FLOOD
    reading.turn(20)
    rested = len(reading.stop.waits)
    assert len(reading.turn(20)) == rested, "it has to catch up after all"


def test_no_rest_is_longer_than_the_longest() -> None:
    assert rest_after(10) == LONGEST_REST
    assert rest_after(10, 0.05) == 0.05
