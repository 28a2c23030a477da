"""Which events are sent is known by own.sent alone: the marks go."""

from alembic import op

from casebus.database import upgrade_bus_tables

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    upgrade_bus_tables(op.execute, 10)
