"""Single records that come one after the other are read together: a track rests after a small batch."""

from dataclasses import replace
from threading import Event as Signal
from typing import Any, ClassVar

import pytest

from casebus.consumer import RESTS_SECONDS, Consumer
from casebus.kafka import Record
from casebus.track import Tally, Track

NOTHING: Any = None
RUBBISH = Record("intake.case.v1", 0, 0, None, None, [])


class Stop(Signal):
    """Notes for how long it was waited."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0)
        return False


class Reader:
    """Always has two records."""

    next: ClassVar[dict[tuple[str, int], int]] = {}

    def batch(self, limit: int, seconds: float) -> list[Record]:
        return [RUBBISH] * min(limit, 2)


def waits(monkeypatch: pytest.MonkeyPatch, most: int) -> list[float]:
    track = Track(service="planning", schema="copy", topics={"intake.case.v1": 6}, handlers={}, make_work=NOTHING, codec=NOTHING)
    monkeypatch.setattr(Consumer, "_apply", lambda *_: Tally())
    consumer, stop, reader = Consumer(NOTHING, NOTHING, replace(track, most=most)), Stop(), Reader()
    for _ in range(3):
        consumer._turn(reader, stop)  # type: ignore[arg-type]  # it only has what is asked of it
    return stop.waits


def test_a_track_rests_after_a_small_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    found = waits(monkeypatch, most=21)
    assert len(found) == 2, "none before the first"
    assert all(0 < each <= RESTS_SECONDS for each in found)


@pytest.mark.parametrize("most", [2, 20])
def test_where_it_has_much_to_read_it_does_not_rest(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    assert waits(monkeypatch, most) == []
