-- One track of a service: how far it has read, what it has applied, what waits, what could not be applied. {schema} is own (reactions) or copy (copies).
CREATE TABLE {schema}.position (topic text, part int, generation int NOT NULL DEFAULT 0, next bigint NOT NULL DEFAULT 0, PRIMARY KEY (topic, part));
CREATE TABLE {schema}.inbox (topic text, subject uuid, seq int NOT NULL, PRIMARY KEY (topic, subject)) WITH (fillfactor = 70);
CREATE TABLE {schema}.parked (
    topic text, subject uuid, seq int, part int NOT NULL, log_offset bigint NOT NULL,
    value bytea NOT NULL, headers bytea NOT NULL, parked_at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (topic, subject, seq)
);
CREATE TABLE {schema}.quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL, part int NOT NULL, log_offset bigint NOT NULL, subject uuid, seq int, type text, reason text NOT NULL,
    key bytea, value bytea, headers bytea NOT NULL, quarantined_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state text NOT NULL DEFAULT 'OPEN' CHECK (state IN ('OPEN', 'REPLAYED', 'DISCARDED')), settled_because text,
    digest bytea NOT NULL GENERATED ALWAYS AS (sha256(coalesce(key, '') || coalesce(value, '') || headers)) STORED,
    UNIQUE (topic, part, log_offset, digest) -- a topic that was made again has other records at the same offsets
);
CREATE INDEX ON {schema}.quarantine (subject) WHERE state = 'OPEN';
CREATE INDEX ON {schema}.quarantine (subject) WHERE state = 'DISCARDED';
CREATE INDEX ON {schema}.parked (subject);
