"""DUPLICATE_SERVICE (S47): two agencies give one type of service for one need: that of the step, or the step itself where it has none."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from casebus.contracts.planning import NeedAddressed
from casebus.contracts.referral import ReferralAccepted, ReferralCompleted, ReferralFailed, ReferralOffered, ReferralWithdrawn
from casebus.event import Event
from services.monitoring.domain.clock import Clock
from services.monitoring.domain.conditions import Asked, Conditions, by_policy, on, retimes
from services.monitoring.domain.fact import Fact, History
from services.monitoring.domain.policy import Policy
from services.monitoring.domain.rule import Rule

NAME = "DUPLICATE_SERVICE"
CONDITIONS = Conditions(
    start=(on(ReferralAccepted),),
    stop=(on(ReferralCompleted), on(ReferralFailed), on(ReferralWithdrawn)),
    about="referral_id",
)
"""Which acceptance is one too many, and whose end is enough, is said below."""
_TIMES = by_policy(NAME)
ENDS = (ReferralCompleted, ReferralFailed, ReferralWithdrawn)
What = tuple[str, UUID]
"""The type of service, and what it is for."""


def clocks(history: History, policy: Policy) -> Iterator[Clock]:
    """Started by the acceptance that is one too many; stopped when that service ends, or all that were there before it."""
    if len(history.facts_of(ReferralAccepted)) < 2:
        return
    ended = {CONDITIONS.subject(fact): fact for fact in history.facts_of(*ENDS)}
    pauses = tuple(CONDITIONS.pauses(history, policy))
    for start, others in _too_many(history):
        asked = Asked(start, start, policy, history.priority_at(start))
        due, deadline = policy.duty(NAME, start.effective, asked.priority)
        yield Clock(
            subject=CONDITIONS.subject(start),
            start=start,
            due=due,
            deadline=deadline,
            stops=tuple(_stops(CONDITIONS.subject(start), others, ended)),
            ends=history.closures_after(start),
            retimes=tuple(retimes(history, policy, start, _TIMES)),
            pauses=pauses,
        )


def _stops(one: UUID, others: frozenset[UUID], ended: Mapping[UUID, Fact]) -> Iterator[Fact]:
    if one in ended:
        yield ended[one]
    if others <= ended.keys():
        yield max((ended[each] for each in others), key=lambda fact: fact.order)


@dataclass(slots=True)
class _Services:
    """Who serves what, as it was known one fact after the other."""

    needs: dict[UUID, UUID] = field(default_factory=dict)
    offered: dict[UUID, What] = field(default_factory=dict)
    active: dict[UUID, What] = field(default_factory=dict)

    def take(self, event: Event) -> frozenset[UUID]:
        """The services that were there already for what this event makes another one serve."""
        match event:
            case NeedAddressed():
                self.needs[event.step_id] = event.need_id
            case ReferralOffered(step_id=UUID() as step):
                self.offered[event.referral_id] = event.service_type, self.needs.get(step, step)
            case ReferralAccepted() if event.referral_id in self.offered:
                what = self.offered[event.referral_id]
                before = frozenset(one for one, other in self.active.items() if other == what and one != event.referral_id)
                self.active[event.referral_id] = what
                return before
            case ReferralCompleted() | ReferralFailed() | ReferralWithdrawn():
                self.active.pop(event.referral_id, None)
        return frozenset()


def _too_many(history: History) -> Iterator[tuple[Fact, frozenset[UUID]]]:
    """Each acceptance of a service that is there already, with what is."""
    services = _Services()
    for fact in history.facts_of(NeedAddressed, ReferralOffered, ReferralAccepted, *ENDS):
        if others := services.take(fact.event):
            yield fact, others


DUPLICATE_SERVICE = Rule(name=NAME, clocks=clocks, conditions=CONDITIONS, may_take_none=True)
