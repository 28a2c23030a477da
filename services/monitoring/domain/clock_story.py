"""What became of each clock of a case: what started, moved and ended it, by which policy, and who was told. A pure function of facts."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from casebus.contracts.monitoring import AlertEscalated, AlertRaised
from services.monitoring.domain.clock import Clock, State, Verdict, judge
from services.monitoring.domain.decision import alert_id, responsible
from services.monitoring.domain.fact import Fact, History
from services.monitoring.domain.rebasing import clocks_of
from services.monitoring.domain.regime import Law, Regimes
from services.monitoring.domain.rule import Rule

Told = dict[UUID, list[tuple[Fact, AlertRaised | AlertEscalated]]]
"""By alert: each rung as it was told."""


class Moved(StrEnum):
    """How a fact moved a clock."""

    PAUSED = "PAUSED"
    RESUMED = "RESUMED"
    SET_ANEW = "SET_ANEW"  # it began anew, or the priority rose


@dataclass(frozen=True, kw_only=True, slots=True)
class ClockStory:
    """One clock. `agency` answers for it, by the policy of `policy_version`; `adopted`: policies that were adopted while it ran.

    `moment`: from when it could be decided, None where that is not known yet. `ended_by`: what met it, cancelled it, or ended its breach.
    `was_history`: nobody was told, for what ended it was known by then. `told`: of its alert, each rung as it was told.
    """

    rule: str
    subject: UUID
    agency: str
    policy_version: str
    state: State
    started_by: Fact
    due: datetime
    deadline: datetime
    moment: datetime | None
    moved_by: tuple[tuple[Fact, Moved], ...]
    adopted: tuple[tuple[datetime, str], ...]
    ended_by: Fact | None
    was_history: bool
    alert_id: UUID | None
    told: tuple[tuple[Fact, AlertRaised | AlertEscalated], ...]


def stories(case_id: UUID, facts: list[Fact], watermark: datetime, regimes: Regimes, rules: Iterable[Rule]) -> list[ClockStory]:
    """Every clock that the case has had, by when it started. Judged below the watermark; who was told is known from all facts."""
    history = History.below(case_id, facts, watermark)
    if not history.is_whole:
        return []
    law = Law(regimes, history.region, watermark)
    told = _told(facts)
    found = [_story(rule, clock, history, law, told) for rule in rules for clock in clocks_of(rule, history, law)]
    return sorted(found, key=lambda one: (one.started_by.place, one.rule, one.subject))


def _story(rule: Rule, clock: Clock, history: History, law: Law, told: Told) -> ClockStory:
    verdict = judge(clock, law.watermark, history.decidable_from(clock.start))
    agency = responsible(history, clock, verdict.moment or law.watermark)
    own, begun = law.of(agency), clock.start.recorded_at
    one = alert_id(history.case_id, rule, clock)
    return ClockStory(
        rule=rule.name,
        subject=clock.subject,
        agency=agency,
        policy_version=own.at(min(verdict.moment or law.watermark, law.watermark)).stamp,
        state=verdict.state,
        started_by=clock.start,
        due=verdict.due,
        deadline=verdict.deadline,
        moment=verdict.moment,
        moved_by=tuple((fact, _how(clock, fact)) for fact in verdict.moved_by),
        adopted=tuple((since, policy.stamp) for since, policy in own.after(begun) if since <= verdict.deadline),
        ended_by=verdict.evidence or _answer(clock, verdict),
        was_history=verdict.history,
        alert_id=one if one in told else None,
        told=tuple(told.get(one, ())),
    )


def _answer(clock: Clock, verdict: Verdict) -> Fact | None:
    """What met or cancelled it in time."""
    if verdict.state not in (State.MET, State.CANCELLED):
        return None
    in_time = (fact for fact in (*clock.stops, *clock.ends) if fact.effective <= verdict.deadline)
    return min(in_time, key=lambda fact: fact.order, default=None)


def _how(clock: Clock, fact: Fact) -> Moved:
    if any(pause.begun == fact for pause in clock.pauses):
        return Moved.PAUSED
    return Moved.RESUMED if any(pause.resumed == fact for pause in clock.pauses) else Moved.SET_ANEW


def _told(facts: list[Fact]) -> Told:
    found: Told = defaultdict(list)
    for fact in sorted(facts, key=lambda each: each.order):
        if fact.kind in (AlertRaised, AlertEscalated) and isinstance(said := fact.event, AlertRaised | AlertEscalated):
            found[said.alert_id].append((fact, said))
    return found
