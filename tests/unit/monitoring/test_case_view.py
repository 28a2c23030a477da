"""A case on the board: the same whichever topic told first, with its holder as domain.md says."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from casebus.contracts import intake, planning
from casebus.contracts.intake import DeclineReason, Priority
from services.monitoring.domain.case_view import CaseView, HandOff
from services.monitoring.domain.fact import Fact
from tests.unit.monitoring.story import CASE, IMPORT, LEAD, PARTNER, REGION, Story, day


def view_of(facts: list[Fact]) -> CaseView:
    view = CaseView(id=CASE)
    for fact in facts:
        view = view.after(fact.event, fact.envelope)
    return view


def interleaved(facts: list[Fact], dice: Random) -> list[Fact]:
    """Any order in which each owner's facts keep theirs."""
    topics = {owner: [fact for fact in facts if fact.envelope.owner == owner] for owner in {fact.envelope.owner for fact in facts}}
    turns = dice.sample([fact.envelope.owner for fact in facts], len(facts))
    return [topics[owner].pop(0) for owner in turns]


@st.composite
def lives(draw: st.DrawFn) -> list[Fact]:
    story = Story()
    story.begin_import(day(0.1), "intake", "planning", "referral")
    story.tell(planning.PlanDrafted(case_id=CASE, plan_version=1), day(0.2))
    for number, act in enumerate(
        draw(st.lists(st.sampled_from(["accept", "lead", "agree", "close", "reopen", "complete"]), max_size=12)), 1
    ):
        at = day(number)
        match act:
            case "accept":
                story.accept(f"referral {number}", at, by=draw(st.sampled_from([LEAD, PARTNER, "east-school"])))
            case "lead":
                story.hand_over(at, to=draw(st.sampled_from([LEAD, PARTNER, "east-school"])))
            case "agree":
                story.tell(planning.PlanAgreed(case_id=CASE, plan_version=1, goals=1, steps=1), at)
            case "close":
                story.close(at)
            case "reopen":
                story.reopen(at)
            case _:
                story.complete_import(draw(st.sampled_from(["intake", "planning", "referral"])), at)
    return story.facts


@settings(max_examples=150, deadline=None)
@given(lives(), st.randoms(use_true_random=False))
def test_the_view_is_the_same_under_any_interleaving_of_the_topics(facts: list[Fact], dice: Random) -> None:
    in_order, mixed = view_of(facts), view_of(interleaved(facts, dice))
    assert mixed == in_order
    assert mixed.hand_offs() == in_order.hand_offs()


def test_the_lead_holds_a_case_until_a_referral_is_accepted() -> None:
    story = Story()
    assert (view_of(story.facts).holder, view_of(story.facts).region) == (LEAD, REGION)
    story.hand_over(day(1))
    assert view_of(story.facts).hand_offs() == (HandOff(from_agency=LEAD, to_agency=PARTNER, at=day(1)),)
    story.accept("first", day(2), by="east-school")
    story.hand_over(day(3), to=LEAD)
    view = view_of(story.facts)
    assert (view.holder, view.lead) == ("east-school", LEAD)
    assert [(one.from_agency, one.to_agency) for one in view.hand_offs()] == [(LEAD, PARTNER), (PARTNER, "east-school")]


def test_another_referral_to_the_same_agency_is_no_hand_off() -> None:
    story = Story()
    for number in range(3):
        story.accept(f"referral {number}", day(number + 1))
    assert len(view_of(story.facts).hand_offs()) == 1


def test_who_accepted_last_is_told_by_the_record_and_not_by_the_arrival() -> None:
    story = Story()
    story.accept("first", day(2), by=PARTNER)
    story.hand_over(day(1), to="east-school")
    assert [one.to_agency for one in view_of(story.facts).hand_offs()] == ["east-school", PARTNER]


def test_its_stage_is_planning_s_once_planning_has_spoken() -> None:
    story = Story(opened=False)
    stages = []
    story.receive(day(0), priority=Priority.HIGH)
    stages.append(view_of(story.facts).stage)
    story.tell(intake.CaseOpened(case_id=CASE, agency=LEAD, region=REGION, priority=Priority.HIGH, under_way=False), day(1))
    stages.append(view_of(story.facts).stage)
    story.tell(planning.PlanDrafted(case_id=CASE, plan_version=1), day(2))
    stages.append(view_of(story.facts).stage)
    story.tell(planning.PlanAgreed(case_id=CASE, plan_version=1, goals=1, steps=1), day(3))
    stages.append(view_of(story.facts).stage)
    story.close(day(4))
    stages.append(view_of(story.facts).stage)
    assert stages == ["TRIAGED", "OPENED", "PLANNING", "ACTIVE", "CLOSED"]
    assert not view_of(story.facts).is_open
    story.reopen(day(5))
    assert view_of(story.facts).is_open


def test_a_declined_case_is_not_counted() -> None:
    story = Story(opened=False)
    story.receive(day(0))
    assert view_of(story.facts).is_open
    story.tell(intake.CaseDeclined(case_id=CASE, reason=DeclineReason.OUT_OF_SCOPE), day(1))
    assert not view_of(story.facts).is_open


def test_what_an_import_brings_waits_until_all_its_owners_are_done() -> None:
    story = Story()
    assert view_of(story.facts).waits_for(IMPORT)
    assert not view_of(story.facts).waits_for(None)
    story.complete_import("planning", day(1))
    story.begin_import(day(2), "intake", "planning")
    assert view_of(story.facts).waits_for(IMPORT)
    story.complete_import("intake", day(3))
    assert not view_of(story.facts).waits_for(IMPORT)
