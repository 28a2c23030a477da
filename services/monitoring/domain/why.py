"""Why there is an alert: what started its clock, what moved it, what could have stopped it and did not. A pure function of facts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.monitoring.domain.clock import Clock, Verdict, judge
from services.monitoring.domain.conditions import Conditions
from services.monitoring.domain.decision import alert_id
from services.monitoring.domain.fact import Fact, History
from services.monitoring.domain.rebasing import clocks_of
from services.monitoring.domain.regime import Law, Regimes
from services.monitoring.domain.rule import Rule


class Failing(StrEnum):
    """Why an event did not stop the clock."""

    TOO_LATE = "TOO_LATE"  # it took effect after the deadline
    TOLD_LATE = "TOLD_LATE"  # it took effect in time, and was recorded after the decision
    DOES_NOT_COUNT = "DOES_NOT_COUNT"  # one of its kind that doesn't stop it, as an attempt to reach the client that failed


@dataclass(frozen=True, kw_only=True, slots=True)
class Why:
    """`deadline` is the due time with its grace, `moment` when it could be decided; `stopping` are the types of events that stop it.

    `failed`: what followed the start, could have stopped it, and didn't. `ended_by`: what ended the breach, where something has.
    """

    started_by: Fact
    due: datetime
    deadline: datetime
    moment: datetime | None
    stopping: tuple[str, ...]
    moved_by: tuple[Fact, ...]
    failed: tuple[tuple[Fact, Failing], ...]
    ended_by: Fact | None


def why(one: UUID, history: History, watermark: datetime, regimes: Regimes, rules: Iterable[Rule]) -> Why | None:
    """Of an alert by its id. None where the facts below the watermark, and the policies, don't give its clock."""
    law = Law(regimes, history.region, watermark)
    for rule in rules:
        for clock in clocks_of(rule, history, law):
            if alert_id(history.case_id, rule, clock) == one:
                return _explained(rule, clock, judge(clock, watermark, history.decidable_from(clock.start)), history)
    return None


def _explained(rule: Rule, clock: Clock, verdict: Verdict, history: History) -> Why:
    conditions = rule.conditions
    answers = {fact.order: fact for fact in (*clock.stops, *clock.ends)}
    near = _near(conditions, clock, history) if conditions else ()
    failed = [*((fact, _failing(fact, verdict)) for fact in answers.values()), *((fact, Failing.DOES_NOT_COUNT) for fact in near)]
    return Why(
        started_by=clock.start,
        due=verdict.due,
        deadline=verdict.deadline,
        moment=verdict.moment,
        stopping=tuple(each.kind.TYPE for each in conditions.stop) if conditions else (),
        moved_by=verdict.moved_by,
        failed=tuple(sorted(failed, key=lambda pair: pair[0].order)),
        ended_by=verdict.evidence,
    )


def _failing(fact: Fact, verdict: Verdict) -> Failing:
    return Failing.TOO_LATE if fact.effective > verdict.deadline else Failing.TOLD_LATE


def _near(conditions: Conditions, clock: Clock, history: History) -> Iterator[Fact]:
    """Events of the kinds that stop it, about the same thing, with other values."""
    kinds = {each.kind for each in conditions.stop}
    stops = {fact.order for fact in clock.stops}
    for kind in sorted(kinds, key=lambda each: each.TYPE):
        for fact, _ in history.of(kind):
            if fact.order not in stops and conditions.belongs(fact, clock.start):
                yield fact
