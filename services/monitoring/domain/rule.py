"""What an alert rule is: which clocks a case's history has, and what else a breach states."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from casebus.contracts.monitoring import AlertRule
from casebus.event import Event
from services.monitoring.domain.clock import Clock, Verdict
from services.monitoring.domain.fact import History
from services.monitoring.domain.policy import Policy


def _nothing(clock: Clock, verdict: Verdict) -> Iterator[Event]:
    yield from ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """`clocks` gives every clock that a history started; `states` what a breach says beside its alert, also where it is history."""

    name: AlertRule
    clocks: Callable[[History, Policy], Iterator[Clock]]
    states: Callable[[Clock, Verdict], Iterator[Event]] = _nothing
