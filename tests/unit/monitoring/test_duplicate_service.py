"""DUPLICATE_SERVICE: two services of one type for one need, for longer than 2 days."""

from casebus.contracts.monitoring import AlertRaised, AlertResolved
from casebus.contracts.planning import NeedAddressed
from casebus.contracts.referral import ReferralCompleted, ReferralOutcome
from tests.unit.monitoring.story import CASE, LEAD, Story, day, some, watching


def served(*, second_step: str = "step 2", service: str = "shelter", needs: bool = True) -> Story:
    """Two steps for one need, each with an agency that takes it: the second one on day 3."""
    story = Story(policy=watching("DUPLICATE_SERVICE"))
    for number, (step, kind) in enumerate([("step 1", "shelter"), (second_step, service)], 1):
        if needs:
            story.tell(NeedAddressed(case_id=CASE, need_id=some("need"), step_id=some(step)), day(number))
        story.offer(f"offer {number}", day(number + 0.5), step=some(step), service=kind)
        story.accept(f"offer {number}", day(number + 1))
    return story


def complete(story: Story, name: str, at: float) -> None:
    event = ReferralCompleted(case_id=CASE, referral_id=some(name), agency=LEAD, step_id=None, outcome=ReferralOutcome.SERVICES_RECEIVED)
    story.tell(event, day(at))


def test_two_services_of_one_type_for_one_need_tell_the_lead() -> None:
    assert served().said(day(5)) == []
    [raised] = served().said(day(5.1))
    assert isinstance(raised, AlertRaised)
    assert (raised.rule, raised.subject_id, raised.agency, raised.due_at) == ("DUPLICATE_SERVICE", some("offer 2"), LEAD, day(5))


def test_passing_the_client_on_is_no_overlap() -> None:
    for ends in ("offer 1", "offer 2"):
        story = served()
        complete(story, ends, 4)
        assert story.said(day(40)) == []
    story = Story(policy=watching("DUPLICATE_SERVICE"))
    for number in (1, 2):
        story.offer(f"offer {number}", day(number), step=some("step"))
        story.accept(f"offer {number}", day(number + 0.2))
        complete(story, f"offer {number}", number + 0.5)
    assert story.said(day(40)) == []


def test_another_type_or_another_need_is_no_overlap() -> None:
    assert served(service="legal-aid").said(day(40)) == []
    assert served(needs=False).said(day(40)) == []


def test_one_step_served_twice_is_one_need() -> None:
    assert len(served(second_step="step 1", needs=False).said(day(40))) == 1


def test_of_three_services_two_have_to_end() -> None:
    story = served()
    story.offer("offer 3", day(3.5), step=some("step 1"))
    story.accept("offer 3", day(4))
    complete(story, "offer 1", 20)
    third = [event for event in story.said(day(30)) if event.says().get("subject_id") == some("offer 3")]
    assert len(third) == 1
    complete(story, "offer 2", 31)
    kinds = [type(event) for event in story.said(day(40))]
    assert (kinds.count(AlertRaised), kinds.count(AlertResolved)) == (2, 2)
