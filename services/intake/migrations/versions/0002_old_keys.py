"""Idempotency keys are found by their age."""

from alembic import op

from casebus.database import upgrade_bus_tables

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    upgrade_bus_tables(op.execute, 2)
