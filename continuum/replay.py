"""A history that goes on: its acts as live commands, while system time steps hour by hour at about a day a second."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import Connection, NullPool, create_engine

from casebus.timebase import annotate, floor, step_to, system_time
from continuum.flow import Flow, Outcome

T = TypeVar("T")
HOUR = timedelta(hours=1)
PACE = 1 / 24
"""Real seconds for an hour of system time."""
OVER = "HISTORY_OVER"


class SystemClock:
    """Steps system time in every service's database, as their owner."""

    def __init__(self, databases: Iterable[str]) -> None:
        self._connections: list[Connection] = [create_engine(url, poolclass=NullPool).connect() for url in databases]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for connection in self._connections:
            connection.close()

    def now(self) -> datetime:
        """The latest of the databases' system times."""
        return max(self._each(system_time))

    def begin(self, moment: datetime) -> datetime:
        """Go on from `moment`, or from what was promised to readers already, if that is later; returns from where."""
        floors = [known for known in self._each(floor) if known is not None]
        start = max([moment, *floors])
        self.step(start)
        return start

    def step(self, moment: datetime) -> None:
        self._each(lambda connection: step_to(connection, moment))

    def note(self, said: str | None) -> None:
        """Let the board say something of the time."""
        self._each(lambda connection: annotate(connection, said))

    def _each(self, ask: Callable[[Connection], T]) -> list[T]:
        found = []
        for connection in self._connections:
            with connection.begin():
                found.append(ask(connection))
        return found


def replay(flow: Flow, clock: SystemClock, *, until: datetime | None, tell: Callable[[datetime, Outcome], None]) -> datetime:
    """Step hour by hour, each hour's commands answered before the next; returns the moment reached: `until`, or the end of the history."""
    moment = clock.now()
    due = time.monotonic()
    while flow.next_moment is not None and (until is None or moment < until):
        moment = moment.replace(minute=0, second=0, microsecond=0) + HOUR
        clock.step(moment)
        tell(moment, flow.play(moment))
        due = max(due + PACE, time.monotonic() - 1)
        time.sleep(max(0.0, due - time.monotonic()))
    return moment
