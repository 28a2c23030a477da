"""Stating many events looks up what was heard of each subject by itself."""

from alembic import op

from casebus.database import upgrade_bus_tables

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    upgrade_bus_tables(op.execute, 8)
