"""The mapping of an event log: its columns, zone and formats, its agencies, and what each of its activities stands for.

A mapping that isn't right is refused with file, line, field and fix, as policies are. `make mappings` writes its JSON Schema.
"""

import codecs
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from casebus.command import Slug
from casebus.fixes import to_write
from continuum.eventlog.catalogue import Kind, kinds
from continuum.local.process import LocalFailure
from services.monitoring.policy_text import Unreadable, read

STRICT = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
Cell = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
_EXAMPLE = datetime(2026, 11, 22, 20, 15)  # noqa: DTZ001  # a time on a wall, to try a format by


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("write a time zone as Asia/Bangkok") from None
    return name


def _format(written: str) -> str:
    try:
        told = datetime.strptime(_EXAMPLE.strftime(written), written).date()  # noqa: DTZ007  # only its day counts
    except ValueError:
        told = None
    if told != _EXAMPLE.date():
        raise ValueError("write year, month and day as Python's strptime has them, as %d/%m/%Y %H:%M")
    return written


def _encoding(name: str) -> str:
    try:
        "1".encode(name)  # some are none of text
        return codecs.lookup(name).name
    except (LookupError, UnicodeError):
        raise ValueError("write the file's encoding as utf-8 or cp874") from None


def _list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


Format = Annotated[str, AfterValidator(_format)]


class Columns(BaseModel):
    """The names that the file's first line has. No other column is read."""

    model_config = STRICT
    case: Cell
    activity: Cell
    time: Cell
    agency: Cell
    actor: Cell | None = None
    due: Cell | None = None

    @model_validator(mode="after")
    def _differ(self) -> Self:
        names = self.names()
        if len(set(names)) != len(names):
            raise ValueError("write another column for each")
        return self

    def names(self) -> list[str]:
        return [name for name in (self.case, self.activity, self.time, self.agency, self.actor, self.due) if name is not None]


class Step(BaseModel):
    """One command: `do` names it, `with` is its body. `by: lead`: the case's lead acts, whichever agency the row names."""

    model_config = STRICT
    do: str
    by: Literal["row", "lead"] = "row"
    said: Annotated[dict[str, Any], Field(alias="with")] = {}

    @model_validator(mode="before")
    @classmethod
    def _may_be_short(cls, value: Any) -> Any:
        return {"do": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _is_a_command(self) -> Self:
        kind = kinds().get(self.do)
        if kind is None:
            raise ValueError(f"there is no such command; write one of {', '.join(kinds())}")
        if unsaid := sorted(kind.unsaid() & self.said.keys()):
            raise ValueError(f"leave out {unsaid[0]} of `with`: the importer says it")
        try:
            kind.written(self.said)
        except ValidationError as error:
            one = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(map(str, one["loc"])) or "the body"
            raise ValueError(f"with: {field}: {to_write(one)}") from None
        return self

    @property
    def kind(self) -> Kind:
        return kinds()[self.do]

    @cached_property
    def body(self) -> dict[str, Any]:
        """What is said of the body in any case."""
        return self.kind.written(self.said)


def _receives(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    if steps and steps[0].do != "receive-case":
        raise ValueError("write receive-case first: it makes the case")
    return steps


Steps = Annotated[tuple[Step, ...], BeforeValidator(_list), Field(min_length=1)]


class Mapping(BaseModel):
    """`agencies`: what the file calls each, and the name that it has here; the same for `activities`. `begin`: done when a case's first
    row doesn't receive it. `ignore`: activities that stand for nothing. `time`, `due`: how the columns are written; ISO 8601 without."""

    model_config = STRICT
    region: Slug
    zone: Annotated[str, AfterValidator(_zone)]
    columns: Columns
    time: Format | None = None
    due: Format | None = None
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"
    delimiter: Literal[",", ";", "\t", "|"] = ","
    agencies: Annotated[dict[Cell, Slug], Field(min_length=1)]
    begin: Annotated[tuple[Step, ...], BeforeValidator(_list), AfterValidator(_receives)] = ()
    activities: Annotated[dict[Cell, Steps], Field(min_length=1)]
    ignore: frozenset[Cell] = frozenset()

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if twice := self.ignore & self.activities.keys():
            raise ValueError(f"ignore: {min(twice)} is an activity too; keep one")
        every = [step for steps in self.activities.values() for step in steps]
        if not self.begin and all(step.do != "receive-case" for step in every):
            raise ValueError("begin: write receive-case here, or for the activity that brings a case: it makes the case")
        if any(step.do == "assign-worker" for step in every) and self.columns.actor is None:
            raise ValueError("columns: write `actor`: assign-worker takes the worker from it")
        if self.columns.due is None and any(step.kind.is_due_needed() for step in every):
            raise ValueError("columns: write `due`: suspend-case takes its day of review from it")
        return self

    def steps_of(self, activity: str) -> tuple[Step, ...] | None:
        """What an activity stands for; () for one that is ignored, None for one that the mapping doesn't know."""
        return () if activity in self.ignore else self.activities.get(activity)


def read_mapping(path: Path) -> Mapping:
    """Raises LocalFailure with every mistake."""
    try:
        document = read(path)
    except Unreadable as error:
        raise LocalFailure(str(error)) from None
    except OSError:
        raise LocalFailure(f"{path.name}: this file can't be read") from None
    try:
        return Mapping.model_validate(document.value)
    except ValidationError as error:
        raise LocalFailure("\n".join(document.complaints(error))) from None


def body_schema(kind: Kind) -> dict[str, Any]:
    """What may stand under `with` for a command, as JSON Schema with its own definitions."""
    made: dict[str, Any] = kind.model.model_json_schema(by_alias=True)
    for name in kind.unsaid():
        made["properties"].pop(name, None)
    used = str(made["properties"])
    made["$defs"] = {name: one for name, one in made.get("$defs", {}).items() if f"/{name}'" in used}
    made["required"] = [name for name in made.get("required", []) if name in made["properties"]]
    made.pop("description", None)
    return made
