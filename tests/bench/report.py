"""Where figures go: the terminal, build/bench.json, and the generated table of docs/performance.md."""

import json
from collections.abc import Sequence
from pathlib import Path

from continuum.stack import CLONE
from tests.bench import plan
from tests.bench.figure import Figure, shown

JSON = CLONE / "build" / "bench.json"
DOCS = CLONE / "docs" / "performance.md"
BEGIN, END = "<!-- made by `make bench` -->", "<!-- end -->"
HEAD = (
    "| figure | value | naive | × naive | bound | of the bound | p50 ms | p99 ms | wanted | |",
    "|---|---|---|---|---|---|---|---|---|---|",
)


def line(figure: Figure) -> str:
    """One figure for the terminal."""
    parts = [f"{figure.name:32} {shown(figure.value):>10} {figure.unit}"]
    if figure.times_naive is not None:
        parts.append(f"naive {shown(figure.naive)} (× {shown(figure.times_naive)})")
    if figure.of_bound is not None:
        parts.append(f"bound {shown(figure.bound)} ({figure.of_bound:.0%})")
    if figure.p50 is not None:
        parts.append(f"p50 {shown(figure.p50)} ms, p99 {shown(figure.p99)} ms")
    return "; ".join([*parts, *([f"wanted {figure.goal}"] if figure.goal else []), *([figure.note] if figure.note else [])])


def write_json(figures: Sequence[Figure], path: Path = JSON) -> None:
    """This run's figures, as the list that build/bench.json is."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([figure.document() for figure in figures], indent=1) + "\n")


def write_table(figures: Sequence[Figure], machine: str, command: str, path: Path = DOCS) -> None:
    """Between the markers; rows that this run did not measure stay as they are, with what is said of the run that did."""
    text = path.read_text()
    before, _, rest = text.partition(BEGIN)
    inside, _, after = rest.partition(END)
    rows = {_name(row): row for row in inside.splitlines() if row.startswith("| ") and row != HEAD[0]}
    rows |= {figure.name: _row(figure) for figure in figures}
    runs = [row for row in inside.splitlines() if row.startswith("- `") and f"`{command}`" not in row]
    table = [BEGIN, "", *HEAD, *rows.values(), "", *runs, f"- `{command}`: {machine}", "", END]
    path.write_text(plan.rewritten(before + "\n".join(table) + after, {name: _value(row) for name, row in rows.items()}))


def _name(row: str) -> str:
    return row.split("|")[1].strip()


def _value(row: str) -> float:
    """What the table says of a figure, without its unit."""
    return float(row.split("|")[2].split()[0].replace(",", ""))


def _row(figure: Figure) -> str:
    of_bound = "" if figure.of_bound is None else f"{figure.of_bound:.0%}"
    cells = [
        figure.name,
        f"{shown(figure.value)} {figure.unit}",
        shown(figure.naive),
        shown(figure.times_naive),
        shown(figure.bound),
        of_bound,
        shown(figure.p50),
        shown(figure.p99),
        figure.goal,
        figure.note,
    ]
    return f"| {' | '.join(cells)} |"
