"""What a service states of a case is recorded after all that it has heard of it, whatever the clocks say."""

from alembic import op

from casebus.database import upgrade_bus_tables

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    upgrade_bus_tables(op.execute, 4)
