"""Referral's first tables."""

from alembic import op

from casebus import sharing
from casebus.database import create_bus_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_bus_tables(op.execute)
    op.execute(sharing.DDL)
    op.execute(
        "CREATE TABLE own.referral (id uuid PRIMARY KEY, version int NOT NULL, body jsonb NOT NULL,"
        " case_id uuid NOT NULL GENERATED ALWAYS AS ((body->>'case_id')::uuid) STORED)"
    )
    op.execute("CREATE INDEX ON own.referral (case_id)")
    op.execute("CREATE TABLE own.service (id uuid PRIMARY KEY, version int NOT NULL, body jsonb NOT NULL)")
