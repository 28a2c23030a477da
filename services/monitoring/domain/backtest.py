"""What would have been decided of a case under other policies: the clock worker's own decisions, made again from its facts alone.

What people did stays as they did it: a contact answers the follow-up that it answered, an acknowledgement holds a ladder if the alert was
there by then. A follow-up that another policy scheduled is due when this one would have had it.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from casebus.contracts.intake import CaseOpened
from casebus.contracts.monitoring import (
    AlertAutoCleared,
    AlertCause,
    AlertEscalated,
    AlertRaised,
    AlertResolved,
    AlertReturned,
    FollowUpMadeUp,
    FollowUpMissed,
    FollowUpScheduled,
    Rung,
)
from casebus.contracts.planning import CaseReopened
from casebus.envelope import Envelope, Origin, Role
from casebus.event import Event
from services.monitoring.domain.clock import State, judge
from services.monitoring.domain.decision import Decision, decide, of_alert, of_breach
from services.monitoring.domain.directory import NOBODY, Directory
from services.monitoring.domain.fact import Fact, History
from services.monitoring.domain.ladder import Ladder
from services.monitoring.domain.rebasing import clocks_of
from services.monitoring.domain.regime import Law, Regimes
from services.monitoring.domain.rule import Rule

DECIDED: frozenset[type[Event]] = frozenset({AlertRaised, AlertEscalated, AlertReturned, AlertAutoCleared, FollowUpMissed, FollowUpMadeUp})
"""What the clock worker alone states; and of what is resolved, what was done late."""
_AT_ONCE = timedelta.resolution
"""A decision is made when the watermark is greater than its moment."""
_MOST_STEPS = 10_000
_OF_AN_ALERT = "monitoring.Alert"
"""How the types of events begin that say what somebody did with an alert."""


@dataclass(kw_only=True, slots=True)
class Raised:
    """An alert that would have been raised; `rung` is the highest that was told."""

    alert_id: UUID
    case_id: UUID
    rule: str
    agency: str
    due_at: datetime
    raised_at: datetime
    rung: Rung

    def hear(self, event: Event) -> None:
        """The next rung was told."""
        if isinstance(event, AlertEscalated):
            self.rung = event.rung


class Lived(Fact):
    """A fact of an import, as if it had been told when it happened."""

    __slots__ = ("_fact", "effective", "kind", "order", "recorded_at")
    __setattr__ = object.__setattr__

    def __init__(self, fact: Fact) -> None:
        self._fact = fact
        at = fact.effective
        for name, value in {"effective": at, "recorded_at": at, "order": (at, *fact.order[1:]), "kind": fact.kind}.items():
            object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lived) and self._fact == other._fact

    def __hash__(self) -> int:
        return hash(self._fact)

    @property
    def event(self) -> Event:
        return self._fact.event

    @property
    def envelope(self) -> Envelope:
        return replace(self._fact.envelope, recorded_at=self.recorded_at, origin=Origin.LIVE, import_id=None)

    @property
    def id(self) -> UUID:
        return self._fact.id

    @property
    def correlation_id(self) -> UUID:
        return self._fact.correlation_id

    @property
    def traceparent(self) -> str | None:
        return None

    @property
    def import_id(self) -> UUID | None:
        return None


def lived(fact: Fact) -> Fact:
    """Of an import as it was lived, anything else as it was told."""
    return fact if fact.import_id is None else Lived(fact)


def told_by_people(facts: Iterable[Fact]) -> list[Fact]:
    """Without what the clock worker decided."""
    return [fact for fact in facts if fact.kind not in DECIDED and not _was_late(fact)]


def replay(
    case_id: UUID, facts: Sequence[Fact], until: datetime, regimes: Regimes, rules: Collection[Rule], directory: Directory = NOBODY
) -> list[Raised]:
    """The alerts of a case by `until`, and how high each climbed. `facts` without what was decided, in any order."""
    scheduled = _scheduled(case_id, facts, until, regimes)
    history = History.below(case_id, scheduled, until)
    if not history.is_whole:
        return []
    acted = any(fact.kind.TYPE.startswith(_OF_AN_ALERT) for fact in history.facts)
    found = list(_breaches(history, until, regimes, rules, directory))
    if not acted or not found:
        return [one for one, _ in found]
    worker = _Worker(case_id, scheduled, regimes, list({rule.name: rule for _, rule in found}.values()), directory)
    worker.run(min(one.raised_at for one, _ in found), until)
    return list(worker.raised.values())


def _breaches(
    history: History, until: datetime, regimes: Regimes, rules: Collection[Rule], directory: Directory
) -> Iterator[tuple[Raised, Rule]]:
    """Each alert as it would have been if nobody did anything with it: then one look at its end says how high it climbed."""
    law = Law(regimes, history.region, until)
    ladder = Ladder(history, until, law, directory)
    for rule in rules:
        for clock in clocks_of(rule, history, law):
            verdict = judge(clock, until, history.decidable_from(clock.start))
            if verdict.state is State.BREACHED and not verdict.history:
                decision = next(one for one in of_breach(ladder, rule, clock, verdict) if isinstance(one.event, AlertRaised))
                raised = _raised(decision, (verdict.moment or verdict.deadline) + _AT_ONCE)
                end = min(until, verdict.evidence.recorded_at + _AT_ONCE) if verdict.evidence else until
                told = [fact for fact in history.facts if fact.recorded_at < end]
                then = History.below(history.case_id, [*told, _fact(decision, raised.raised_at, 1)], end)
                for step in of_alert(Ladder(then, end, law, directory), rule, clock, verdict.evidence, []):
                    raised.hear(step.event)
                yield raised, rule


class _Worker:
    """The clock worker of one case: looks when a moment has passed or a fact has come, and hears what it decided."""

    def __init__(self, case_id: UUID, facts: Sequence[Fact], regimes: Regimes, rules: Collection[Rule], directory: Directory) -> None:
        self._case_id, self._regimes, self._rules, self._directory = case_id, regimes, rules, directory
        self._facts = sorted(facts, key=lambda fact: fact.order)
        self._made: list[Fact] = []
        self._known: set[UUID] = set()
        self.raised: dict[UUID, Raised] = {}

    def run(self, first: datetime, until: datetime) -> None:
        """From the first watermark on; `until` is the last one."""
        watermark = min(first, until)
        for _ in range(_MOST_STEPS):
            look = self._look(watermark)
            if watermark >= until:
                return
            moments = [fact.recorded_at for fact in self._facts if fact.recorded_at >= watermark][:1]
            moments += [] if look is None else [look]
            watermark = min([moment + _AT_ONCE for moment in moments] + [until])
        raise AssertionError("a case has more looks than there can be")

    def _look(self, watermark: datetime) -> datetime | None:
        told = [fact for fact in self._facts if self._counts(fact)]
        decisions, look = decide(
            History.below(self._case_id, [*told, *self._made], watermark), watermark, self._regimes, self._rules, self._directory
        )
        for one in decisions:
            if one.id not in self._known:
                self._known.add(one.id)
                self._hear(one, watermark)
        return look

    def _counts(self, fact: Fact) -> bool:
        """What somebody did with an alert counts if it was there by then. What was answered about a stall is about the case, too."""
        if not fact.kind.TYPE.startswith(_OF_AN_ALERT):
            return True
        there = self.raised.get(getattr(fact.event, "alert_id", self._case_id))
        return there is not None and there.raised_at <= fact.recorded_at

    def _hear(self, one: Decision, at: datetime) -> None:
        event = one.event
        if isinstance(event, AlertRaised):
            self.raised[one.id] = _raised(one, at)
        elif isinstance(event, AlertEscalated):
            self.raised[event.alert_id].hear(event)
        self._made.append(_fact(one, at, len(self._made) + 1))


def _raised(one: Decision, at: datetime) -> Raised:
    event = one.event
    assert isinstance(event, AlertRaised)  # the callers looked
    return Raised(
        alert_id=one.id, case_id=event.case_id, rule=event.rule, agency=event.agency, due_at=event.due_at, raised_at=at, rung=event.rung
    )


def _fact(one: Decision, at: datetime, number: int) -> Fact:
    """As the number-th thing that was decided; monitoring said other things before."""
    return Fact(one.event, _envelope(one, at, 1_000_000 + number))


def _scheduled(case_id: UUID, facts: Sequence[Fact], until: datetime, regimes: Regimes) -> list[Fact]:
    """With each follow-up that another policy scheduled as the lead's would have."""
    if not any(fact.kind is FollowUpScheduled for fact in facts):
        return list(facts)
    history = History.below(case_id, list(facts), until)
    return [_rescheduled(fact, history, regimes) if fact.kind is FollowUpScheduled else fact for fact in facts]


def _rescheduled(fact: Fact, history: History, regimes: Regimes) -> Fact:
    event, envelope = fact.event, fact.envelope
    policy = regimes.of(history.region, history.lead_at(fact.recorded_at)).newest
    assert isinstance(event, FollowUpScheduled)  # the caller looked
    if event.counted_from is None or envelope.policy_version == policy.stamp:
        return fact
    priority, number = history.priority_at(fact), event.number
    begun = [known for known in history.facts_of(CaseOpened, CaseReopened) if known.effective <= event.counted_from]
    period = max(begun, key=lambda known: known.place, default=None)
    if period is not None and getattr(period.event, "under_way", False):
        number = max(number, policy.steady(priority))
    due_at = policy.follow_up_due(event.counted_from, priority, number)
    return Fact(replace(event, due_at=due_at), envelope)


def _was_late(fact: Fact) -> bool:
    return fact.kind is AlertResolved and isinstance(said := fact.event, AlertResolved) and said.cause is not AlertCause.ACTED


def _envelope(one: Decision, at: datetime, seq: int) -> Envelope:
    event = one.event
    return Envelope(
        event_id=one.id,
        type=event.TYPE,
        version=event.VERSION,
        owner="monitoring",
        topic=event.TOPIC,
        subject=event.subject,
        case_seq=seq,
        generation=1,
        occurred_at=at,
        recorded_at=at,
        agency=one.agency,
        actor="system-monitoring",
        actor_role=Role.SYSTEM,
        actor_agency=one.agency,
        lead_epoch=1,
        correlation_id=one.because.correlation_id,
        origin=Origin.SYSTEM,
        policy_version=one.policy_version,
    )
