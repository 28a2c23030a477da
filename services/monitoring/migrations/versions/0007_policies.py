"""Which cases are still to be looked at anew, because a policy was adopted."""

from alembic import op

revision = "0007"
down_revision = "0006"

WAVE = """
CREATE TABLE own.wave (
    since timestamptz NOT NULL, region text NOT NULL, after uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    PRIMARY KEY (since, region)
);
"""


def upgrade() -> None:
    op.execute(WAVE)
