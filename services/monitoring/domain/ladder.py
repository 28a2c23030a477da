"""How an alert climbs (domain.md, Escalation ladder): its rungs are the policy's, its targets the directory's.

Each window counts from the end of the one before, the first from when the alert was recorded, never from its due time. What holds a rung is
in holding.py; what ends the alert ends the climb. After a time in which nobody looked, only the highest rung is told.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from uuid import UUID

from casebus.contracts.intake import Priority, WorkerAssigned
from casebus.contracts.monitoring import (
    AlertAutoCleared,
    AlertEscalated,
    AlertRaised,
    AlertResolved,
    AlertReturned,
    AlertSuppressed,
    AlertTaken,
    Rung,
)
from casebus.envelope import Role
from services.monitoring.domain.course import awake, later
from services.monitoring.domain.directory import Directory, Duty, Target
from services.monitoring.domain.fact import URGENCY, Fact, History
from services.monitoring.domain.holding import Holding
from services.monitoring.domain.policy import RUNGS, Policy, Running
from services.monitoring.domain.regime import Law


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """The next rung that is to be told, from when, and the fact that it follows from."""

    alert: AlertRaised
    target: Target
    moment: datetime
    because: Fact


@dataclass(frozen=True, slots=True)
class Ladder:
    """The ladder of one case's alerts, below a watermark."""

    history: History
    watermark: datetime
    law: Law
    directory: Directory

    def first(self, rung: Rung, rule: str, agencies: tuple[str, ...], moment: datetime) -> Target:
        """Who is told when an alert is raised: the first from this rung on who is there."""
        found = self._from(RUNGS.index(rung), rule, agencies, moment, set())
        return found or Target(rung=Rung.DUTY_AUTHORITY, place=self.history.region)

    def raised(self, one: UUID) -> tuple[Fact, AlertRaised] | None:
        """The alert as it was told, if it was."""
        return next(((fact, event) for fact, event in self.history.of(AlertRaised) if event.alert_id == one), None)

    def returns(self, holding: Holding, looks: list[datetime]) -> Iterator[tuple[Fact, AlertReturned]]:
        """What was in work, or put off, until a time that has passed; `looks` gets the moment of what still is."""
        for fact, end in holding.over():
            if self.watermark <= end:
                looks.append(end)
                continue
            said = fact.event
            assert isinstance(said, AlertTaken | AlertSuppressed)  # only those have an end
            yield fact, AlertReturned(case_id=said.case_id, alert_id=said.alert_id, rule=said.rule, until_at=said.until_at)

    def climb(self, holding: Holding, agencies: Callable[[datetime], tuple[str, ...]], looks: list[datetime]) -> Iterator[Step]:
        """The highest rung whose time has come, if it wasn't told; `looks` gets the moment of the next."""
        fact, alert, one = holding.raised, holding.alert, holding.alert.alert_id
        if self._is_closed(one):
            return
        sent = {event.rung: told for told, event in self.history.of(AlertEscalated) if event.alert_id == one}
        rung, since, told = alert.rung, fact.recorded_at, set(alert.targets)
        due: Step | None = None
        while (moment := holding.leaves(since, partial(self._window, holding, rung))) is not None:
            if self.watermark <= moment:
                looks.append(moment)
                break
            target = self._from(RUNGS.index(rung) + 1, alert.rule, agencies(moment), moment, told)
            if target is None:
                break
            rung, since, told = target.rung, moment, told | set(target.people)
            because = max([fact, *sent.values()], key=lambda each: each.order)
            due = Step(alert=alert, target=target, moment=moment, because=because)
        if due is not None and all(RUNGS.index(each) < RUNGS.index(due.target.rung) for each in sent):
            yield due

    def _is_closed(self, one: UUID) -> bool:
        resolved = any(event.alert_id == one for _, event in self.history.of(AlertResolved))
        return resolved or any(event.alert_id == one for _, event in self.history.of(AlertAutoCleared))

    def _from(self, lowest: int, rule: str, agencies: tuple[str, ...], moment: datetime, told: set[str]) -> Target | None:
        """The first rung from this one on that the policy has and somebody holds; where no coordinator is there, the duty authority."""
        people, duty = self.directory.at(moment), self._duty(agencies, moment)
        rungs = self.law.of(agencies[0]).at(moment).rungs(rule, self.history.priority_known(moment))
        for rung in (each for each in rungs if RUNGS.index(each) >= lowest):
            if (target := people.target(rung, duty, told)) is not None:
                return target
        vacant = people.target(Rung.COORDINATOR, duty, ()) is None
        if not vacant or lowest > RUNGS.index(Rung.DUTY_AUTHORITY):
            return None
        return people.last(duty, told)

    def _duty(self, agencies: tuple[str, ...], moment: datetime) -> Duty:
        """With the worker to whom the responsible agency gave the case, and the one who last did something in it."""
        given = [event for fact, event in self.history.of(WorkerAssigned) if fact.recorded_at <= moment and event.agency == agencies[0]]
        acted = (
            fact.envelope.actor
            for fact in reversed(self.history.facts if self.directory.said else ())
            if fact.recorded_at <= moment and fact.envelope.actor_role is Role.WORKER and fact.envelope.actor_agency == agencies[0]
        )
        workers = (*(str(one.worker_id) for one in given[-1:]), *islice(acted, 1))
        return Duty(agencies=agencies, region=self.history.region, workers=workers)

    def _window(self, holding: Holding, rung: Rung, since: datetime) -> datetime | None:
        """When a window ends that began then, by the policies of the alert's agency; None at the top. A priority that rises meanwhile
        shortens it, and no policy that is adopted meanwhile makes it longer unless it says so. Rests don't count: nobody is told in one."""
        alert, rests, regime = holding.alert, holding.rests, self.law.of(holding.alert.agency)
        policy, priority = regime.at(since), self.history.priority_known(since)

        def end() -> datetime | None:
            found = policy.climbs_at(since, rung, priority, alert.rule)
            return None if found is None else later(since, found, rests)

        moment = end()
        changes: list[tuple[datetime, Policy | Priority]] = [*regime.after(since), *self.history.priorities_after(since)]
        for at, change in sorted(changes, key=lambda one: one[0]):
            if moment is not None and at > moment:
                break
            if isinstance(change, Policy):
                policy = change
                moment = _rewound(moment, end(), awake(at, rests), policy)
            elif URGENCY[change] > URGENCY[priority]:
                priority = change
                moment = _earlier(moment, end(), awake(at, rests))
        return moment


def _rewound(moment: datetime | None, new: datetime | None, adopted: datetime, policy: Policy) -> datetime | None:
    """The end of a window under a policy that was adopted while it ran: as for clocks. No end is the latest."""
    if policy.running is Running.FOLLOWS and (new is None or (moment is not None and new > moment)):
        return new
    return _earlier(moment, new, adopted)


def _earlier(moment: datetime | None, new: datetime | None, known: datetime) -> datetime | None:
    """The earlier end, but not before what changed it was known."""
    return min((each for each in (moment, None if new is None else max(new, known)) if each is not None), default=None)
