"""Aggregates of one table, loaded and saved as a set: the rows that a batch needs before it, the rows that it changed after it.

Every such table is `(id uuid PRIMARY KEY, version int NOT NULL, body jsonb NOT NULL, …columns generated from body)`: an aggregate is one
document, and what is searched for is a generated column beside it.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection, TextClause, text

from casebus.aggregate import Aggregate

A = TypeVar("A", bound=Aggregate)
_AS_NUMBER = attrgetter("int")
"""Ids compare faster so."""


class Shelf(Generic[A]):
    """`table` is schema-qualified; `lock` False for what only one consumer writes and others read.

    `get` returns what was loaded (and locked) or put; nothing is read one by one.
    """

    def __init__(self, connection: Connection, table: str, kind: type[A], *, lock: bool = True) -> None:
        self._connection, self._table = connection, table
        self._lock = "FOR UPDATE" if lock else ""
        self._form: TypeAdapter[A] = _form(kind)
        self._held: dict[UUID, A] = {}
        self._changed: set[UUID] = set()
        self._before: dict[UUID, A | None] = {}

    def unlock(self) -> None:
        """Load without locking."""
        self._lock = ""

    def load(self, where: str, values: Mapping[str, Any]) -> None:
        """Load and lock the rows `where` says, in the order of their ids, so that two batches never wait for each other in a ring."""
        rows = self._connection.execute(
            _statement(f"SELECT id, CAST(body AS text) FROM {self._table} WHERE {where} ORDER BY id {self._lock}"), values
        )
        for key, body in rows.all():
            if key not in self._held:
                self._held[key] = self._form.validate_json(body)

    def load_ids(self, ids: Iterable[UUID]) -> None:
        self.load("id = ANY(CAST(:ids AS uuid[]))", {"ids": sorted(set(ids), key=_AS_NUMBER)})

    def get(self, key: UUID) -> A | None:
        return self._held.get(key)

    def all(self) -> list[A]:
        """Everything that is held, in the order of the ids."""
        return [self._held[key] for key in sorted(self._held, key=_AS_NUMBER)]

    def put(self, aggregate: A) -> None:
        self._before.setdefault(aggregate.id, self._held.get(aggregate.id))
        self._held[aggregate.id] = aggregate
        self._changed.add(aggregate.id)

    def mark(self) -> None:
        """What is put from here on can be taken back."""
        self._before.clear()

    def undo(self) -> None:
        """Take back what was put since the mark: the command was refused."""
        for key, aggregate in self._before.items():
            if aggregate is None:
                del self._held[key]
                self._changed.discard(key)
            else:
                self._held[key] = aggregate
        self._before.clear()

    def save(self) -> None:
        """Write what was put, as one statement, in key order."""
        if not self._changed:
            return
        changed = [self._held[key] for key in sorted(self._changed, key=_AS_NUMBER)]
        self._connection.execute(
            _statement(
                f"INSERT INTO {self._table} (id, version, body) SELECT * FROM"
                " unnest(CAST(:ids AS uuid[]), CAST(:versions AS int[]), CAST(:bodies AS jsonb[]))"
                " ON CONFLICT (id) DO UPDATE SET version = excluded.version, body = excluded.body"
            ),
            {
                "ids": [a.id for a in changed],
                "versions": [a.version for a in changed],
                "bodies": [self._form.dump_json(a).decode() for a in changed],
            },
        )
        self._changed.clear()


@lru_cache(maxsize=256)
def _statement(sql: str) -> TextClause:
    """Read once: that costs as much as to run it."""
    return text(sql)


_FORMS: dict[type, TypeAdapter[Any]] = {}


def _form(kind: type[A]) -> TypeAdapter[A]:
    if kind not in _FORMS:
        _FORMS[kind] = TypeAdapter(kind)
    return _FORMS[kind]
