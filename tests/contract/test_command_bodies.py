"""What a command's body takes for a number or for yes and no: JSON's own, so that `true` is no 1, and "no" no false. And what is said of a
field that has a form: words."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from casebus.command import Command
from casebus.fixes import PATTERNS
from casebus.http import BatchItem
from continuum.eventlog.mapping import Mapping
from services.intake import commands as intake
from services.monitoring import commands as monitoring
from services.monitoring.domain.calendar import SPAN
from services.monitoring.domain.policy import Policy
from services.planning import commands as planning
from services.referral import commands as referral

TYPES = {each for module in (intake, planning, referral, monitoring) for each in vars(module).values() if isinstance(each, type)}
COMMANDS = sorted((each for each in TYPES if issubclass(each, Command)), key=lambda each: each.__qualname__)

NEED: dict[str, object] = {"need_id": "8e55b0a8-9072-5635-ae6b-7bde7d539d83", "urgency": 1, "severity": 1, "wish": 1}


def loose(schema: Any, path: str = "") -> Iterator[str]:
    """Where pydantic would make a number, or yes and no, of something else."""
    if isinstance(schema, dict):
        if schema.get("type") in ("int", "float", "bool") and not schema.get("strict"):
            yield path
        for name, part in schema.items():
            if name != "metadata":
                yield from loose(part, f"{path}.{name}")
    elif isinstance(schema, list | tuple):
        for part in schema:
            yield from loose(part, path)


@pytest.mark.parametrize("model", COMMANDS, ids=lambda model: model.__qualname__)
def test_no_body_makes_a_number_or_a_yes_of_something_else(model: type[BaseModel]) -> None:
    assert list(loose(model.__pydantic_core_schema__)) == []


@pytest.mark.parametrize(
    ("model", "body", "field"),
    [
        (planning.PrioritiseNeed, NEED | {"urgency": True}, "urgency"),
        (planning.PrioritiseNeed, NEED | {"wish": "1"}, "wish"),
        (intake.TriageCase, {"priority": "HIGH", "nature": "HOUSING", "crisis": "no"}, "crisis"),
        (intake.OpenCase, {"under_way": 1}, "under_way"),
        (BatchItem, {"key": "k", "command": "open-case", "version": True}, "version"),
    ],
)
def test_what_is_no_number_and_no_yes_is_refused_by_its_field(model: type[BaseModel], body: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        model.model_validate(body)
    assert [error["loc"] for error in refusal.value.errors()] == [(field,)]


def patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for name, part in schema.items():
            if name == "pattern" and isinstance(part, str):
                yield part
            yield from patterns(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from patterns(part)


def test_whoever_breaks_a_pattern_is_told_in_words_what_it_asks_for() -> None:
    models: list[type[BaseModel]] = [*COMMANDS, Mapping]
    schemas = [model.model_json_schema() for model in models] + [TypeAdapter(Policy).json_schema()]
    duration = SPAN["pattern"].removeprefix("^")  # read by a check of its own
    found = {pattern for pattern in patterns(schemas) if not pattern.endswith(duration)}
    assert len(found) > 4
    assert found <= PATTERNS.keys()
