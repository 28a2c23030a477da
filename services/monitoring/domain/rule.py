"""What an alert rule is: which clocks a case's history has, and what else a breach states."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from casebus.contracts.monitoring import Rung
from casebus.event import Event
from services.monitoring.domain.clock import Clock, Verdict
from services.monitoring.domain.conditions import AgencyOf, Conditions, TimesOf, by_policy, clocks_of
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


class Needs(StrEnum):
    """What a policy has to say for a rule to be watched."""

    TIME = "duties"
    COUNT = "counts"
    NOTHING = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """`name` is what its alerts say, in UPPER_CASE. `clocks` gives every clock that a history started; `states` what a breach says
    beside its alert, also where it is history. `needs`: under which key of the policy its name must stand. `rung`: who is told first.
    `conditions`: what its clocks follow from, where they do. `may_take_none`: its duty may take 0h, for it is counted from a day that
    somebody named, or tells of what is wrong as soon as it is.
    """

    name: str
    clocks: Callable[[History, Policy], Iterator[Clock]]
    states: Callable[[Clock, Verdict], Iterator[Saying]] = _nothing
    needs: Needs = Needs.TIME
    rung: Rung = Rung.WORKER
    conditions: Conditions | None = None
    may_take_none: bool = False

    @property
    def is_safety(self) -> bool:
        """Whether it watches over safety: a suspended case pauses neither its clocks nor its ladder."""
        return self.conditions is not None and not self.conditions.pause

    def is_watched(self, policy: Policy) -> bool:
        """Whether this policy watches it: one that doesn't says so by `off`, or doesn't know it yet."""
        if self.needs is Needs.COUNT:
            return policy.counts.get(self.name) is not None
        return policy.watches(self.name) if self.needs is Needs.TIME else self.name not in policy.duties


def duty(
    name: str,
    conditions: Conditions,
    *,
    times: TimesOf | None = None,
    agency: AgencyOf | None = None,
    states: Callable[[Clock, Verdict], Iterator[Saying]] = _nothing,
    needs: Needs = Needs.TIME,
    rung: Rung = Rung.WORKER,
    may_take_none: bool = False,
) -> Rule:
    """A rule whose clocks follow from conditions. `times`: without it, the policy's time of the duty, from its start. `agency`: of the
    start's event, who answers for it; without it, the lead."""
    clocks = clocks_of(conditions, times or by_policy(name), agency)
    return Rule(name=name, clocks=clocks, states=states, needs=needs, rung=rung, conditions=conditions, may_take_none=may_take_none)
