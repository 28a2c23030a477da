"""UNOWNED_NEED: a step has to be there within 14 days."""

import pytest

from casebus.contracts.monitoring import AlertAutoCleared, AlertRaised, AlertResolved
from casebus.contracts.planning import Domain, NeedAddressed, NeedClass, NeedIdentified, NeedJudged, NeedResult, NeedUnaddressed
from tests.unit.monitoring.story import CASE, LEAD, PARTNER, Story, day, some, watching

NEED = some("need")


def identified(agency: str | None = None) -> Story:
    """On day 1."""
    story = Story(policy=watching("UNOWNED_NEED"))
    story.tell(NeedIdentified(case_id=CASE, need_id=NEED, domain=Domain.HOUSING, need_class=NeedClass.SURVIVAL, agency=agency), day(1))
    return story


def address(story: Story, at: float, *, need: str = "need") -> None:
    story.tell(NeedAddressed(case_id=CASE, need_id=some(need), step_id=some("step")), day(at))


@pytest.mark.parametrize(("agency", "answers"), [(None, LEAD), (PARTNER, PARTNER)])
def test_a_need_without_a_step_tells_who_answers_for_it(agency: str | None, answers: str) -> None:
    assert identified(agency).said(day(15)) == []
    [raised] = identified(agency).said(day(16))
    assert isinstance(raised, AlertRaised)
    assert (raised.rule, raised.subject_id, raised.agency, raised.due_at) == ("UNOWNED_NEED", NEED, answers, day(15))


def test_a_step_for_it_in_time_is_enough_and_one_for_another_need_is_not() -> None:
    story = identified()
    address(story, 10)
    assert story.said(day(60)) == []
    other = identified()
    address(other, 10, need="other")
    assert len(other.said(day(60))) == 1


def test_a_need_whose_last_step_was_skipped_waits_anew() -> None:
    story = identified()
    address(story, 2)
    story.tell(NeedUnaddressed(case_id=CASE, need_id=NEED, agency=None), day(20))
    assert story.said(day(34)) == []
    [raised] = story.said(day(35))
    assert isinstance(raised, AlertRaised)
    assert raised.due_at == day(34)


@pytest.mark.parametrize(("result", "ending"), [(NeedResult.MET, AlertResolved), (NeedResult.WITHDRAWN, AlertAutoCleared)])
def test_a_need_that_is_judged_waits_for_nothing(result: NeedResult, ending: type) -> None:
    story = identified()
    story.tell(NeedJudged(case_id=CASE, need_id=NEED, result=result, referred_to=None), day(20))
    assert [type(event) for event in story.said(day(40))] == [AlertRaised, ending]
