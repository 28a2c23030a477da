"""Rows sorted by case on disk, so that a file of any size is planned case by case in little memory. Gone when it is closed."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory

from continuum.eventlog.table import Row

BATCH = 5000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Spool:
    """Rows go in as they are read, and come out case by case, each case's by time."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.execute(
            "CREATE TABLE told (line INTEGER PRIMARY KEY, name TEXT, activity TEXT, at INTEGER, agency TEXT, actor TEXT, due TEXT)"
        )
        database.execute("CREATE TABLE broken (name TEXT PRIMARY KEY) WITHOUT ROWID")

    def take(self, rows: Iterable[Row]) -> None:
        stream = iter(rows)
        while batch := list(islice(stream, BATCH)):
            self._database.executemany("INSERT INTO told VALUES (?, ?, ?, ?, ?, ?, ?)", map(_packed, batch))
        self._database.execute("CREATE INDEX by_case ON told (name, at, line)")

    def leave_out(self, case: str) -> None:
        """A row of this case can't be used: what its others would say is not to be trusted."""
        self._database.execute("INSERT OR IGNORE INTO broken VALUES (?)", (case,))

    def count(self) -> int:
        """How many cases there are."""
        [(found,)] = self._database.execute("SELECT count(DISTINCT name) FROM told")
        return int(found)

    def latest(self) -> datetime | None:
        """Of all rows; None where there are none."""
        [(at,)] = self._database.execute("SELECT max(at) FROM told")
        return None if at is None else _EPOCH + at * _MICROSECOND

    def cases(self) -> Iterator[list[Row]]:
        """Each case's rows; of one moment in the order of their lines."""
        found = self._database.execute(
            "SELECT line, name, activity, at, agency, actor, due FROM told"
            " WHERE NOT EXISTS (SELECT 1 FROM broken WHERE broken.name = told.name) ORDER BY name, at, line"
        )
        for _, rows in groupby(map(_unpacked, found), key=attrgetter("case")):
            yield list(rows)


@contextmanager
def spool() -> Iterator[Spool]:
    """In a folder that only its owner may read."""
    with TemporaryDirectory(prefix="continuum-import-") as folder:
        database = sqlite3.connect(Path(folder) / "rows.sqlite", isolation_level=None)
        try:
            yield Spool(database)
        finally:
            database.close()


def _packed(row: Row) -> tuple[int, str, str, int, str, str | None, str | None]:
    due = row.due.isoformat() if row.due else None
    return row.line, row.case, row.activity, (row.at - _EPOCH) // _MICROSECOND, row.agency, row.actor, due


def _unpacked(found: tuple[int, str, str, int, str, str | None, str | None]) -> Row:
    line, case, activity, at, agency, actor, due = found
    return Row(line, case, activity, _EPOCH + at * _MICROSECOND, agency, actor, date.fromisoformat(due) if due else None)
