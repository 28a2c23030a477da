"""Aggregates of one table, loaded and saved as a set: the rows that a batch needs before it, the rows that it changed after it.

Every such table is `(id uuid PRIMARY KEY, version int NOT NULL, body jsonb NOT NULL, …columns generated from body)`: an aggregate is one
document, and what is searched for is a generated column beside it.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection, TextClause, text

from casebus.aggregate import Aggregate

A = TypeVar("A", bound=Aggregate)
_AS_NUMBER, _ID_AS_NUMBER = attrgetter("int"), attrgetter("id.int")
"""Ids compare faster so."""


class Rows(NamedTuple):
    """Aggregates as the rows of their table."""

    table: str
    ids: list[UUID]
    versions: list[int]
    bodies: list[str]


class _Place(Generic[A]):
    """What is held under one id: None where it was put and taken back."""

    __slots__ = ("changed", "holds")

    def __init__(self, holds: A | None) -> None:
        self.holds, self.changed = holds, False


class Shelf(Generic[A]):
    """`table` is schema-qualified; `lock` False for what only one consumer writes and others read.

    `get` returns what was loaded (and locked) or put; nothing is read one by one.
    """

    def __init__(self, connection: Connection, table: str, kind: type[A], *, lock: bool = True) -> None:
        self._connection, self._table = connection, table
        self._lock = "FOR UPDATE" if lock else ""
        self._form: TypeAdapter[A] = _form(kind)
        self._places: dict[UUID, _Place[A]] = {}
        self._marked: list[tuple[_Place[A], A | None]] = []

    def unlock(self) -> None:
        """Load without locking."""
        self._lock = ""

    def load(self, where: str, values: Mapping[str, Any]) -> None:
        """Load and lock the rows `where` says, in the order of their ids, so that two batches never wait for each other in a ring."""
        rows = self._connection.execute(
            _statement(f"SELECT id, CAST(body AS text) FROM {self._table} WHERE {where} ORDER BY id {self._lock}"), values
        )
        for key, body in rows.all():
            if self.get(key) is None:
                self._places[key] = _Place(self._form.validate_json(body))

    def load_ids(self, ids: Iterable[UUID]) -> None:
        if wanted := sorted(set(ids), key=_AS_NUMBER):
            self.load("id = ANY(CAST(:ids AS uuid[]))", {"ids": wanted})

    def get(self, key: UUID) -> A | None:
        place = self._places.get(key)
        return None if place is None else place.holds

    def all(self) -> list[A]:
        """Everything that is held, in the order of the ids."""
        return sorted((place.holds for place in self._places.values() if place.holds is not None), key=_ID_AS_NUMBER)

    def put(self, aggregate: A) -> None:
        key = aggregate.id
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = _Place(None)
        self._marked.append((place, place.holds))
        place.holds, place.changed = aggregate, True

    def mark(self) -> None:
        """What is put from here on can be taken back."""
        self._marked.clear()

    def undo(self) -> None:
        """Take back what was put since the mark: the command was refused."""
        while self._marked:
            place, before = self._marked.pop()
            place.holds = before

    def unsaved(self) -> Rows:
        """What was put, as the rows that `save` writes, in key order."""
        changed = sorted((place.holds for place in self._places.values() if place.changed and place.holds is not None), key=_ID_AS_NUMBER)
        bodies = [self._form.dump_json(a).decode() for a in changed]
        return Rows(self._table, [a.id for a in changed], [a.version for a in changed], bodies)

    def save(self) -> None:
        """Write what was put, as one statement, in key order."""
        rows = self.unsaved()
        if not rows.ids:
            return
        self._connection.execute(
            _statement(
                f"INSERT INTO {self._table} (id, version, body) SELECT * FROM"
                " unnest(CAST(:ids AS uuid[]), CAST(:versions AS int[]), CAST(:bodies AS jsonb[]))"
                " ON CONFLICT (id) DO UPDATE SET version = excluded.version, body = excluded.body"
            ),
            {"ids": rows.ids, "versions": rows.versions, "bodies": rows.bodies},
        )
        for place in self._places.values():
            place.changed = False


@lru_cache(maxsize=256)
def _statement(sql: str) -> TextClause:
    """Read once: that costs as much as to run it."""
    return text(sql)


_FORMS: dict[type, TypeAdapter[Any]] = {}


def _form(kind: type[A]) -> TypeAdapter[A]:
    if kind not in _FORMS:
        _FORMS[kind] = TypeAdapter(kind)
    return _FORMS[kind]
