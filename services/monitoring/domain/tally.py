"""What a case adds to the board's numbers beside where it stands: its follow-ups and its alerts, as their events tell."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date
from typing import Any
from uuid import UUID

from casebus.contracts import monitoring
from casebus.contracts.monitoring import Rung
from casebus.envelope import Head
from casebus.event import Event


@dataclass(frozen=True, kw_only=True, slots=True)
class ToldAlert:
    """An alert that was raised. `on` is the day, in UTC, on which that was recorded."""

    rule: str
    agency: str
    on: date
    rung: Rung
    is_open: bool = True
    has_climbed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """`done`, `missed` and `made_up` count follow-ups."""

    done: int = 0
    missed: int = 0
    made_up: int = 0
    alerts: Mapping[UUID, ToldAlert] = field(default_factory=dict)

    def after(self, event: Event, head: Head) -> "Tally":
        """The tally with this event in it; itself where that adds nothing. Monitoring's events come in their order."""
        tell = _TOLD.get(type(event))
        return self if tell is None else tell(self, event, head)

    def _alert(self, one: UUID, **changed: Any) -> "Tally":
        """An alert that isn't known (an old process may have dropped it, runbook.md, "Upgrade") stays so until the copies are rebuilt."""
        known = self.alerts.get(one)
        return self if known is None else replace(self, alerts={**self.alerts, one: replace(known, **changed)})


def _raised(tally: Tally, event: monitoring.AlertRaised, head: Head) -> Tally:
    made = ToldAlert(rule=event.rule, agency=event.agency, on=head.recorded_at.astimezone(UTC).date(), rung=event.rung)
    return replace(tally, alerts={**tally.alerts, event.alert_id: made})


def _ended(tally: Tally, event: monitoring.AlertResolved | monitoring.AlertAutoCleared, _: Head) -> Tally:
    return tally._alert(event.alert_id, is_open=False)


def _contacted(tally: Tally, event: monitoring.ContactRecorded, _: Head) -> Tally:
    return tally if event.follow_up_id is None else replace(tally, done=tally.done + 1)


_TOLD: Mapping[type[Event], Callable[[Tally, Any, Head], Tally]] = {
    monitoring.AlertRaised: _raised,
    monitoring.AlertEscalated: lambda tally, event, _: tally._alert(event.alert_id, rung=event.rung, has_climbed=True),
    monitoring.AlertResolved: _ended,
    monitoring.AlertAutoCleared: _ended,
    monitoring.ContactRecorded: _contacted,
    monitoring.FollowUpMissed: lambda tally, *_: replace(tally, missed=tally.missed + 1),
    monitoring.FollowUpMadeUp: lambda tally, *_: replace(tally, made_up=tally.made_up + 1),
}
