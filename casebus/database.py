"""A service's database: the engine, the bus's tables, and what a failed connection means."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from select import POLLIN, poll
from struct import Struct
from typing import Any
from uuid import UUID

from psycopg import Error
from psycopg.abc import Buffer
from psycopg.adapt import PyFormat
from psycopg.errors import IdleInTransactionSessionTimeout, ReadOnlySqlTransaction, TransactionTimeout
from psycopg.postgres import types
from psycopg.pq import Format
from psycopg.types.array import BaseListDumper, ListDumper
from sqlalchemy import URL, Dialect, Engine, create_engine, make_url
from sqlalchemy.event import listen
from sqlalchemy.exc import InterfaceError, InternalError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

SQL = Path(__file__).parent / "sql"
SERVICE_ROLE_RIGHTS = """
GRANT USAGE ON SCHEMA own, copy TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA own, copy TO {role};
GRANT TRUNCATE ON ALL TABLES IN SCHEMA copy TO {role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA own, copy TO {role};
REVOKE INSERT, UPDATE, DELETE ON own.timebase FROM {role};
GRANT UPDATE (floor) ON own.timebase TO {role};
REVOKE INSERT, DELETE ON own.sent FROM {role};
"""


BY_KEY = "-c enable_seqscan=off -c enable_mergejoin=off"
"""Our statements find their rows by a key. A session plans a prepared one once, until its tables are analysed again: planned while a table
is young it would go on to read it whole, though a hundred thousand rows have come since."""


SILENCE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
"""A server that the network lost is given up after 25 s (libpq; the last in milliseconds): else its answer is waited for for hours."""


_HEAD, _LENGTH, _MOMENT = Struct(">5i").pack, Struct(">i").pack, Struct(">iq").pack
_SIXTEEN = _LENGTH(16)
_BEGIN = datetime(2000, 1, 1, tzinfo=UTC)


class BytesLists(ListDumper):
    """Lists of bytes in PostgreSQL's binary format: as text they are twice as long, and both sides look at each letter."""

    format = Format.BINARY
    oid = types["bytea"].array_oid

    def dump(self, obj: list[Any]) -> Buffer | None:
        head = _HEAD(1, 0, types["bytea"].oid, len(obj), 1)  # one dimension, no nulls, counted from 1
        return b"".join([head, *[part for each in obj for part in (_LENGTH(len(each)), each)]])


class IdLists(ListDumper):
    """Lists of ids in the same way."""

    format = Format.BINARY
    oid = types["uuid"].array_oid

    def dump(self, obj: list[Any]) -> Buffer | None:
        head = _HEAD(1, 0, types["uuid"].oid, len(obj), 1)
        return head + b"".join([_SIXTEEN + each.int.to_bytes(16) for each in obj])


class TimeLists(ListDumper):
    """Lists of aware times, as microseconds since 2000."""

    format = Format.BINARY
    oid = types["timestamptz"].array_oid

    def dump(self, obj: list[Any]) -> Buffer | None:
        head = _HEAD(1, 0, types["timestamptz"].oid, len(obj), 1)
        passed = [each - _BEGIN for each in obj]
        return head + b"".join([_MOMENT(8, (each.days * 86_400 + each.seconds) * 1_000_000 + each.microseconds) for each in passed])


_BINARY: dict[frozenset[type], type[ListDumper]] = {
    frozenset({bytes}): BytesLists,
    frozenset({UUID}): IdLists,
    frozenset({datetime}): TimeLists,
}


class PlainLists(ListDumper):
    """Lists of numbers and texts as PostgreSQL writes them, in a few joins: psycopg's own way looks at each element."""

    def get_key(self, obj: list[Any], format: PyFormat) -> Any:
        return _BINARY.get(frozenset(map(type, obj))) or super().get_key(obj, format)

    def upgrade(self, obj: list[Any], format: PyFormat) -> BaseListDumper:
        binary = _BINARY.get(frozenset(map(type, obj)))
        return binary(list) if binary else super().upgrade(obj, format)

    def dump(self, obj: list[Any]) -> Buffer | None:
        kinds = set(map(type, obj))
        if kinds == {int}:
            return ("{" + ",".join(map(str, obj)) + "}").encode()
        if kinds == {str} and (joined := "\0".join(obj)).count("\0") == len(obj) - 1:  # no text of PostgreSQL holds a NUL
            return ('{"' + joined.replace("\\", "\\\\").replace('"', '\\"').replace("\0", '","') + '"}').encode()
        return super().dump(obj)


def planned_once(name: str, kind: str) -> str:
    """The array of this name, as SQL that hides its length: where a plan knows it, a session plans each time (PostgreSQL, PREPARE, Notes).

    A plan for a length that is known seems better than one for any. For what is done a hundred times a second planning took longer than it.
    """
    return f"(SELECT CAST(:{name} AS {kind}))"


def connect(url: str, *, pool: int = 12) -> Engine:
    """An engine in READ COMMITTED (casebus/sql needs it) and UTC. No error shows what was sent.

    A server that was restarted is no error; one that vanished without a word is (`unavailable`), once `SILENCE` or its network says so.
    The session that was used last is used next: its plans are made, and what it read is at hand.
    """
    engine = _engine(make_url(url), pool_size=pool, max_overflow=4, pool_timeout=5, pool_use_lifo=True)
    listen(engine, "checkout", partial(_must_live, engine.dialect))
    return engine


def _must_live(dialect: Dialect, connection: Any, *_: object) -> None:
    """A session at rest has nothing to say but its end: only one that said something is asked whether it lives, which is a round trip."""
    news = poll()
    try:
        news.register(connection.fileno(), POLLIN)
        if news.poll(0):
            dialect.do_ping(connection)
    except Error as error:
        raise InvalidatePoolError from error


def impatient(engine: Engine, *, connections: int, lock_milliseconds: int) -> Engine:
    """For whoever has another way: a lock comes in time or is an error, and so is the first use after the server's restart."""
    return _engine(engine.url, f"-c lock_timeout={lock_milliseconds}", pool_size=connections, max_overflow=0)


def _engine(url: URL, options: str = "", **pool: Any) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        isolation_level="READ COMMITTED",
        connect_args={
            "client_encoding": "utf8",
            "options": f"-c timezone=utc {BY_KEY} {options}",
            "connect_timeout": 5,
            "application_name": "continuum",
            **SILENCE,
        },
        **pool,
    )
    listen(engine, "connect", lambda connection, _: connection.adapters.register_dumper(list, PlainLists))
    return engine


_AWAY = (OperationalError, InterfaceError, PoolTimeout)
_AWAY_TOO = (IdleInTransactionSessionTimeout, TransactionTimeout, ReadOnlySqlTransaction)
"""The server ended the session itself, or takes no writing just now (another one has yet to take over from it): mistakes, to psycopg."""
FAILURES = (*_AWAY, InternalError)
"""What `unavailable` has to be asked about."""


def unavailable(error: Exception) -> bool:
    """Whether the database is away: it can't be reached, or can't write now (disk full, read only, all connections used)."""
    return isinstance(error, _AWAY) or (isinstance(error, InternalError) and isinstance(error.orig, _AWAY_TOO))


def create_bus_tables(execute: Callable[[str], object], *, tracks: tuple[str, ...] = ("own", "copy")) -> None:
    """For a service's first migration: the bus's own tables, and one set for each of its tracks."""
    execute((SQL / "bus_v1.sql").read_text())
    for track in tracks:
        execute((SQL / "track_v1.sql").read_text().replace("{schema}", track))


def upgrade_bus_tables(execute: Callable[[str], object], version: int) -> None:
    """For a later migration of a service: what the version adds to the bus's tables."""
    execute((SQL / f"bus_v{version}.sql").read_text())


def grant(execute: Callable[[str], object], role: str) -> None:
    """Rights of the service's role after a migration: everything in its tables but the base of system time; what is sent stays one row."""
    execute(SERVICE_ROLE_RIGHTS.format(role=role))
