"""Due times under suspensions, raised priorities and resets, counted here half hour by half hour, beside what the clock worker would state.

The count knows nothing of the domain's code: a duty has so many hours, they pass while the case doesn't rest, and when they are used up
it is due. Histories are random, with the seed in the test's name.
"""

from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from random import Random
from uuid import UUID

import pytest
from pydantic import TypeAdapter

from casebus.contracts.intake import Priority, PriorityChanged, PriorityReason
from casebus.contracts.monitoring import AlertRaised, FollowUpRescheduled
from casebus.contracts.planning import AssessmentKind, AssessmentSubmitted, CaseResumed, CaseSuspended, PlanAgreed, SuspendReason
from casebus.event import Event
from services.monitoring.domain.conditions import on
from services.monitoring.domain.decision import decide
from services.monitoring.domain.fact import History
from services.monitoring.domain.policy import Policy
from services.monitoring.domain.regime import always
from services.monitoring.domain.rule import Rule, duty
from services.monitoring.rules import RULES
from tests import policies
from tests.unit.monitoring.story import CASE, MONDAY, WRITTEN, Story, day, some, watching

HALF = timedelta(minutes=30)
LAST = 160 * 24
"""Half hours until everything is over: eighty days in winter, when London's day ends at midnight UTC."""
DAYS = {Priority.CRITICAL: 5, Priority.HIGH: 14, Priority.MEDIUM: 30, Priority.LOW: 45}
"""What the test's policy gives a plan."""
URGENCY = [Priority.LOW, Priority.MEDIUM, Priority.HIGH, Priority.CRITICAL]
WITHOUT_GRACE: Policy = TypeAdapter(Policy).validate_python(
    policies.watching(WRITTEN | {"follow_up": {"intervals": ["14d"], "grace": "0h"}}, "MISSED_FOLLOW_UP")
)
PLAN = next(rule for rule in RULES if rule.name == "PLAN_OVERDUE")
FOLLOW_UP = next(rule for rule in RULES if rule.name == "MISSED_FOLLOW_UP")


@dataclass
class Count:
    """One duty, half hour by half hour. `passed`: when each half hour of work was over, the first entry is the beginning."""

    left: int
    priority: Priority = Priority.MEDIUM
    passed: list[datetime] = field(default_factory=lambda: [MONDAY])
    rests_until: datetime | None = None
    missed: datetime | None = None
    done: datetime | None = None

    def hear(self, event: Event, now: datetime) -> None:
        """What happens at this moment; after the end nothing counts."""
        match event:
            case CaseSuspended():
                self.rests_until = datetime.combine(event.review_on + timedelta(days=1), time(), MONDAY.tzinfo)
            case CaseResumed():
                self.rests_until = None
            case PriorityChanged() if URGENCY.index(event.priority) > URGENCY.index(self.priority):
                self.priority, self.left = event.priority, DAYS[event.priority] * 48
            case AssessmentSubmitted():
                self.passed, self.left = [now], DAYS[self.known] * 48
                self.priority = self.known
            case FollowUpRescheduled():
                self.passed, self.left = [now], int((event.due_at - now) / HALF)
            case PlanAgreed():
                self.done = now

    known: Priority = Priority.MEDIUM

    def run(self, told: dict[datetime, list[Event]]) -> "Count":
        for number in range(LAST):
            now = MONDAY + number * HALF
            for event in told.get(now, []):
                self.known = event.priority if isinstance(event, PriorityChanged) else self.known
                self.hear(event, now)
            if self.rests_until is not None and self.rests_until <= now:
                self.rests_until = None
            if len(self.passed) - 1 >= self.left and self.rests_until is None:
                self.missed = now
                return self
            if self.done is not None:
                return self
            if self.rests_until is None:
                self.passed.append(now + HALF)
        return self


def suspensions(dice: Random) -> list[tuple[datetime, Event]]:
    """The case rests now and then; some rests nobody ends before the day of their review."""
    found: list[tuple[datetime, Event]] = []
    number = dice.randrange(1, 600)
    for _ in range(dice.randrange(4)):
        begun = MONDAY + number * HALF
        review: date = (begun + timedelta(days=dice.randint(1, 30))).date()
        found.append((begun, CaseSuspended(case_id=CASE, reason=SuspendReason.CLIENT_AWAY, review_on=review)))
        number += dice.randrange(2, 500)
        found.append((MONDAY + number * HALF, CaseResumed(case_id=CASE)))
        number += dice.randrange(2, 500)
    return found


def priorities(dice: Random) -> list[tuple[datetime, Event]]:
    changes = (
        PriorityChanged(case_id=CASE, priority=dice.choice(list(Priority)), reason=PriorityReason.OTHER) for _ in range(dice.randrange(4))
    )
    return [(MONDAY + dice.randrange(1, 2000) * HALF, change) for change in changes]


def history(told: list[tuple[datetime, Event]], story: Story) -> dict[datetime, list[Event]]:
    """The same for both: as facts of a story, and by moment; no two at one moment."""
    by_moment: dict[datetime, list[Event]] = {}
    for at, event in sorted(told, key=lambda one: one[0]):
        while at in by_moment:
            at += HALF
        by_moment[at] = [event]
        story.tell(event, at)
    return by_moment


def stated(story: Story, rule: Rule) -> list[datetime]:
    """When the real code misses it, by the alerts that it raises. Nobody is late before what shortened the time was known."""
    end = MONDAY + LAST * HALF
    found, _ = decide(History.below(CASE, story.facts, end), end, always(lambda *_: story.policy), [rule])
    return [one.moment for one in found if isinstance(one.event, AlertRaised) and one.moment is not None]


def plan_reset_by_an_assessment() -> Rule:
    """The rule as it is, with a reset: no rule of ours that goes by priority has one."""
    assert PLAN.conditions is not None
    return duty("PLAN_OVERDUE", replace(PLAN.conditions, reset=(on(AssessmentSubmitted),)))


@pytest.mark.parametrize("seed", range(300))
def test_a_plan_is_due_when_its_time_has_passed_outside_of_rests(seed: int) -> None:
    dice, story = Random(seed), Story(policy=watching("PLAN_OVERDUE"))
    agreed = (MONDAY + dice.randrange(1, 3000) * HALF, PlanAgreed(case_id=CASE, plan_version=1, goals=1, steps=1))
    told = history([*suspensions(dice), *priorities(dice), *([agreed] if dice.random() < 0.5 else [])], story)
    counted = Count(DAYS[Priority.MEDIUM] * 48).run(told)
    assert stated(story, PLAN) == ([counted.missed] if counted.missed else [])


@pytest.mark.parametrize("seed", range(300))
def test_a_reset_begins_the_time_anew_by_the_priority_of_then(seed: int) -> None:
    dice, story = Random(seed), Story(policy=watching("PLAN_OVERDUE"))
    submitted = AssessmentSubmitted(case_id=CASE, assessment_id=some("assessment"), kind=AssessmentKind.FULL)
    resets: list[tuple[datetime, Event]] = [(MONDAY + dice.randrange(1, 1500) * HALF, submitted) for _ in range(dice.randrange(1, 3))]
    told = history([*suspensions(dice), *priorities(dice), *resets], story)
    counted = Count(DAYS[Priority.MEDIUM] * 48).run(told)
    assert stated(story, plan_reset_by_an_assessment()) == ([counted.missed] if counted.missed else [])


@pytest.mark.parametrize("seed", range(200))
def test_a_follow_up_that_was_moved_is_due_then_and_later_by_the_rests_since(seed: int) -> None:
    dice, story = Random(seed), Story(policy=WITHOUT_GRACE)
    one: UUID = story.follow_up("one", due=day(14), at=MONDAY + timedelta(seconds=1)).event.follow_up_id  # type: ignore[attr-defined]
    moved: list[tuple[datetime, Event]] = []
    for _ in range(dice.randrange(3)):
        at = MONDAY + dice.randrange(1, 600) * HALF
        moved.append((at, FollowUpRescheduled(case_id=CASE, follow_up_id=one, due_at=at + dice.randrange(1, 900) * HALF)))
    told = history([*suspensions(dice), *moved], story)
    counted = Count(14 * 48).run(told)
    assert stated(story, FOLLOW_UP)[:1] == ([counted.missed] if counted.missed else [])
