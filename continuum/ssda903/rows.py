"""Rows of one CSV file of the return: cells by column name, and what is wrong named by file, line and column, never by its value."""

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Protocol, TypeVar

T = TypeVar("T")

_DATE = re.compile(r"(\d{2})/(\d{2})/(\d{4})")
_CHILD = re.compile(r"[A-Za-z0-9][A-Za-z0-9/_-]{0,31}")
_FIRST_YEAR = 1900


class Problem(StrEnum):
    """What is wrong with a row, or why it is not imported; the value says what to do."""

    FILE_MISSING = "the year has other files but not this one: add it"
    FILE_UNREADABLE = "the file can't be read as CSV from this line on: save it as UTF-8 CSV"
    COLUMN_MISSING = "the column is missing: the file is left out"
    ROW_WIDTH = "the row has more or fewer cells than the header: correct it"
    CHILD_MISSING = "the child's number is missing: fill it in"
    CHILD_MALFORMED = "the child's number is not 1 to 32 letters and digits: correct it"
    DATE_MISSING = "the date is missing: fill it in"
    DATE_MALFORMED = "not a date of the form dd/mm/yyyy: correct it"
    CODE_UNKNOWN = "the code is not one of the return's: correct it"
    ENDS_BEFORE_IT_BEGINS = "the end is earlier than the beginning: correct one of them"
    CHILD_UNKNOWN = "the child has no episode in the return: there is no case to put it on"
    IN_THE_FUTURE = "later than the end of the history: not imported"
    ENDS_IN_THE_FUTURE = "ends later than the end of the history: taken as still open"


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Spot:
    """Where something stands: a file of the return (its name) and a line (1 is the header, 0 the file as a whole)."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """One thing that was not imported as it stands; its text holds no value of the row."""

    spot: Spot
    column: str | None = None
    problem: Problem

    def __str__(self) -> str:
        return f"{self.spot}: {self.column + ': ' if self.column else ''}{self.problem.value}"


class _Reader(Protocol):
    """What csv.reader gives."""

    @property
    def line_num(self) -> int: ...

    def __iter__(self) -> Iterator[list[str]]: ...


class BadCell(Exception):
    """A cell can't be read; carries the column and the problem, not the value."""

    def __init__(self, column: str, problem: Problem) -> None:
        super().__init__(column, problem.name)
        self.column, self.problem = column, problem


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row: its cells by column, stripped, and where it stands."""

    spot: Spot
    cells: Mapping[str, str]

    def child(self) -> str:
        """The child's number in the return; raises BadCell."""
        text = self.cells["CHILD"]
        if not text:
            raise BadCell("CHILD", Problem.CHILD_MISSING)
        if not _CHILD.fullmatch(text):
            raise BadCell("CHILD", Problem.CHILD_MALFORMED)
        return text

    def day(self, column: str) -> date:
        """The date dd/mm/yyyy of a column that must have one; raises BadCell."""
        found = self.day_or_none(column)
        if found is None:
            raise BadCell(column, Problem.DATE_MISSING)
        return found

    def day_or_none(self, column: str) -> date | None:
        """The date dd/mm/yyyy of a column, None where it is empty; raises BadCell."""
        text = self.cells[column]
        if not text:
            return None
        parts = _DATE.fullmatch(text)
        if parts is None or int(parts[3]) < _FIRST_YEAR:
            raise BadCell(column, Problem.DATE_MALFORMED)
        try:
            return date(int(parts[3]), int(parts[2]), int(parts[1]))
        except ValueError:
            raise BadCell(column, Problem.DATE_MALFORMED) from None

    def code(self, column: str, known: Mapping[str, object] | frozenset[str]) -> str:
        """A code that must be one of `known`; raises BadCell."""
        text = self.cells[column]
        if text not in known:
            raise BadCell(column, Problem.CODE_UNKNOWN)
        return text


def read_table(path: Path, columns: tuple[str, ...], parse: Callable[[Row], T], remarks: list[Remark]) -> list[T]:
    """What `parse` makes of each row of a file that has these columns; a row it can't read becomes a remark and the rest goes on."""
    found: list[T] = []
    for row in _rows(path, columns, remarks):
        try:
            found.append(parse(row))
        except BadCell as bad:
            remarks.append(Remark(spot=row.spot, column=bad.column, problem=bad.problem))
    return found


def _rows(path: Path, columns: tuple[str, ...], remarks: list[Remark]) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file)
        try:
            names = [name.strip().upper() for name in next(reader, [])]
            missing = [column for column in columns if names.count(column) != 1]
            remarks.extend(Remark(spot=Spot(file=path.name, line=1), column=column, problem=Problem.COLUMN_MISSING) for column in missing)
            if not missing:
                yield from _cells(path.name, names, reader, remarks)
        except csv.Error:
            remarks.append(Remark(spot=Spot(file=path.name, line=reader.line_num), problem=Problem.FILE_UNREADABLE))


def _cells(file: str, names: list[str], reader: "_Reader", remarks: list[Remark]) -> Iterator[Row]:
    for cells in reader:
        spot = Spot(file=file, line=reader.line_num)
        if len(cells) == len(names):
            yield Row(spot=spot, cells={name: cell.strip() for name, cell in zip(names, cells, strict=True)})
        elif cells:
            remarks.append(Remark(spot=spot, problem=Problem.ROW_WIDTH))
