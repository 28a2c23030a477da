"""Which events are sent is kept beside them."""

from alembic import op

from casebus.database import upgrade_bus_tables

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    upgrade_bus_tables(op.execute, 9)
