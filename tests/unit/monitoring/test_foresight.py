"""What is foreseen of a moment is what is decided when it has come: the same code, asked earlier."""

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.monitoring.domain.decision import decide, foresee
from services.monitoring.domain.fact import History
from services.monitoring.domain.regime import always
from services.monitoring.rules import RULES
from tests.unit.monitoring.life import stories
from tests.unit.monitoring.story import CASE, Story, day
from tests.unit.monitoring.test_decisions import Known, known


@settings(max_examples=150, deadline=None)
@given(stories(), st.floats(0, 200), st.floats(0, 1))
def test_what_is_foreseen_is_what_is_decided_until_the_next_moment(told: tuple[Story, datetime], number: float, part: float) -> None:
    """The next moment after some time is foreseen, and held against a look at any watermark for which it is said to hold."""
    story, _ = told
    facts = [fact for fact in story.facts if fact.recorded_at < day(number)]
    regimes = always(lambda *_: story.policy)

    def decided(watermark: datetime) -> tuple[Known, datetime | None]:
        decisions, look = decide(History.below(CASE, facts, watermark), watermark, regimes, RULES)
        return known(decisions), look

    _, moment = decided(day(number))
    if moment is None:
        return
    seen = foresee(CASE, facts, moment, regimes, RULES)
    assert seen is not None
    first, last = moment + timedelta.resolution, seen.until or moment + timedelta(days=300)
    for watermark in (first, first + (last - first) * part, last):
        assert (known(seen.decisions), seen.until) == decided(watermark)


def test_what_a_known_fact_may_change_is_not_foreseen() -> None:
    story = Story()
    story.follow_up("one", due=day(10), at=day(1))
    story.contact("one", day(12))
    regimes = always(lambda *_: story.policy)
    assert foresee(CASE, story.facts, day(11), regimes, RULES) is None
    assert foresee(CASE, story.facts, day(12), regimes, RULES) is not None
