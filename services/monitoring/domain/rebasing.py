"""The clocks of a case under the policies of its agencies, which change while clocks run (docs/domain.md, "A policy changes").

A rule is asked once for each policy that matters, and what it says of one clock is put together:
- whether the clock is there, by the policy of who led the case when it started;
- what stops it, by the lead's policy that was in force when the stop was recorded;
- its times by the policy of who answers for it; where that is another agency than the lead, at most so many times as long as by the lead's;
- when a policy is adopted while it runs, its times are counted anew from its start, and get no later unless the policy says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from services.monitoring.domain.clock import Clock
from services.monitoring.domain.course import Pause, Rebase, Retime, Times
from services.monitoring.domain.fact import Fact, History
from services.monitoring.domain.policy import Policy, Running, capped
from services.monitoring.domain.regime import Law, Regime
from services.monitoring.domain.rule import Rule

Round = tuple[UUID, UUID]


def clocks_of(rule: Rule, history: History, law: Law) -> Iterator[Clock]:
    """Every clock of the rule, with its times and how they change."""
    case = _Case(rule, history, law)
    asked: list[Policy] = []
    for lead in history.leads:
        for version in law.of(lead).versions:
            if not any(version.policy is one for one in asked):
                asked.append(version.policy)
    for policy in asked:
        for clock in case.by(policy).values():
            if len(asked) == 1 or case.lead_of(clock).at(clock.start.recorded_at) is policy:
                timed = case.timed(clock)
                if timed is not None:
                    yield timed


@dataclass(frozen=True, slots=True)
class _Case:
    """What the rule says of the case, by policy; asked once each."""

    rule: Rule
    history: History
    law: Law
    _said: dict[int, dict[Round, Clock]] = field(default_factory=dict)

    def by(self, policy: Policy) -> dict[Round, Clock]:
        found = self._said.get(id(policy))
        if found is None:
            clocks = self.rule.clocks(self.history, policy) if self.rule.is_watched(policy) else ()
            found = self._said[id(policy)] = {(clock.subject, clock.round): clock for clock in clocks}
        return found

    def lead_of(self, clock: Clock) -> Regime:
        return self.law.of(self.history.lead_at(clock.start.recorded_at))

    def timed(self, clock: Clock) -> Clock | None:
        """The clock by the policies of who answers for it; None where those don't watch it."""
        lead = self.lead_of(clock)
        own = lead if clock.agency is None else self.law.of(clock.agency)
        if own is lead and len(own.versions) == 1:
            return clock
        start = clock.start.recorded_at
        first = self._times(clock, own, lead, start)
        if first is None:
            return None
        moments = sorted({since for regime in (own, lead) for since, _ in regime.after(start)})
        return replace(
            clock,
            due=first.due,
            deadline=first.deadline,
            stops=self._stops(clock, lead),
            pauses=self._pauses(clock, lead),
            retimes=self._retimes(clock, own, lead) if moments else first.retimes,
            rebases=tuple(self._rebases(clock, own, lead, moments)),
        )

    def _rebases(self, clock: Clock, own: Regime, lead: Regime, moments: list[datetime]) -> Iterator[Rebase]:
        """Later only where who answers says so, and whoever adopts a policy then."""
        start = clock.start.recorded_at
        for since in moments:
            times = self._times(clock, own, lead, since)
            if times is not None:
                adopting = [one for one in (own, lead) if one is own or any(adopted == since for adopted, _ in one.after(start))]
                may_lengthen = all(one.at(since).running is Running.FOLLOWS for one in adopting)
                yield Rebase(since=since, times=times, may_lengthen=may_lengthen)

    def _times(self, clock: Clock, own: Regime, lead: Regime, moment: datetime) -> Times | None:
        """By the policies of a moment."""
        said = self._same(clock, own.at(moment))
        if said is None:
            return None
        times = Times(due=said.due, deadline=said.deadline, retimes=said.retimes)
        asker, factor = self._same(clock, lead.at(moment)), lead.at(moment).between_agencies
        return times if own is lead or asker is None or factor is None else _capped(times, asker, factor)

    def _same(self, clock: Clock, policy: Policy) -> Clock | None:
        return self.by(policy).get((clock.subject, clock.round))

    def _stops(self, clock: Clock, lead: Regime) -> tuple[Fact, ...]:
        """What the rule takes for a stop by the policy in force when it was recorded; where that has no such clock, what it took before."""
        if len(lead.versions) == 1:
            return clock.stops
        said = {id(one.policy): self._stops_of(clock, one.policy) for one in lead.versions}
        told = {fact.order: fact for stops in said.values() for fact in stops if fact in clock.stops or fact.place > clock.start.place}
        return tuple(fact for _, fact in sorted(told.items()) if fact in said[id(lead.at(fact.recorded_at))])

    def _stops_of(self, clock: Clock, policy: Policy) -> tuple[Fact, ...]:
        alike = [one for one in self.by(policy).values() if one.subject == clock.subject]
        return tuple({fact.order: fact for one in alike for fact in one.stops}.values()) if alike else clock.stops

    def _pauses(self, clock: Clock, lead: Regime) -> tuple[Pause, ...]:
        """Each by the lead's policy that was in force when it began."""
        if len(lead.versions) == 1:
            return clock.pauses
        said = ((one, self._same(clock, lead.at(one.begun.recorded_at)) or clock) for one in clock.pauses)
        return tuple(next((same for same in by.pauses if same.begun == one.begun), one) for one, by in said)

    def _retimes(self, clock: Clock, own: Regime, lead: Regime) -> tuple[Retime, ...]:
        """What sets the time anew does so by the policies in force when it was told."""
        found: list[Retime] = []
        for retime in clock.retimes:
            times = self._times(clock, own, lead, retime.fact.recorded_at)
            found.extend([retime] if times is None else [one for one in times.retimes if one.fact == retime.fact])
        return tuple(found)


def _capped(times: Times, asker: Clock, factor: float) -> Times:
    """The responder's times, no longer than so many times the asker's (domain.md, Rules)."""
    start = asker.start.effective
    theirs = {one.fact.order: one for one in asker.retimes}
    retimes = []
    for one in times.retimes:
        same, since = theirs.get(one.fact.order, one), one.since or start
        due, deadline = capped(since, one.due, same.due, factor), capped(since, one.deadline, same.deadline, factor)
        retimes.append(replace(one, due=due, deadline=deadline))
    due, deadline = capped(start, times.due, asker.due, factor), capped(start, times.deadline, asker.deadline, factor)
    return Times(due=due, deadline=deadline, retimes=tuple(retimes))
