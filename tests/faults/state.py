"""A hash of what a service keeps of others: two services that know the same have the same, whatever happened on the way.

State is what the copies say of cases. How they came to know it is not: places and statements, which belong to one log and its time;
the generation in which a fact was last sent; where in the log a record lies, and when it was set aside; when a case is looked at next,
which the clock worker moves by itself; a cell that counts nothing any more; and the order in which a set was written.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from sqlalchemy import Engine, text

from tests.faults import store
from tests.faults.ground import Platform

SCHEDULE = ("position", "statement")
"""Tables that say how far one is."""
BESIDE: Mapping[str, tuple[str, ...]] = {
    "watch": ("look_at",),
    "parked": ("log_offset", "parked_at", "headers"),
    "quarantine": ("id", "log_offset", "quarantined_at", "headers", "digest"),
}
"""By table, columns that are not state."""
Row = dict[str, Any]


def of(platform: Platform) -> dict[str, dict[str, str]]:
    """By service, and by table of its schema `copy`: how many rows, and a hash of all of them."""
    return {name: copies(engine) for name, engine in platform.engines.items()}


def copies(engine: Engine) -> dict[str, str]:
    """By table: how many rows, and a hash of all of them, in the order of their text."""
    found = {}
    with engine.connect() as connection:
        tables = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'copy' ORDER BY 1")).scalars().all()
        for table in tables:
            if table not in SCHEDULE:
                rows = connection.execute(text(f'SELECT to_jsonb(t) FROM copy."{table}" t')).scalars()
                ordered = sorted(json.dumps(row, sort_keys=True) for row in _state(table, rows))
                found[table] = f"{len(ordered)} rows {sha256(chr(10).join(ordered).encode()).hexdigest()[:16]}"
    return found


def differences(before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Each table that differs, in words."""
    return [
        f"{service}: copy.{table} was {said}, is {after[service].get(table)}"
        for service, tables in before.items()
        for table, said in tables.items()
        if after[service].get(table) != said
    ]


def said(platform: Platform) -> set[tuple[str, str]]:
    """Every event that is in an outbox, but for watches: whether one is blind is news of the moment."""
    return {(name, row.event_id) for name, engine in platform.engines.items() for row in store.outbox(engine) if ".watch." not in row.topic}


def _state(table: str, rows: Iterator[Row]) -> Iterator[Row]:
    for row in rows:
        if not table.endswith("_cell") or row["count"]:
            kept = {name: value for name, value in row.items() if name not in BESIDE.get(table, ())}
            yield _PLAIN[table](kept) if table in _PLAIN else kept


def _fact(row: Row) -> Row:
    """The headers, which PostgreSQL shows in hexadecimal, without the generation and where it began."""
    headers = json.loads(bytes.fromhex(row["headers"][2:]))
    return row | {"headers": [pair for pair in headers if pair[0] not in ("ce_generation", "ce_began")]}


def _sharing(row: Row) -> Row:
    return row | {"body": row["body"] | {name: sorted(row["body"][name]) for name in ("active", "asked")}}


def _view(row: Row) -> Row:
    """Who takes part in an import, and who has ended theirs, are sets."""
    imports = {one: {name: sorted(owners) for name, owners in told.items()} for one, told in row["body"]["imports"].items()}
    return row | {"body": row["body"] | {"imports": imports}}


_PLAIN: Mapping[str, Callable[[Row], Row]] = {"fact": _fact, "sharing": _sharing, "case_view": _view}
