-- What was heard of each subject is looked up by itself: joined as one set it was compared with every subject of the statement.
-- A single event, as a command states it, takes its own way: the steps are the same, and to begin a plan for sets takes longer than them all.
-- The heads as they were written are what events are numbered by: they aren't looked up again. For a single event planning took longer than all
-- the rest, so the function's plans are made once in a session; they find every row by its key, whatever size the tables had then.
-- The transaction's number comes before the clock: that is what makes a watermark true (docs/architecture.md). That a subject's times rise comes
-- from its head, whose row is locked by the write.
-- p_after is the recorded_at of what caused an event: an effect is recorded after its cause, and after all that this service has heard of its
-- subject, whatever the clocks of their owners say.
CREATE OR REPLACE FUNCTION own.emit(p_topic text[], p_subject uuid[], p_value bytea[], p_attributes jsonb[], p_occurred timestamptz[], p_after timestamptz[])
RETURNS TABLE (n bigint, seq int, recorded timestamptz) LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE now timestamptz; known timestamptz;
BEGIN
    PERFORM pg_current_xact_id();
    now := own.system_time();
    IF cardinality(p_topic) = 1 THEN
        SELECT max(i.recorded_at) + interval '1 us' INTO known FROM (
            SELECT recorded_at FROM own.inbox WHERE subject = p_subject[1]
            UNION ALL SELECT recorded_at FROM copy.inbox WHERE subject = p_subject[1]) i;
        INSERT INTO own.head AS h (topic, subject, seq, recorded_at)
            VALUES (p_topic[1], p_subject[1], 1, greatest(now, p_after[1] + interval '1 us', known))
            ON CONFLICT (topic, subject) DO UPDATE SET seq = h.seq + 1, recorded_at = greatest(excluded.recorded_at, h.recorded_at + interval '1 us')
            RETURNING 1, h.seq, h.recorded_at INTO n, seq, recorded;
        INSERT INTO own.outbox (topic, subject, case_seq, value, attributes, occurred_at, recorded_at)
            VALUES (p_topic[1], p_subject[1], seq, p_value[1], p_attributes[1], coalesce(p_occurred[1], recorded), recorded);
        RETURN NEXT;
        RETURN;
    END IF;
    RETURN QUERY
    WITH stated AS (
        SELECT e.*, count(*) OVER s AS total, row_number() OVER (s ORDER BY e.n) AS place
        FROM unnest(p_topic, p_subject, p_value, p_attributes, p_occurred) WITH ORDINALITY AS e (topic, subject, value, attributes, occurred, n)
        WINDOW s AS (PARTITION BY e.topic, e.subject)
    ), headed AS (
        INSERT INTO own.head AS h (topic, subject, seq, recorded_at)
        SELECT e.topic, e.subject, e.total, greatest(now, e.last_cause + interval '1 us', heard.after) + (e.total - 1) * interval '1 us'
        FROM (SELECT topic, subject, count(*)::int AS total, max(after) AS last_cause
            FROM unnest(p_topic, p_subject, p_after) AS e (topic, subject, after) GROUP BY 1, 2) e
        CROSS JOIN LATERAL (SELECT max(i.recorded_at) + interval '1 us' AS after FROM (
            SELECT recorded_at FROM own.inbox WHERE subject = e.subject
            UNION ALL SELECT recorded_at FROM copy.inbox WHERE subject = e.subject) i) heard
        ORDER BY 1, 2
        ON CONFLICT (topic, subject) DO UPDATE SET seq = h.seq + excluded.seq,
            recorded_at = greatest(excluded.recorded_at, h.recorded_at + excluded.seq * interval '1 us')
        RETURNING topic, subject, seq, recorded_at
    ), placed AS (
        SELECT s.*, (h.seq - s.total + s.place)::int AS case_seq, h.recorded_at - (s.total - s.place) * interval '1 us' AS at
        FROM stated s JOIN headed h USING (topic, subject)
    ), written AS (
        INSERT INTO own.outbox (topic, subject, case_seq, value, attributes, occurred_at, recorded_at)
        SELECT p.topic, p.subject, p.case_seq, p.value, p.attributes, coalesce(p.occurred, p.at), p.at FROM placed p ORDER BY p.n
    )
    SELECT p.n, p.case_seq, p.at FROM placed p ORDER BY p.n;
END $$;

DROP FUNCTION own.heard(uuid[]);
