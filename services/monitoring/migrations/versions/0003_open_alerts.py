"""The open alerts of each rule and rung, counted without reading the alerts."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("CREATE INDEX ON own.alert (rule, rung) WHERE is_open")
