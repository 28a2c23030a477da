"""What is prepared and due goes first: no other case is looked at, and the copies of the process wait a while."""

from collections.abc import Callable
from threading import Event as Signal
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection

from casebus import consumer
from casebus.consumer import Consumer
from services.monitoring.clocks import BATCH, ClockWorker
from services.monitoring.main import blueprint
from services.monitoring.policies import Policies
from tests.waiting import until

NOTHING: Any = None


class Prepared:
    """So many are due, turn by turn."""

    def __init__(self, *due: int) -> None:
        self._due = list(due)

    def fire(self) -> int:
        return self._due.pop(0)

    def prepare(self) -> int:
        return 0

    def forget(self, connection: Connection, cases: list[UUID]) -> None:
        raise AssertionError


class Looking(ClockWorker):
    """Its look at other cases finds three."""

    def _look(self) -> int:
        return 3


def test_while_a_whole_batch_is_due_nothing_else_is_looked_at() -> None:
    worker = Looking(engine=NOTHING, codec=NOTHING, policies=NOTHING, wake=lambda: None, tick=1, ahead=Prepared(BATCH, BATCH - 1))
    assert (worker.turn(), worker.busy.is_set()) == (BATCH, True)
    assert (worker.turn(), worker.busy.is_set()) == (BATCH - 1 + 3, False)


@pytest.fixture
def busy() -> Signal:
    made = Signal()
    made.set()
    return made


def reader(busy: Callable[[], bool]) -> Consumer:
    [copies] = [track for track in blueprint(Policies({})).tracks(NOTHING) if track.schema == "copy"]
    return Consumer(NOTHING, NOTHING, copies, busy)


def test_a_batch_waits_until_what_goes_first_is_over(busy: Signal) -> None:
    asked: list[bool] = []

    def is_busy() -> bool:
        asked.append(busy.is_set())
        return asked[-1]

    waiting = Thread(target=reader(is_busy)._give_way, args=(Signal(),), daemon=True)
    waiting.start()
    until(lambda: len(asked) > 2)  # it has waited, and asked again
    busy.clear()
    until(lambda: not waiting.is_alive())


def test_it_waits_for_a_while_only(busy: Signal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "GIVES_WAY_SECONDS", 0.0)
    reader(busy.is_set)._give_way(Signal())
    assert busy.is_set()
