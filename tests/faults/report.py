"""Where the figures go: `build/faults.json`, and the table of docs/reliability.md, which nobody writes by hand."""

import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.faults.outcome import Outcome
from tests.faults.registry import FAULTS, Fault

CLONE = Path(__file__).parents[2]
JSON = CLONE / "build" / "faults.json"
PAGE = CLONE / "docs" / "reliability.md"
BEGIN, END = "<!-- figures: written by `make faults` -->", "<!-- end of the figures -->"
COLUMNS = (
    "struck",
    "acknowledged",
    "lost",
    "duplicated",
    "out of order",
    "false alerts",
    "missing alerts",
    "seconds",
    "how",
    "seed",
    "commit",
)
NOT_YET, SHORT, LONG = "not run yet", "short", "at length"


def write_json(outcomes: Iterable[Outcome]) -> None:
    """A list with one entry a fault."""
    JSON.parent.mkdir(exist_ok=True)
    JSON.write_text(json.dumps([outcome.as_row() for outcome in outcomes], indent=1) + "\n")


def write_page(outcomes: Mapping[str, Outcome], seed: int, *, short: bool) -> None:
    """Refresh the rows of what was run; the others keep the figures of their last run, and what ran at length those of that one."""
    said = PAGE.read_text()
    rows = [_row(fault, outcomes.get(fault.name), _figures(fault, said), seed, short=short) for fault in FAULTS]
    table = "\n".join([f"Machine: {machine()}.", "", _line(["promise", "test", *COLUMNS]), _line(["---"] * (len(COLUMNS) + 2)), *rows])
    PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{table}\n{END}", said, flags=re.DOTALL))


def _row(fault: Fault, outcome: Outcome | None, kept: list[str], seed: int, *, short: bool) -> str:
    figures = kept
    if outcome is not None and not (short and LONG in kept):
        counts = [str(outcome.as_row()[name.replace(" ", "_")]) for name in COLUMNS[:-3]]
        figures = [*counts, SHORT if short else LONG, str(seed), commit()]
    return _line([fault.promise, _link(fault), *figures])


def _figures(fault: Fault, said: str) -> list[str]:
    """Those that the page has, whatever the promise is called by now."""
    old = next((line for line in said.splitlines() if line.startswith("| ") and f"| {_link(fault)} |" in line), None)
    return [cell.strip() for cell in old.split("|")[3:-1]] if old else [NOT_YET, *[""] * (len(COLUMNS) - 1)]


def _link(fault: Fault) -> str:
    return f"[{fault.name}](../{fault.file})"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def commit() -> str:
    """The commit that was run, with + where the tree has more than that."""
    short = _git("rev-parse", "--short", "HEAD")
    return short + ("+" if _git("status", "--porcelain", "--untracked-files=no", "--", ":!docs") else "")


def _git(*words: str) -> str:
    return subprocess.run(("git", *words), cwd=CLONE, capture_output=True, text=True, check=False).stdout.strip()


def machine() -> str:
    """What it ran on, as far as that says something about the figures."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores {platform.machine()}, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"
