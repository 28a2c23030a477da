"""The alerts of a rung that have waited longest, without reading the others."""

from alembic import op

revision = "0012"
down_revision = "0011"

OLDEST = """
CREATE INDEX ON own.alert (region, rung, (body ->> 'raised_at'), id) WHERE is_open;
DROP INDEX own.alert_region_rung_idx;
"""


def upgrade() -> None:
    op.execute(OLDEST)
