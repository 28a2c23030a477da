"""A file of the repository that a command writes from the code."""

import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]


def settle(path: Path, text: str, target: str, arguments: Sequence[str]) -> int:
    """Write `text`, or with `--check` only say that the file is stale, and which `make` target mends it.

    The exit code: 0 when it is written or up to date, 1 when `--check` finds it stale.
    """
    if path.exists() and path.read_text() == text:
        return 0
    if "--check" in arguments:
        print(f"{path.name} is stale: run `make {target}`", file=sys.stderr)
        return 1
    path.write_text(text)
    print(f"wrote {path.name}")
    return 0
