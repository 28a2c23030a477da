"""A service's PostgreSQL in memory, as far as the bus relies on it: READ COMMITTED, row locks, transaction numbers, one advisory lock.

Nothing here knows a rule of the bus: statements.py says what each of its SQL statements does.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import TextClause

from tests.model.statements import STATEMENTS, Key, Meaning, Result, Values

LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


class SessionLost(Exception):
    """The server ended the session, as it does with one that idles, or the process is gone."""


class Blocked(Exception):
    """Another transaction holds the row; the wait for it ended by its time-out."""


@cache
def _meaning(sql: str) -> Meaning:
    for part, meaning in STATEMENTS.items():
        if part in sql:
            return meaning
    raise NotImplementedError(f"say in tests/model/statements.py what this does: {sql}")


class Database:
    """Tables are dicts by key. `clock` is what the machine's clock would say; only the test moves it."""

    def __init__(self, owner: str, clock: datetime) -> None:
        self.owner, self.clock = owner, clock
        self.tables: dict[str, dict[Key, Any]] = {"timebase": {(): LONG_AGO}}
        self.locks: dict[tuple[str, Key], Session] = {}
        self.running: dict[int, Session] = {}
        self.next_number = 1
        self.next_id = 1
        self.claimed_by: Session | None = None
        self.before_statement: Callable[[str], None] = lambda _: None
        """What happens meanwhile, or to the one who asks; it gets the statement's name."""
        self.holds_commits = False
        """The next transaction of an engine stays open; it is in `held`."""
        self.held: list[Session] = []
        self.bounds: Callable[[str], list[tuple[int, int]]] = lambda _: []
        """What the broker says of a topic, for a reader that trusts it too much."""
        self.complaints: list[str] = []
        """What was applied and should not have been: the consumer would retry an exception."""

    def table(self, name: str) -> dict[Key, Any]:
        """What is committed."""
        return self.tables.setdefault(name, {})

    def next_row(self) -> int:
        """As an identity column counts: it knows no transaction."""
        self.next_id += 1
        return self.next_id - 1

    @property
    def xmin(self) -> int:
        return min(self.running, default=self.next_number)

    def connect(self) -> "Session":
        return Session(self)

    @contextmanager
    def begin(self) -> Iterator["Session"]:
        session = self.connect()
        try:
            yield session
            if self.holds_commits:
                self.held.append(session)
            else:
                session.commit()
        except BaseException:
            session.rollback()
            raise


class Session:
    """A session with one transaction after another."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.number: int | None = None
        self._written: dict[tuple[str, Key], Any] = {}
        self._alive = True
        self._commits = False

    def execution_options(self, *, isolation_level: str) -> None:
        assert isolation_level == "AUTOCOMMIT"
        self._commits = True

    def execute(self, statement: TextClause, values: Values | None = None) -> Result:
        meaning = _meaning(statement.text)
        self._must_live(meaning.__name__)
        found = meaning(self, values or {})
        if self._commits:
            self.commit()
        return found

    def _must_live(self, name: str) -> None:
        if self._alive:
            self.database.before_statement(name)
        if not self._alive:
            raise SessionLost

    def take_number(self) -> int:
        """The transaction's number, as its first write or pg_current_xact_id() gives it."""
        if self.number is None:
            self.number = self.database.next_number
            self.database.next_number += 1
            self.database.running[self.number] = self
        return self.number

    def get(self, table: str, *key: Any) -> Any:
        written = self._written.get((table, key), self)
        return self.database.table(table).get(key) if written is self else written

    def rows(self, table: str) -> dict[Key, Any]:
        """What this transaction sees."""
        seen = dict(self.database.table(table))
        for (name, key), value in self._written.items():
            if name == table:
                seen[key] = value
        return {key: value for key, value in seen.items() if value is not None}

    def lock(self, table: str, *key: Any) -> None:
        if self.database.locks.setdefault((table, key), self) is not self:
            raise Blocked(f"{table} {key}")

    def is_locked(self, table: str, *key: Any) -> bool:
        """By another one."""
        return self.database.locks.get((table, key), self) is not self

    def put(self, table: str, key: Key, value: Any) -> None:
        """None deletes."""
        self.take_number()
        self.lock(table, *key)
        self._written[table, key] = value

    def commit(self) -> None:
        self._must_live("commit")
        for (table, key), value in self._written.items():
            if value is None:
                self.database.table(table).pop(key, None)
            else:
                self.database.table(table)[key] = value
        self._end()

    def rollback(self) -> None:
        self._end()

    def _end(self) -> None:
        self._written.clear()
        self.database.running.pop(self.number or 0, None)
        self.database.locks = {place: holder for place, holder in self.database.locks.items() if holder is not self}
        self.number = None

    def close(self) -> None:
        self._end()

    def invalidate(self) -> None:
        self.lose()

    def lose(self) -> None:
        """The session ends: its transaction is rolled back, its claim is free."""
        self._end()
        self._alive = False
        if self.database.claimed_by is self:
            self.database.claimed_by = None
