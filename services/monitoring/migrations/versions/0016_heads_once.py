"""The head of a subject is written once for an event, not twice."""

from alembic import op

from casebus.database import upgrade_bus_tables

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    upgrade_bus_tables(op.execute, 6)
