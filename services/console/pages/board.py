"""The board's tables, made from monitoring's cells: what is a row, what a column, and where each number leads."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, sqrt
from typing import TypeVar
from urllib.parse import urlencode

from services.console.clients import Board, Trend, Window
from services.console.pages.words import AGES, RUNGS, STAGES, readable

HEAT_LEVELS = 6
COLOURS = 8
TREND_WEEKS = 26
TREND_PAIRS = 8
_WEEK = timedelta(days=7)
Key = TypeVar("Key")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """A count, the list that has as many rows, and how dark it is drawn (0 for none)."""

    count: int
    href: str
    level: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row: its code, its name, its cells in the order of the table's columns (None: no such number), its total."""

    key: str
    name: str
    colour: int
    cells: tuple[Cell | None, ...]
    total: Cell


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows and columns with their totals; every number is a link."""

    columns: tuple[Row, ...]
    rows: tuple[Row, ...]
    total: Cell


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """Hand-offs of one pair of agencies by week, the newest last."""

    source: str
    target: str
    href: str
    counts: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrendTable:
    """The busiest pairs over the same weeks; `starts` has each week's first moment."""

    starts: tuple[datetime, ...]
    series: tuple[Series, ...]


def link(path: str, **filters: str) -> str:
    """A list's address with its filters; `source` is written `from`, `target` is written `to`."""
    names = {"source": "from", "target": "to"}
    query = urlencode([(names.get(name, name), value) for name, value in filters.items() if value])
    return f"{path}?{query}" if query else path


def alerts_table(board: Board) -> Table:
    """Open alerts: the ladder's rungs from its top, by age."""
    counts = Counter({(cell.rung, cell.age): cell.count for cell in board.alerts.cells})
    return _table(counts, "/alerts", ("rung", "age"), _known(RUNGS, {rung for rung, _ in counts}), _known(AGES, {age for _, age in counts}))


def cases_table(board: Board) -> Table:
    """Open cases: holders, the busiest first, by stage."""
    counts = Counter({(cell.holder, cell.stage): cell.count for cell in board.cases.cells})
    holders = _busiest(Counter(_sums((holder, count) for (holder, _), count in counts.items())))
    return _table(counts, "/cases", ("holder", "stage"), holders, _known(STAGES, {stage for _, stage in counts}), colours(board))


def flow_table(board: Board) -> Table:
    """Hand-offs: from (rows) to (columns), the same agencies on both sides, the busiest first."""
    counts = Counter({(cell.source, cell.target): cell.count for cell in board.flow.cells})
    volume = _sums(pair for (source, target), count in counts.items() for pair in ((source, count), (target, count)))
    agencies = _busiest(Counter(volume))
    return _table(counts, "/hand-offs", ("source", "target"), agencies, agencies, colours(board))


def colours(board: Board) -> Mapping[str, int]:
    """A colour for every agency on the board: the same in every table and after every change."""
    names = {cell.holder for cell in board.cases.cells}
    names |= {name for cell in board.flow.cells for name in (cell.source, cell.target)}
    return {name: index % COLOURS for index, name in enumerate(sorted(names))}


def trend_table(trend: Trend, at: datetime) -> TrendTable:
    """The last weeks of the busiest pairs, empty weeks filled in."""
    windows = trend.windows.get("week", ())
    starts = _weeks(windows, at)
    recent = [window for window in windows if starts and window.start >= starts[0]]
    pairs = Counter(_sums(((window.source, window.target), window.count) for window in recent))
    counts = Counter({(window.source, window.target, window.start): window.count for window in recent})
    return TrendTable(
        starts=starts,
        series=tuple(
            Series(
                source=source,
                target=target,
                href=link("/hand-offs", source=source, target=target),
                counts=tuple(counts[source, target, start] for start in starts),
            )
            for source, target in _busiest(pairs)[:TREND_PAIRS]
        ),
    )


def _weeks(windows: Iterable[Window], at: datetime) -> tuple[datetime, ...]:
    newest = max((window.start for window in windows), default=None)
    if newest is None:
        return ()
    newest += max((at - newest) // _WEEK, 0) * _WEEK
    return tuple(newest - _WEEK * back for back in reversed(range(TREND_WEEKS)))


def _table(
    counts: Counter[tuple[str, str]],
    path: str,
    names: tuple[str, str],
    rows: Iterable[str],
    columns: Iterable[str],
    colour: Mapping[str, int] | None = None,
) -> Table:
    row_name, column_name = names
    rows, columns = tuple(rows), tuple(columns)
    highest = max(counts.values(), default=0)

    def cell(row: str, column: str) -> Cell | None:
        count = counts[row, column]
        if row == column and not count:
            return None
        return Cell(count=count, href=link(path, **{row_name: row, column_name: column}), level=_level(count, highest))

    def total(of: str, name: str, members: Iterable[tuple[str, str]], cells: tuple[Cell | None, ...]) -> Row:
        whole = Cell(count=sum(counts[pair] for pair in members), href=link(path, **{name: of}))
        return Row(key=of, name=_name(of), colour=(colour or {}).get(of, 0), cells=cells, total=whole)

    return Table(
        columns=tuple(total(column, column_name, [(row, column) for row in rows], ()) for column in columns),
        rows=tuple(
            total(row, row_name, [(row, column) for column in columns], tuple(cell(row, column) for column in columns)) for row in rows
        ),
        total=Cell(count=counts.total(), href=path),
    )


def _level(count: int, highest: int) -> int:
    return ceil(HEAT_LEVELS * sqrt(count / highest)) if count else 0


def _name(code: str) -> str:
    return STAGES.get(code) or RUNGS.get(code) or AGES.get(code) or readable(code)


def _known(order: Mapping[str, str], seen: set[str]) -> tuple[str, ...]:
    return (*order, *sorted(seen - order.keys()))


def _sums(pairs: Iterable[tuple[Key, int]]) -> dict[Key, int]:
    sums: dict[Key, int] = {}
    for key, count in pairs:
        sums[key] = sums.get(key, 0) + count
    return sums


def _busiest(counts: Counter[Key]) -> tuple[Key, ...]:
    return tuple(sorted(counts, key=lambda key: (-counts[key], str(key))))
