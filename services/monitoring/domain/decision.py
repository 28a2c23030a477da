"""What follows from a case's history below a watermark: a pure function, so that live, late, replayed and reordered runs agree."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID, uuid5

from casebus.contracts.monitoring import AlertAutoCleared, AlertCause, AlertEscalated, AlertRaised, AlertResolved
from casebus.event import Event
from services.monitoring.domain.clock import Clock, Ending, State, Verdict, judge
from services.monitoring.domain.directory import NOBODY, Directory
from services.monitoring.domain.fact import Fact, History
from services.monitoring.domain.holding import Holding
from services.monitoring.domain.ladder import Ladder, Step
from services.monitoring.domain.rebasing import clocks_of
from services.monitoring.domain.regime import Law, Regimes
from services.monitoring.domain.rule import Rule

TICK = timedelta(microseconds=1)
"""Times differ by that at least."""
NAMESPACE = UUID("6f1c2f0e-6c0b-5f52-9d0e-2a4b4f1f7a11")


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """One event to state, once: its id is the same whenever it is decided again. `history`: it is told with the time it had, to nobody.
    `policy_version` is the stamp of the policy that was in force (S66). `moment`: of a breach, from when it could be decided."""

    id: UUID
    event: Event
    because: Fact
    agency: str
    policy_version: str
    occurred_at: datetime | None = None
    moment: datetime | None = None

    @property
    def history(self) -> bool:
        return self.occurred_at is not None


def alert_id(case_id: UUID, rule: Rule, clock: Clock) -> UUID:
    """The same for the same round of the same clock, so that a replay raises no alert twice."""
    return uuid5(NAMESPACE, f"{case_id}:{rule.name}:{clock.subject}:{clock.round}")


def decide(
    history: History, watermark: datetime, regimes: Regimes, rules: Iterable[Rule], directory: Directory = NOBODY
) -> tuple[list[Decision], datetime | None]:
    """Everything that is decided by now, in a fixed order, and the moment after which there may be more.

    Of a case whose beginning is not known nothing is decided: nobody would be responsible.
    """
    if not history.is_whole:
        return [], None
    decided: list[Decision] = []
    looks: list[datetime] = []
    law = Law(regimes, history.region, watermark)
    ladder = Ladder(history, watermark, law, directory)
    for rule in rules:
        for clock in clocks_of(rule, history, law):
            verdict = judge(clock, watermark, history.decidable_from(clock.start))
            if verdict.look is not None:
                looks.append(verdict.look)
            if verdict.state is State.BREACHED:
                decided.extend(of_breach(ladder, rule, clock, verdict))
                if not verdict.history:
                    decided.extend(of_alert(ladder, rule, clock, verdict.evidence, looks))
    return decided, min(looks, default=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Foresight:
    """What is decided of a case at each watermark above a moment, up to `until` (None: at each), if no fact and no policy is added."""

    history: History
    decisions: list[Decision]
    until: datetime | None


def foresee(
    case_id: UUID, facts: list[Fact], moment: datetime, regimes: Regimes, rules: Iterable[Rule], directory: Directory = NOBODY
) -> Foresight | None:
    """Decide at the first watermark above the moment. None where a fact is known already that lies above it.

    Between two moments of its clocks nothing of a case changes: `decide` names the next one, so it says how long this holds.
    """
    watermark = moment + TICK
    if any(fact.recorded_at >= watermark for fact in facts):
        return None
    history = History.below(case_id, facts, watermark)
    decisions, until = decide(history, watermark, regimes, rules, directory)
    return Foresight(history=history, decisions=decisions, until=until)


def of_breach(ladder: Ladder, rule: Rule, clock: Clock, verdict: Verdict) -> Iterator[Decision]:
    """What it states, and, unless it is history, the alert that it raises, with what has ended that."""
    history = ladder.history
    one, moment = alert_id(history.case_id, rule, clock), verdict.moment or verdict.deadline
    agency = responsible(history, clock, moment)
    decision = partial(Decision, agency=agency, policy_version=ladder.law.of(agency).at(moment).stamp, moment=moment)
    for said in rule.states(clock, verdict):
        at = said.at if verdict.history else None
        yield decision(id=uuid5(one, said.event.TYPE), event=said.event, because=said.because, occurred_at=at)
    if verdict.history:
        return
    target = ladder.first(rule.rung, rule.name, sharing(history, clock, moment), moment)
    raised = AlertRaised(
        case_id=history.case_id,
        alert_id=one,
        rule=rule.name,
        subject_id=clock.subject,
        due_at=verdict.due,
        agency=agency,
        rung=target.rung,
        target_agency=target.place,
        also_agency=target.also,
        targets=target.people,
    )
    yield decision(id=one, event=raised, because=clock.start)
    if verdict.evidence is not None:
        closing = _closing(raised, verdict, verdict.evidence.id)
        yield decision(id=uuid5(one, "closed"), event=closing, because=verdict.evidence)


def of_alert(ladder: Ladder, rule: Rule, clock: Clock, evidence: Fact | None, looks: list[datetime]) -> Iterator[Decision]:
    """What becomes of an alert while nobody ends it: it comes back when its time is over, and climbs."""
    history, law = ladder.history, ladder.law
    raised = ladder.raised(alert_id(history.case_id, rule, clock))
    if raised is None:
        return
    ended = evidence.recorded_at if evidence else None
    holding = Holding(history, law, *raised, is_safety=rule.is_safety, ended=ended)
    for held, event in ladder.returns(holding, looks):
        agency = responsible(history, clock, held.recorded_at)
        stamp = law.of(agency).at(held.recorded_at).stamp
        yield Decision(id=uuid5(event.alert_id, f"returned {held.id}"), event=event, because=held, agency=agency, policy_version=stamp)
    for step in ladder.climb(holding, partial(sharing, history, clock), looks):
        yield _step(step, law)


def responsible(history: History, clock: Clock, moment: datetime) -> str:
    """The agency that answers for the clock: the one it names, else the lead of that moment."""
    return clock.agency or history.lead_at(moment)


def sharing(history: History, clock: Clock, moment: datetime) -> tuple[str, ...]:
    """The agencies that share the duty: the responsible one, and the lead, where that is another."""
    return tuple(dict.fromkeys((responsible(history, clock, moment), history.lead_at(moment))))


def _closing(raised: AlertRaised, verdict: Verdict, evidence: UUID) -> Event:
    """Done too late resolves it; done in time but known late, or the end of what it was about, clears it."""
    if verdict.ending is Ending.MADE_UP:
        return AlertResolved(case_id=raised.case_id, alert_id=raised.alert_id, rule=raised.rule, cause=AlertCause.LATE, evidence=evidence)
    return AlertAutoCleared(case_id=raised.case_id, alert_id=raised.alert_id, rule=raised.rule, evidence=evidence)


def _step(step: Step, law: Law) -> Decision:
    alert, target = step.alert, step.target
    event = AlertEscalated(
        case_id=alert.case_id,
        alert_id=alert.alert_id,
        rule=alert.rule,
        rung=target.rung,
        target_agency=target.place,
        also_agency=target.also,
        targets=target.people,
    )
    stamp = law.of(alert.agency).at(step.moment).stamp
    return Decision(id=uuid5(alert.alert_id, target.rung), event=event, because=step.because, agency=alert.agency, policy_version=stamp)
