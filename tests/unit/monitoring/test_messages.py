"""What a message says, in four languages, and that nothing else can get in."""

import re
from dataclasses import fields
from datetime import timedelta
from string import Formatter
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.monitoring.domain.message import MOST, Age, Line, Message, Told, Unit, message_of, reference
from services.monitoring.domain.policy import Language
from services.monitoring.rules import RULES
from services.monitoring.telling.rendering import in_words, wording
from tests.unit.monitoring.story import CASE, day

AGES = some.timedeltas(timedelta(0), timedelta(days=900)).map(Age.of)
AGENCIES = some.lists(some.from_regex(r"[a-z][a-z0-9-]{1,62}", fullmatch=True), min_size=1, max_size=3).map(tuple)
LINES = some.builds(
    Line,
    reference=some.from_regex("[0-9a-f]{8}", fullmatch=True),
    rule=some.sampled_from([rule.name for rule in RULES]),
    age=AGES,
    agencies=AGENCIES,
)


@pytest.mark.parametrize("language", Language)
def test_every_rule_has_words_in_every_language(language: Language) -> None:
    """A new rule: its words go to services/monitoring/telling/words/*.yaml."""
    said = wording(language)
    assert {rule.name for rule in RULES} <= set(said.rules)
    assert set(said.rules) == set(wording(Language.EN).rules)
    assert len(set(said.rules.values())) == len(said.rules)


@pytest.mark.parametrize("language", Language)
def test_the_words_of_a_language_are_filled_with_the_four_parts_alone(language: Language) -> None:
    said = wording(language)
    assert {name for _, name, _, _ in Formatter().parse(said.line) if name} == {"reference", "rule", "age", "agencies"}
    counted = [*said.subject.values(), *said.more.values(), *(form for forms in said.ages.values() for form in forms.values())]
    assert all({name for _, name, _, _ in Formatter().parse(form) if name} <= {"count"} for form in counted)
    assert set(said.ages) == set(Unit)
    assert all("{" not in each for each in (said.critical, said.between, said.close, *said.rules.values()))


@given(some.lists(LINES, min_size=1, max_size=4), some.integers(0, 9), some.booleans(), some.sampled_from(Language))
def test_a_text_is_its_words_and_the_four_parts_of_each_line(lines: list[Line], more: int, critical: bool, language: Language) -> None:  # noqa: FBT001  # hypothesis gives it
    said, text = wording(language), in_words(Message(lines=tuple(lines), more=more, critical=critical), language)
    left = text.body
    for one in lines:
        age = next(form.format(count=one.age.count) for form in ages(language, one.age))
        whole = said.line.format(reference=one.reference, rule=said.rules[one.rule], age=age, agencies=said.between.join(one.agencies))
        assert whole in left
        left = left.replace(whole, "", 1)
    assert left.strip() in {f"{each.format(count=more)}\n\n{said.close}" for each in said.more.values()} | {said.close}
    assert re.fullmatch(r"\D*\d+\D*", text.subject)


def ages(language: Language, age: Age) -> list[str]:
    forms = wording(language).ages[age.unit]
    return [forms["one"]] if age.count == 1 and "one" in forms else [forms["other"]]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reference", str(CASE)),
        ("reference", "Mrs Olive"),
        ("rule", "was seen in the park"),
        ("rule", "MISSED_FOLLOW_UP of Olive"),
        ("agencies", ("city-hospital", "Olive, 14 Park Road")),
        ("agencies", ("a\nb",)),
    ],
)
def test_what_has_not_the_form_of_its_part_is_refused_and_not_repeated(field: str, value: object) -> None:
    right = {"reference": reference(CASE), "rule": "PING_PONG", "age": Age(1, Unit.DAYS), "agencies": ("city-hospital",)}
    with pytest.raises(ValueError, match=r"^a message says a reference, a rule and agencies, and nothing else$"):
        Line(**right | {field: value})  # type: ignore[arg-type]  # each is of its kind


def test_a_message_knows_nothing_else_of_a_case() -> None:
    assert [each.name for each in fields(Line)] == ["reference", "rule", "age", "agencies"]
    assert [each.name for each in fields(Message)] == ["lines", "more", "critical"]


def one(number: int, *, critical: bool = False) -> Told:
    return Told(case_id=UUID(int=number), rule="PING_PONG", due_at=day(number), agencies=("city-hospital",), critical=critical)


def test_critical_ones_come_first_then_the_oldest_and_of_the_rest_how_many() -> None:
    found = message_of([one(number, critical=number == 70) for number in range(1, 81)], day(100))
    assert (len(found.lines), found.more, found.critical, found.count) == (MOST, 80 - MOST, True, 80)
    assert [line.age.count for line in found.lines[:3]] == [30, 99, 98]


@pytest.mark.parametrize(
    ("length", "age"),
    [
        (timedelta(seconds=-5), Age(0, Unit.MINUTES)),
        (timedelta(minutes=59), Age(59, Unit.MINUTES)),
        (timedelta(hours=1), Age(1, Unit.HOURS)),
        (timedelta(days=3, hours=20), Age(3, Unit.DAYS)),
    ],
)
def test_an_age_is_in_its_largest_unit(length: timedelta, age: Age) -> None:
    assert Age.of(length) == age
