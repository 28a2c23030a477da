"""A suspension pauses every clock but those of safety (domain.md, Clock): which those are stands beside the rule, as an empty pause."""

from datetime import datetime

from hypothesis import given, settings

from casebus.contracts.planning import CaseResumed, CaseSuspended
from services.monitoring.domain.clock import judge
from services.monitoring.domain.fact import Fact, History
from services.monitoring.domain.rebasing import clocks_of
from services.monitoring.domain.regime import Law, always
from services.monitoring.domain.rule import Rule
from services.monitoring.rules import RULES
from tests.unit.monitoring.life import stories
from tests.unit.monitoring.story import CASE, REGION, Story

WITH_CONDITIONS = [rule for rule in RULES if rule.conditions is not None]


def test_the_clocks_of_safety_are_those_that_docs_domain_md_names() -> None:
    assert {rule.name for rule in RULES if rule.is_safety} == {"EMERGENCY_ACCESS_UNREVIEWED", "CONSENT_EXPIRING", "RESOURCE_STALE"}


@settings(max_examples=60, deadline=None)
@given(stories())
def test_each_suspension_pauses_every_clock_but_those_of_safety(told: tuple[Story, datetime]) -> None:
    story, end = told
    rests = [fact for fact in story.facts if fact.kind is CaseSuspended]
    for rule in WITH_CONDITIONS:
        for clock in clocks_of(rule, History.below(CASE, story.facts, end), law(story, end)):
            assert [pause.begun for pause in clock.pauses] == ([] if rule.is_safety else sorted(rests, key=lambda fact: fact.order))


@settings(max_examples=60, deadline=None)
@given(stories())
def test_a_clock_of_safety_is_due_when_it_would_have_been_without_any_rest(told: tuple[Story, datetime]) -> None:
    story, end = told
    awake = [fact for fact in story.facts if fact.kind not in (CaseSuspended, CaseResumed)]
    for rule in (rule for rule in WITH_CONDITIONS if rule.is_safety):
        assert due(rule, story, story.facts, end) == due(rule, story, awake, end)


def due(rule: Rule, story: Story, facts: list[Fact], end: datetime) -> dict[object, datetime]:
    history = History.below(CASE, facts, end)
    clocks = clocks_of(rule, history, law(story, end))
    return {(clock.subject, clock.round): judge(clock, end, history.decidable_from(clock.start)).due for clock in clocks}


def law(story: Story, end: datetime) -> Law:
    return Law(always(lambda *_: story.policy), REGION, end)
