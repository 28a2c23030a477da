"""What is said of a field that isn't right, for every kind of field that can be sent or written."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AfterValidator, AwareDatetime, Field, TypeAdapter, ValidationError

from casebus.fixes import to_write, wanted
from casebus.problems import invalid


class Colour(StrEnum):
    RED = "RED"
    GREEN = "GREEN"


def never(_: str) -> str:
    raise ValueError("write it otherwise")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        (int, "seven", "a whole number"),
        (int, 1.5, "a whole number"),
        (bool, "perhaps", "true or false"),
        (UUID, 5, "a UUID"),
        (UUID, "5", "a UUID"),
        (date, "2026-13-01", "a day, as 2026-11-22"),
        (datetime, "yesterday", "a time with its zone, as 2026-11-22T20:15:00+07:00"),
        (AwareDatetime, "2026-11-22T20:15:00", "a time with its zone, as 2026-11-22T20:15:00+07:00"),
        (frozenset[str], "one", "a list"),
        (tuple[str, ...], 1, "a list"),
        (Annotated[list[str], Field(min_length=2)], ["one"], "2 or more of them"),
        (Annotated[list[str], Field(max_length=1)], ["one", "two"], "1 of them or less"),
        (Annotated[str, Field(min_length=2)], "x", "text of 2 characters or more"),
        (Annotated[str, Field(min_length=1)], "", "text of 1 character or more"),
        (Annotated[str, Field(max_length=2)], "xyz", "text of 2 characters or less"),
        (Annotated[int, Field(ge=1)], 0, "1 or more"),
        (Annotated[int, Field(le=1)], 2, "1 or less"),
        (Annotated[float, Field(gt=1)], 0.5, "more than 1"),
        (Annotated[float, Field(lt=1.5)], 2, "less than 1.5"),
        (Colour, "BLUE", "one of: RED, GREEN"),
        (Literal[Colour.RED, Colour.GREEN], "BLUE", "one of: RED, GREEN"),
        (Literal[",", ";"], "#", "one of: ',', ';'"),
        (Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,62}$")], "A b", "2 to 63 small letters, digits and hyphens, a letter first"),
    ],
)
def test_it_names_what_belongs_there_and_repeats_no_value(field: Any, value: object, words: str) -> None:
    [complaint] = complaints(field, value)
    assert (wanted(complaint), to_write(complaint)) == (words, f"write {words}")


def test_a_check_of_ours_says_itself_what_to_do() -> None:
    [complaint] = complaints(Annotated[str, AfterValidator(never)], "x")
    assert wanted(complaint) == to_write(complaint) == "write it otherwise"
    assert invalid([complaint]).fixes[0].fix == "write it otherwise"


def complaints(field: Any, value: object) -> list[Any]:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(field).validate_python(value)
    return list(refused.value.errors(include_url=False, include_input=False))
