"""Monitoring's first tables."""

from alembic import op

from casebus import sharing, watermark
from casebus.database import create_bus_tables

revision = "0001"
down_revision = None

OWN = """
CREATE TABLE own.care (id uuid PRIMARY KEY, version int NOT NULL, body jsonb NOT NULL);
CREATE TABLE own.follow_up (
    id uuid PRIMARY KEY, version int NOT NULL, body jsonb NOT NULL,
    case_id uuid NOT NULL GENERATED ALWAYS AS ((body ->> 'case_id')::uuid) STORED,
    is_open bool NOT NULL GENERATED ALWAYS AS (body ->> 'done_at' IS NULL AND NOT (body ->> 'cancelled')::bool) STORED
);
CREATE INDEX ON own.follow_up (case_id);
CREATE TABLE own.alert (
    id uuid PRIMARY KEY, version int NOT NULL, body jsonb NOT NULL,
    case_id uuid NOT NULL GENERATED ALWAYS AS ((body ->> 'case_id')::uuid) STORED,
    region text NOT NULL GENERATED ALWAYS AS (body ->> 'region') STORED,
    agency text NOT NULL GENERATED ALWAYS AS (body ->> 'agency') STORED,
    rule text NOT NULL GENERATED ALWAYS AS (body ->> 'rule') STORED,
    rung text NOT NULL GENERATED ALWAYS AS (body ->> 'rung') STORED,
    is_open bool NOT NULL GENERATED ALWAYS AS (body ->> 'state' IN ('RAISED', 'ACKNOWLEDGED')) STORED
);
CREATE INDEX ON own.alert (case_id);
CREATE INDEX ON own.alert (region, rung) WHERE is_open;
CREATE TABLE own.decision (id uuid PRIMARY KEY, decided_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE own.blindness (owner text PRIMARY KEY, since timestamptz NOT NULL);
"""
COPY = """
CREATE TABLE copy.fact (
    case_id uuid, owner text, case_seq int, recorded_at timestamptz NOT NULL, headers bytea NOT NULL, value bytea NOT NULL,
    PRIMARY KEY (case_id, owner, case_seq)
);
CREATE TABLE copy.watch (case_id uuid PRIMARY KEY, part int NOT NULL, look_at timestamptz);
CREATE INDEX ON copy.watch (part, look_at) WHERE look_at IS NOT NULL;
CREATE TABLE copy.case_view (
    id uuid PRIMARY KEY, version int NOT NULL, body jsonb NOT NULL,
    region text NOT NULL GENERATED ALWAYS AS (body ->> 'region') STORED,
    holder text NOT NULL GENERATED ALWAYS AS (body ->> 'holder') STORED,
    stage text NOT NULL GENERATED ALWAYS AS (body ->> 'stage') STORED
);
CREATE INDEX ON copy.case_view (region, holder, stage);
CREATE TABLE copy.stock_cell (region text, holder text, stage text, count int NOT NULL, PRIMARY KEY (region, holder, stage));
CREATE TABLE copy.flow_cell (
    region text, from_agency text, to_agency text, count int NOT NULL, PRIMARY KEY (region, from_agency, to_agency)
);
CREATE TABLE copy.hand_off (
    case_id uuid, number int, region text NOT NULL, from_agency text NOT NULL, to_agency text NOT NULL, at timestamptz NOT NULL,
    PRIMARY KEY (case_id, number)
);
CREATE INDEX ON copy.hand_off (region, from_agency, to_agency, at);
"""


def upgrade() -> None:
    create_bus_tables(op.execute)
    op.execute(sharing.DDL)
    op.execute(watermark.DDL)
    op.execute(OWN)
    op.execute(COPY)
