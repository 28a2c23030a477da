"""Who can be told of alerts."""

from alembic import op

revision = "0009"
down_revision = "0008"

PERSON = """
CREATE TABLE own.person (
    id uuid PRIMARY KEY, version int NOT NULL, body jsonb NOT NULL,
    agency text NOT NULL GENERATED ALWAYS AS (body ->> 'agency') STORED,
    region text NOT NULL GENERATED ALWAYS AS (body ->> 'region') STORED,
    is_listed bool NOT NULL GENERATED ALWAYS AS ((body ->> 'is_listed')::bool) STORED
);
CREATE INDEX ON own.person (agency) WHERE is_listed;
CREATE INDEX ON own.person (region) WHERE is_listed;
"""


def upgrade() -> None:
    op.execute(PERSON)
