"""System time: the time in which duties, grace and ladders are counted. Everything technical (timeouts, tokens, retries) is in real time.

In production it is the real time. A demo or a test steps it, in every database, as the database's owner: a service's role may not.
"""

from datetime import datetime

from sqlalchemy import Connection, text

_NOW = text("SELECT own.system_time()")


def system_time(connection: Connection) -> datetime:
    """The database's system time, aware, in UTC."""
    found: datetime = connection.execute(_NOW).scalar_one()
    return found


def step_to(connection: Connection, moment: datetime) -> None:
    """Let system time go on from `moment`, at its natural rate. It never goes back below the floor that was already promised to readers.

    Needs the rights of the database's owner; refused by PostgreSQL for the service's role.
    """
    connection.execute(text("UPDATE own.timebase SET base = :moment, since = clock_timestamp()"), {"moment": moment})


def floor(connection: Connection) -> datetime | None:
    """The greatest moment below which nothing will be recorded any more; None before the first barrier."""
    found: datetime | None = connection.execute(text("SELECT nullif(floor, '-infinity') FROM own.timebase")).scalar_one()
    return found


def annotate(connection: Connection, note: str | None) -> None:
    """What whoever steps the time wants the board to say of it, as a code ("HISTORY_OVER"). Needs the rights of the database's owner."""
    connection.execute(text("UPDATE own.timebase SET note = :note"), {"note": note})


def note(connection: Connection) -> str | None:
    found: str | None = connection.execute(text("SELECT note FROM own.timebase")).scalar_one()
    return found
