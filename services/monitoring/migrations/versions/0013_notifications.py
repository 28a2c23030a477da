"""Who is told of alerts, where, and what became of it."""

from alembic import op

revision = "0013"
down_revision = "0012"

TELLING = """
CREATE TABLE own.recipient (
    id uuid PRIMARY KEY, version int NOT NULL, body jsonb NOT NULL,
    key text NOT NULL GENERATED ALWAYS AS (body ->> 'key') STORED
);
CREATE UNIQUE INDEX ON own.recipient (key);
CREATE TABLE own.contact_point (
    id uuid PRIMARY KEY, version int NOT NULL, body jsonb NOT NULL,
    recipient text NOT NULL GENERATED ALWAYS AS (body ->> 'recipient') STORED,
    state text NOT NULL GENERATED ALWAYS AS (body ->> 'state') STORED
);
CREATE INDEX ON own.contact_point (recipient) WHERE state <> 'REMOVED';
-- One row a person and decision that tells them. due_at is in system time, made_at in real time.
CREATE TABLE own.notification (
    id uuid PRIMARY KEY, recipient text NOT NULL, alert_id uuid NOT NULL, critical bool NOT NULL, at_once bool NOT NULL,
    due_at timestamptz NOT NULL, made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state text NOT NULL DEFAULT 'WAITING' CHECK (state IN ('WAITING', 'TOLD', 'LEFT_OUT', 'UNREACHED')), message_id uuid
);
CREATE INDEX notification_due ON own.notification (due_at) WHERE state = 'WAITING';
CREATE INDEX notification_waiting ON own.notification (recipient) WHERE state = 'WAITING';
CREATE INDEX notification_made_at ON own.notification (made_at) WHERE state <> 'WAITING';
-- What one person is told at one time, as it is said; a digest names its day, and a day has one.
CREATE TABLE own.message (
    id uuid PRIMARY KEY, recipient text NOT NULL, day date, language text NOT NULL, content jsonb NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(), UNIQUE (recipient, day)
);
CREATE INDEX message_recipient ON own.message (recipient, made_at);
CREATE INDEX message_made_at ON own.message (made_at);
CREATE TABLE own.delivery (
    id uuid PRIMARY KEY, message_id uuid NOT NULL REFERENCES own.message ON DELETE CASCADE, point_id uuid NOT NULL, channel text NOT NULL,
    state text NOT NULL DEFAULT 'QUEUED' CHECK (state IN ('QUEUED', 'SENT', 'DEAD', 'DROPPED')), attempts int NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT clock_timestamp(), ended_at timestamptz, because text
);
CREATE INDEX delivery_next ON own.delivery (channel, next_at) WHERE state = 'QUEUED';
CREATE INDEX delivery_dead ON own.delivery (channel) WHERE state = 'DEAD';
CREATE INDEX ON own.delivery (message_id);
"""


def upgrade() -> None:
    op.execute(TELLING)
