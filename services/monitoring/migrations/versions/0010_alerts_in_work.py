"""An alert in work, or put off, is open."""

from alembic import op

revision = "0010"
down_revision = "0009"

OPEN = """
ALTER TABLE own.alert DROP COLUMN is_open;
ALTER TABLE own.alert ADD COLUMN is_open bool NOT NULL
  GENERATED ALWAYS AS (body ->> 'state' NOT IN ('RESOLVED', 'AUTO_CLEARED')) STORED;
CREATE INDEX ON own.alert (region, rung) WHERE is_open;
CREATE INDEX ON own.alert (rule, rung) WHERE is_open;
"""


def upgrade() -> None:
    op.execute(OPEN)
