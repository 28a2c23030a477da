"""What a message was written about is found by the message, when it goes out."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.execute("CREATE INDEX notification_message ON own.notification (message_id) WHERE message_id IS NOT NULL")
