"""Intake's first tables."""

from alembic import op

from casebus.database import create_bus_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_bus_tables(op.execute)
    op.execute("CREATE TABLE own.case (id uuid PRIMARY KEY, version int NOT NULL, body jsonb NOT NULL)")
    op.execute("CREATE TABLE own.reference (agency text, reference text, case_id uuid NOT NULL, PRIMARY KEY (agency, reference))")
