"""Makes a service's copies again: everything that it keeps of others is emptied, and read again from Kafka from the beginning."""

from time import sleep

from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

KEPT = ("position", "quarantine", "statement")
"""Emptied otherwise than the rest: places go to where the generation began, what was discarded stays so, what owners stated stays true."""
TRIES = 100
PAUSE_SECONDS = 0.1


def rebuild(engine: Engine) -> None:
    """Empty schema `copy` in one transaction. A consumer that runs notices within a second, one that is stopped at its start.

    Until it has read everything the copies are incomplete: watermarks stand still, so no clock is decided, and commands may answer 404.
    It gives way to whoever reads the copies just now, and tries again; what the database says last is raised when that never ends.
    """
    for left in reversed(range(TRIES)):
        try:
            with engine.begin() as connection:
                return _empty(connection)
        except OperationalError as error:
            if not left or not isinstance(error.orig, LockNotAvailable):
                raise
        sleep(PAUSE_SECONDS)
    return None


def _empty(connection: Connection) -> None:
    connection.execute(text("SET LOCAL lock_timeout = '10s'"))
    connection.execute(text("LOCK TABLE copy.position IN ACCESS EXCLUSIVE MODE"))  # as a batch does: first the places
    names = connection.execute(
        text("SELECT tablename FROM pg_tables WHERE schemaname = 'copy' AND tablename <> ALL (:kept) ORDER BY 1"), {"kept": list(KEPT)}
    ).scalars()
    # Requests read the tables in orders of their own. Less than the second after which the server ends one of those that wait in a circle.
    connection.execute(text("SET LOCAL lock_timeout = '300ms'"))
    connection.execute(text("TRUNCATE " + ", ".join(f'copy."{name}"' for name in names)))
    connection.execute(text("DELETE FROM copy.quarantine WHERE state <> 'DISCARDED'"))
    connection.execute(text("UPDATE copy.position SET next = began"))
