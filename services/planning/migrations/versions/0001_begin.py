"""Planning's first tables."""

from alembic import op

from casebus import sharing
from casebus.database import create_bus_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_bus_tables(op.execute)
    op.execute("CREATE TABLE own.plan (id uuid PRIMARY KEY, version int NOT NULL, body jsonb NOT NULL)")
    op.execute(sharing.DDL)
