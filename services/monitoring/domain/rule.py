"""What an alert rule is: which clocks a case's history has, and what else a breach states."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from casebus.event import Event
from services.monitoring.domain.clock import Clock, Verdict
from services.monitoring.domain.fact import Fact, History
from services.monitoring.domain.policy import Policy


@dataclass(frozen=True, kw_only=True, slots=True)
class Saying:
    """An event that a breach states, the fact that it follows from, and when it happened: of history, it is told with that time."""

    event: Event
    because: Fact
    at: datetime


def _nothing(clock: Clock, verdict: Verdict) -> Iterator[Saying]:
    yield from ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """`name` is what its alerts say, in UPPER_CASE. `clocks` gives every clock that a history started; `states` what a breach says
    beside its alert, also where it is history. `timed`: its times are the policy's `duties` of its name.
    """

    name: str
    clocks: Callable[[History, Policy], Iterator[Clock]]
    states: Callable[[Clock, Verdict], Iterator[Saying]] = _nothing
    timed: bool = True
