"""What a case will state at its moment, prepared; the index of the moments tells apart which cases were looked ahead at."""

from alembic import op

revision = "0014"
down_revision = "0013"

PREPARED = """
-- Derived: may be emptied at any time. Who is told by which priority; rows of the worker's tables; events as own.emit takes them.
CREATE TABLE own.prepared (
    case_id uuid PRIMARY KEY, look_at timestamptz NOT NULL, until timestamptz, stamp text NOT NULL,
    decisions uuid[] NOT NULL, labels text[] NOT NULL, follow_ups uuid[] NOT NULL, missed timestamptz[] NOT NULL,
    keys text[] NOT NULL, priority text NOT NULL,
    tables text[] NOT NULL, ids uuid[] NOT NULL, bodies jsonb[] NOT NULL,
    topics text[] NOT NULL, contents bytea[] NOT NULL, attributes jsonb[] NOT NULL, causes timestamptz[] NOT NULL
);
ALTER TABLE copy.watch ADD COLUMN ahead bool NOT NULL DEFAULT false; -- somebody has looked ahead to this moment, with all facts there are
CREATE INDEX watch_look_at ON copy.watch (part, ahead, look_at) WHERE look_at IS NOT NULL;
DROP INDEX copy.watch_part_look_at_idx;
"""


def upgrade() -> None:
    op.execute(PREPARED)
