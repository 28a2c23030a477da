"""A YAML file that remembers its lines, so that what is wrong with a value can be said where it stands."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

Loc = tuple[int | str, ...]


class Unreadable(Exception):
    """Not a YAML mapping in UTF-8. The message names file, line and fix."""


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
            found[f"{self.name}: line {line}: {field}: {one['msg'].removeprefix('Value error, ')}"] = None
        return list(found)


def read(path: Path) -> Document:
    """Raises Unreadable; also for a key that is written twice, of which YAML would drop the first."""
    try:
        loader = yaml.SafeLoader(path.read_text("utf-8"))
        root = loader.get_single_node()
        _refuse_twice(path.name, root)
        value = None if root is None else loader.construct_document(root)
    except UnicodeDecodeError:
        raise Unreadable(f"{path.name}: line 1: the file: this is not text in UTF-8") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise Unreadable(f"{path.name}: line {mark.line + 1 if mark else '?'}: the file: this is not YAML") from None
    if root is None or not isinstance(value, dict):
        raise Unreadable(f"{path.name}: line 1: the file: write it as `policy: …`, a field a line")
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
