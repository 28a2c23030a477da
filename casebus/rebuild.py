"""Makes a service's copies again: everything that it keeps of others is emptied, and read again from Kafka from the beginning."""

from sqlalchemy import Engine, text

KEPT = ("position", "quarantine", "statement")
"""Emptied otherwise than the rest: places go to zero, what a person discarded stays discarded, and what owners stated stays true."""


def rebuild(engine: Engine) -> None:
    """Empty schema `copy` in one transaction. A consumer that runs notices within a second, one that is stopped at its start.

    Until it has read everything the copies are incomplete: watermarks stand still, so no clock is decided, and commands may answer 404.
    """
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE copy.position IN ACCESS EXCLUSIVE MODE"))  # as a batch does: first the places
        names = connection.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'copy' AND tablename <> ALL (:kept) ORDER BY 1"), {"kept": list(KEPT)}
        ).scalars()
        connection.execute(text("TRUNCATE " + ", ".join(f'copy."{name}"' for name in names)))
        connection.execute(text("DELETE FROM copy.quarantine WHERE state <> 'DISCARDED'"))
        connection.execute(text("UPDATE copy.position SET next = 0"))
