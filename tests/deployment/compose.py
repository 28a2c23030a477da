"""deploy/compose.yaml as Docker Compose reads it: with the defaults of its variables."""

import re
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
_VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


def composed() -> dict[str, Any]:
    """The whole file; anchors and merges resolved."""
    found: dict[str, Any] = _told(yaml.safe_load((DEPLOY / "compose.yaml").read_text()))
    return found


def _told(part: Any) -> Any:
    """With each variable's default in its place."""
    if isinstance(part, dict):
        return {name: _told(value) for name, value in part.items()}
    if isinstance(part, list):
        return [_told(value) for value in part]
    return _VARIABLE.sub(lambda variable: variable[2], part).replace("$$", "$") if isinstance(part, str) else part


def ours(compose: dict[str, Any]) -> dict[str, Any]:
    """The parts that run our image."""
    return {name: part for name, part in compose["services"].items() if part["image"] == "continuum"}
