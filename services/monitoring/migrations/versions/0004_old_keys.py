"""Idempotency keys are found by their age."""

from alembic import op

from casebus.database import upgrade_bus_tables

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    upgrade_bus_tables(op.execute, 2)
