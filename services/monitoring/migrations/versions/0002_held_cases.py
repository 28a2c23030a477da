"""The cases whose clocks are held, in one place; and the index for whose cases somebody sees."""

from alembic import op

revision = "0002"
down_revision = "0001"

HELD = """
CREATE VIEW own.held_case AS
    SELECT subject AS case_id FROM copy.parked
    UNION ALL SELECT subject FROM copy.quarantine WHERE state = 'OPEN' AND subject IS NOT NULL
    UNION ALL SELECT subject FROM own.parked
    UNION ALL SELECT subject FROM own.quarantine WHERE state = 'OPEN' AND subject IS NOT NULL;
CREATE INDEX ON copy.sharing USING gin ((body -> 'active'));
"""


def upgrade() -> None:
    op.execute(HELD)
