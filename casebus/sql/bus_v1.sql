-- What every service has in its own database so that it can state and hear events. Schema `own` is never rebuilt; schema `copy` may be dropped
-- and filled again from Kafka at any time. Needs READ COMMITTED: system_time() must see the newest row.
CREATE SCHEMA own;
CREATE SCHEMA copy;

-- System time: base + the real time that passed since, never below floor. In production base = since, and the service's role may set floor only.
CREATE TABLE own.timebase (
    one bool PRIMARY KEY DEFAULT true CHECK (one),
    base timestamptz NOT NULL, since timestamptz NOT NULL, floor timestamptz NOT NULL,
    note text -- what the one who steps it wants shown, as a code
);
INSERT INTO own.timebase (base, since, floor) VALUES ('epoch', 'epoch', '-infinity');

CREATE FUNCTION own.system_time() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
DECLARE t own.timebase;
BEGIN
    SELECT * INTO t FROM own.timebase;
    RETURN greatest(t.floor, t.base + (clock_timestamp() - t.since));
END $$;

CREATE TABLE own.head (topic text, subject uuid, seq int NOT NULL, recorded_at timestamptz NOT NULL, PRIMARY KEY (topic, subject)) WITH (fillfactor = 70);

CREATE TABLE own.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL, subject uuid NOT NULL, case_seq int NOT NULL,
    value bytea NOT NULL, attributes jsonb NOT NULL,
    occurred_at timestamptz NOT NULL, recorded_at timestamptz NOT NULL, published_at timestamptz,
    UNIQUE (topic, subject, case_seq)
);
CREATE INDEX outbox_unpublished ON own.outbox (id) WHERE published_at IS NULL;

-- What of the outbox is in Kafka: the topic's identity, its generation, and the offset after our last record in each partition.
CREATE TABLE own.stream (topic text PRIMARY KEY, generation int NOT NULL, topic_id text NOT NULL, next bigint[] NOT NULL);

CREATE TABLE own.idempotency (
    principal text, key text, request bytea NOT NULL, answer json, answered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (principal, key)
);

-- The order of the three steps is what makes a watermark true (docs/architecture.md): the transaction's number, the subjects' locks, then the clock.
-- p_after is the recorded_at of what caused an event: an effect is recorded after its cause, whatever the two clocks say.
CREATE FUNCTION own.emit(p_topic text[], p_subject uuid[], p_value bytea[], p_attributes jsonb[], p_occurred timestamptz[], p_after timestamptz[])
RETURNS TABLE (n bigint, seq int, recorded timestamptz) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE now timestamptz;
BEGIN
    PERFORM pg_current_xact_id();
    INSERT INTO own.head AS h (topic, subject, seq, recorded_at)
        SELECT e.topic, e.subject, count(*), '-infinity' FROM unnest(p_topic, p_subject) AS e (topic, subject) GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (topic, subject) DO UPDATE SET seq = h.seq + excluded.seq;
    now := own.system_time();
    RETURN QUERY
    WITH stated AS (
        SELECT e.*, count(*) OVER s AS total, row_number() OVER (s ORDER BY e.n) AS place, max(e.after) OVER s AS last_cause
        FROM unnest(p_topic, p_subject, p_value, p_attributes, p_occurred, p_after)
            WITH ORDINALITY AS e (topic, subject, value, attributes, occurred, after, n)
        WINDOW s AS (PARTITION BY e.topic, e.subject)
    ), placed AS (
        SELECT s.*, (h.seq - s.total + s.place)::int AS case_seq,
            greatest(now, h.recorded_at + interval '1 us', s.last_cause + interval '1 us') + (s.place - 1) * interval '1 us' AS at
        FROM stated s JOIN own.head h USING (topic, subject)
    ), written AS (
        INSERT INTO own.outbox (topic, subject, case_seq, value, attributes, occurred_at, recorded_at)
        SELECT p.topic, p.subject, p.case_seq, p.value, p.attributes, coalesce(p.occurred, p.at), p.at FROM placed p ORDER BY p.n
    ), remembered AS (
        UPDATE own.head h SET recorded_at = m.at
        FROM (SELECT p.topic, p.subject, max(p.at) AS at FROM placed p GROUP BY 1, 2) m
        WHERE h.topic = m.topic AND h.subject = m.subject
    )
    SELECT p.n, p.case_seq, p.at FROM placed p ORDER BY p.n;
END $$;
