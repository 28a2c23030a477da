"""What was heard of a case is found in one look."""

from alembic import op

from casebus.database import upgrade_bus_tables

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    upgrade_bus_tables(op.execute, 5)
