"""What follows from a case's history below a watermark: a pure function, so that live, late, replayed and reordered runs agree."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import pairwise
from uuid import UUID, uuid5

from casebus.contracts.monitoring import AlertAcknowledged, AlertAutoCleared, AlertCause, AlertEscalated, AlertRaised, AlertResolved, Rung
from casebus.event import Event
from services.monitoring.domain.clock import Clock, Ending, State, Verdict, judge
from services.monitoring.domain.fact import Fact, History
from services.monitoring.domain.policy import Policy, Running
from services.monitoring.domain.rebasing import clocks_of
from services.monitoring.domain.regime import Law, Regimes
from services.monitoring.domain.rule import Rule

NAMESPACE = UUID("6f1c2f0e-6c0b-5f52-9d0e-2a4b4f1f7a11")
RUNGS = (Rung.WORKER, Rung.SUPERVISOR, Rung.COORDINATOR)


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """One event to state, once: its id is the same whenever it is decided again. `history`: it is told with the time it had, to nobody.
    `policy_version` is the stamp of the policy that was in force (S66)."""

    id: UUID
    event: Event
    because: Fact
    agency: str
    policy_version: str
    occurred_at: datetime | None = None

    @property
    def history(self) -> bool:
        return self.occurred_at is not None


def alert_id(case_id: UUID, rule: Rule, clock: Clock) -> UUID:
    """The same for the same round of the same clock, so that a replay raises no alert twice."""
    return uuid5(NAMESPACE, f"{case_id}:{rule.name}:{clock.subject}:{clock.round}")


def decide(history: History, watermark: datetime, regimes: Regimes, rules: Iterable[Rule]) -> tuple[list[Decision], datetime | None]:
    """Everything that is decided by now, in a fixed order, and the moment after which there may be more.

    Of a case whose beginning is not known nothing is decided: nobody would be responsible.
    """
    if not history.is_whole:
        return [], None
    decided: list[Decision] = []
    looks: list[datetime] = []
    law = Law(regimes, history.region, watermark)
    ladder = _Ladder(history, watermark, law)
    for rule in rules:
        for clock in clocks_of(rule, history, law):
            verdict = judge(clock, watermark, history.decidable_from(clock.start))
            if verdict.look is not None:
                looks.append(verdict.look)
            if verdict.state is State.BREACHED:
                decided.extend(_of_breach(history, rule, clock, verdict, law))
                if not verdict.history:
                    decided.extend(ladder.climb(alert_id(history.case_id, rule, clock), clock, looks))
    return decided, min(looks, default=None)


def _of_breach(history: History, rule: Rule, clock: Clock, verdict: Verdict, law: Law) -> Iterator[Decision]:
    one, moment = alert_id(history.case_id, rule, clock), verdict.moment or verdict.deadline
    agency = responsible(history, clock, moment)
    decision = partial(Decision, agency=agency, policy_version=law.of(agency).at(moment).stamp)
    for said in rule.states(clock, verdict):
        at = said.at if verdict.history else None
        yield decision(id=uuid5(one, said.event.TYPE), event=said.event, because=said.because, occurred_at=at)
    if verdict.history:
        return
    raised = AlertRaised(
        case_id=history.case_id,
        alert_id=one,
        rule=rule.name,
        subject_id=clock.subject,
        due_at=verdict.due,
        agency=agency,
        rung=rule.rung,
        target_agency=history.region if rule.rung is Rung.COORDINATOR else agency,
    )
    yield decision(id=one, event=raised, because=clock.start)
    if verdict.evidence is not None:
        closing = _closing(raised, verdict, verdict.evidence.id)
        yield decision(id=uuid5(one, "closed"), event=closing, because=verdict.evidence)


def responsible(history: History, clock: Clock, moment: datetime) -> str:
    """The agency that answers for the clock: the one it names, else the lead of that moment."""
    return clock.agency or history.lead_at(moment)


def _closing(raised: AlertRaised, verdict: Verdict, evidence: UUID) -> Event:
    """Done too late resolves it; done in time but known late, or the end of what it was about, clears it."""
    if verdict.ending is Ending.MADE_UP:
        return AlertResolved(case_id=raised.case_id, alert_id=raised.alert_id, rule=raised.rule, cause=AlertCause.LATE, evidence=evidence)
    return AlertAutoCleared(case_id=raised.case_id, alert_id=raised.alert_id, rule=raised.rule, evidence=evidence)


class _Ladder:
    """How the alerts of one case climb: each rung counts from when it was told, never from the due time.

    An acknowledgement holds the alert on its rung for one window more; what ends it ends the climb.
    """

    def __init__(self, history: History, watermark: datetime, law: Law) -> None:
        self._history, self._watermark, self._law = history, watermark, law

    def climb(self, one: UUID, clock: Clock, looks: list[datetime]) -> Iterator[Decision]:
        """The next rung, where its time has come; `looks` gets the moment at which it will."""
        told = next(((fact, event) for fact, event in self._history.of(AlertRaised) if event.alert_id == one), None)
        if told is None:
            return
        raised, alert = told
        steps = {event.rung: fact for fact, event in self._history.of(AlertEscalated) if event.alert_id == one}
        held = [fact for fact, event in self._history.of(AlertAcknowledged) if event.alert_id == one]
        closed = min((fact.recorded_at for fact, ended in self._closings() if ended == one), default=None)
        since = raised
        for rung, above in pairwise(RUNGS[RUNGS.index(alert.rung) :]):
            moment = self._leaves(alert, rung, since, held)
            if moment is None or (closed is not None and closed <= moment):
                return
            if self._watermark <= moment:
                looks.append(moment)
                return
            if above not in steps:
                yield self._step(alert, above, since, responsible(self._history, clock, moment), moment)
                return
            since = steps[above]

    def _closings(self) -> Iterator[tuple[Fact, UUID]]:
        yield from ((fact, resolved.alert_id) for fact, resolved in self._history.of(AlertResolved))
        yield from ((fact, cleared.alert_id) for fact, cleared in self._history.of(AlertAutoCleared))

    def _leaves(self, alert: AlertRaised, rung: Rung, since: Fact, held: list[Fact]) -> datetime | None:
        moment = self._window(alert, rung, since, since)
        hold = next((fact for fact in held if moment is not None and since.recorded_at < fact.recorded_at <= moment), None)
        return moment if hold is None else self._window(alert, rung, since, hold)

    def _window(self, alert: AlertRaised, rung: Rung, told: Fact, since: Fact) -> datetime | None:
        """When a window ends that began with this fact, by the policies of the alert's agency; None at the top."""
        priority, begun = self._history.priority_at(told), since.recorded_at
        regime = self._law.of(alert.agency)
        moment = regime.at(begun).climbs_at(begun, rung, priority, alert.rule)
        for adopted, policy in regime.after(begun):
            if moment is not None and adopted > moment:
                break
            moment = _rewound(moment, policy.climbs_at(begun, rung, priority, alert.rule), adopted, policy)
        return moment

    def _step(self, alert: AlertRaised, rung: Rung, because: Fact, agency: str, moment: datetime) -> Decision:
        target = self._history.region if rung is Rung.COORDINATOR else agency
        step = AlertEscalated(case_id=alert.case_id, alert_id=alert.alert_id, rule=alert.rule, rung=rung, target_agency=target)
        stamp = self._law.of(alert.agency).at(moment).stamp
        return Decision(id=uuid5(alert.alert_id, rung), event=step, because=because, agency=alert.agency, policy_version=stamp)


def _rewound(moment: datetime | None, new: datetime | None, adopted: datetime, policy: Policy) -> datetime | None:
    """The end of a window under a policy that was adopted while it ran: as for clocks. No end is the latest."""
    if policy.running is Running.FOLLOWS and (new is None or (moment is not None and new > moment)):
        return new
    return min((each for each in (moment, None if new is None else max(new, adopted)) if each is not None), default=None)
