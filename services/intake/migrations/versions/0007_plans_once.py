"""Stating an event is planned once in a session, and numbers it by the head as it was written."""

from alembic import op

from casebus.database import upgrade_bus_tables

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    upgrade_bus_tables(op.execute, 7)
