"""RESOURCE_STALE: an entry of the directory is made sure of every 90 days, one for emergencies every 30."""

from datetime import datetime, timedelta

import pytest

from casebus.contracts.monitoring import AlertAutoCleared, AlertRaised, AlertResolved
from casebus.contracts.referral import ServiceAssured, ServiceListed, ServiceRetired, ServiceTerm
from tests.unit.monitoring.story import CASE, PARTNER, REGION, Story, day, watching


def listed(term: ServiceTerm = ServiceTerm.LONG) -> Story:
    """On day 1: a story without a case."""
    story = Story(opened=False, policy=watching("RESOURCE_STALE"))
    story.tell(ServiceListed(case_id=CASE, agency=PARTNER, region=REGION, service_type="shelter", term=term), day(1))
    return story


SUMMER = timedelta(hours=1)
"""Noon of London comes so much earlier from the end of March on."""
DUE = [(ServiceTerm.LONG, day(91) - SUMMER), (ServiceTerm.TEMPORARY, day(91) - SUMMER), (ServiceTerm.EMERGENCY, day(31))]


@pytest.mark.parametrize(("term", "due"), DUE)
def test_an_entry_that_nobody_made_sure_of_tells_its_agency(term: ServiceTerm, due: datetime) -> None:
    story = listed(term)
    assert story.said(due) == []
    [raised] = story.said(due + timedelta.resolution)
    assert isinstance(raised, AlertRaised)
    assert (raised.rule, raised.subject_id, raised.agency, raised.due_at) == ("RESOURCE_STALE", CASE, PARTNER, due)


def test_each_assurance_is_enough_until_the_next_is_due() -> None:
    story = listed()
    story.tell(ServiceAssured(case_id=CASE, term=ServiceTerm.LONG), day(80))
    assert story.said(day(169)) == []
    assert len(story.said(day(171))) == 1


def test_assured_too_late_resolves_it_and_a_retired_entry_waits_for_nothing() -> None:
    late = listed()
    late.tell(ServiceAssured(case_id=CASE, term=ServiceTerm.LONG), day(100))
    assert [type(event) for event in late.said(day(101))] == [AlertRaised, AlertResolved]
    retired = listed()
    retired.tell(ServiceRetired(case_id=CASE), day(100))
    assert [type(event) for event in retired.said(day(101))] == [AlertRaised, AlertAutoCleared]
    in_time = listed()
    in_time.tell(ServiceRetired(case_id=CASE), day(50))
    assert in_time.said(day(300)) == []


def test_an_entry_that_is_heard_of_when_it_is_assured_has_one_clock() -> None:
    """One that is older than its events is listed and assured in one transaction."""
    story = listed()
    story.tell(ServiceAssured(case_id=CASE, term=ServiceTerm.LONG), day(1))
    [raised] = story.said(day(92))
    assert isinstance(raised, AlertRaised)
    assert (raised.agency, raised.due_at) == (PARTNER, day(91) - SUMMER)
