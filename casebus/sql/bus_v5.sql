-- The lines of a case lie side by side, so that what was heard of it is one look and not one for each topic.
ALTER TABLE own.inbox DROP CONSTRAINT inbox_pkey, ADD PRIMARY KEY (subject, topic);
ALTER TABLE copy.inbox DROP CONSTRAINT inbox_pkey, ADD PRIMARY KEY (subject, topic);

-- For each of these subjects the first moment after all that this service has heard of it; no row for one of which it has heard nothing.
CREATE FUNCTION own.heard(p_subject uuid[]) RETURNS TABLE (subject uuid, after timestamptz) LANGUAGE sql STABLE AS $$
    SELECT i.subject, max(i.recorded_at) + interval '1 us'
    FROM (SELECT DISTINCT unnest(p_subject) AS subject) s CROSS JOIN LATERAL (
        SELECT i.subject, i.recorded_at FROM own.inbox i WHERE i.subject = s.subject
        UNION ALL SELECT i.subject, i.recorded_at FROM copy.inbox i WHERE i.subject = s.subject
    ) i GROUP BY 1
$$;

-- The order of the three steps is what makes a watermark true (docs/architecture.md): the transaction's number, the subjects' locks, then the clock.
-- p_after is the recorded_at of what caused an event: an effect is recorded after its cause, and after all that this service has heard of its
-- subject, whatever the clocks of their owners say.
CREATE OR REPLACE FUNCTION own.emit(p_topic text[], p_subject uuid[], p_value bytea[], p_attributes jsonb[], p_occurred timestamptz[], p_after timestamptz[])
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
            greatest(now, h.recorded_at + interval '1 us', s.last_cause + interval '1 us', heard.after) + (s.place - 1) * interval '1 us' AS at
        FROM stated s JOIN own.head h USING (topic, subject) LEFT JOIN own.heard(p_subject) heard USING (subject)
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
