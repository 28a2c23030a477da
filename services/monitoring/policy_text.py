"""A YAML file that remembers its lines, so that what is wrong with a value can be said where it stands."""

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from casebus.fixes import to_write

Loc = tuple[int | str, ...]


class Unreadable(Exception):
    """Not a YAML mapping in UTF-8. The message names file, line and fix."""


class _Loader(yaml.SafeLoader):
    """Reads as YAML 1.2 does, and `off`: the older words would make false of Norway's NO, and a number of 18:00."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # as PyYAML declares it


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE|off|Off|OFF", "tTfFoO"),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first))

_FIXES: Final = {
    "missing": "write it",
    "unexpected_keyword_argument": "there is no such field: correct its name, or leave it out",
    "extra_forbidden": "there is no such field: correct its name, or leave it out",
    "string_type": "write it in quotes",
    **dict.fromkeys(("dict_type", "dataclass_type", "model_type"), "write what belongs to it as `name: value`, each on a line below it"),
    **dict.fromkeys(("tuple_type", "list_type", "set_type", "frozen_set_type"), "write a list, as [one, another]"),
}
"""Where it matters that it is YAML."""


@dataclass(frozen=True, slots=True)
class Document:
    """`name` is the file's; `value` what it says."""

    name: str
    value: Mapping[str, Any]
    root: yaml.Node

    def place(self, loc: Loc) -> tuple[int, Loc]:
        """The line of what `loc` leads to, or of the last step that is there; and the steps that are."""
        node, line = self.root, self.root.start_mark.line
        for depth, step in enumerate(loc):
            found = _step(node, step)
            if found is None:
                return line + 1, loc[:depth]
            line, node = found
        return line + 1, loc

    def complaints(self, error: ValidationError) -> list[str]:
        """Every mistake once: file, line, field, fix. No value is repeated."""
        found: dict[str, None] = {}
        for one in error.errors(include_url=False, include_input=False):
            loc = tuple(step for step in one["loc"] if step != "[key]")
            line, there = self.place(loc)
            field = ".".join(map(str, loc if one["type"] == "missing" else there)) or "the file"
            fix = _FIXES.get(one["type"]) or to_write(one)
            found[f"{self.name}: line {line}: {field}: {fix}"] = None
        return list(found)


def read(path: Path) -> Document:
    """Raises Unreadable; also for a key that is written twice, of which YAML would drop the first."""
    try:
        loader = _Loader(path.read_text("utf-8"))
        root = loader.get_single_node()
        _refuse_twice(path.name, root)
        value = None if root is None else loader.construct_document(root)
    except UnicodeDecodeError:
        raise Unreadable(f"{path.name}: line 1: the file: this is not text in UTF-8") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise Unreadable(f"{path.name}: line {mark.line + 1 if mark else 1}: the file: this is not YAML") from None
    if root is None or not isinstance(value, dict):
        raise Unreadable(f"{path.name}: line 1: the file: write it as `field: value`, a field a line")
    return Document(path.name, value, root)


def _step(node: yaml.Node, step: Hashable) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((key.start_mark.line, value) for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line, node.value[step]
    return None


def _refuse_twice(name: str, node: yaml.Node | None) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise Unreadable(f"{name}: line {key.start_mark.line + 1}: {key.value}: it is written twice; keep one")
            seen.add(str(key.value))
            _refuse_twice(name, value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_twice(name, value)
