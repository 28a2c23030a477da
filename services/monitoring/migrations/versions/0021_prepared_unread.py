"""What is prepared is looked up by its case alone: nobody needs to know what its arrays hold.

To find that out (ANALYZE, begun while a burst empties the table) takes a processor from the burst.
"""

from alembic import op

revision = "0021"
down_revision = "0020"
ARRAYS = ("decisions", "labels", "follow_ups", "missed", "keys", "tables", "ids", "bodies", "topics", "contents", "attributes", "causes")


def upgrade() -> None:
    op.execute(f"ALTER TABLE own.prepared {', '.join(f'ALTER {name} SET STATISTICS 0' for name in ARRAYS)}")
