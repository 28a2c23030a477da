-- What is sent is known by own.sent alone (bus_v9.sql). The mark of each event, and the index of those without one, served processes of before
-- it; since none sets the mark, the index held every event. What such a process has marked after the tables of bus_v9 came is sent, too.
LOCK TABLE own.outbox IN ACCESS EXCLUSIVE MODE; -- whoever has a number ends first
UPDATE own.sent SET beyond = beyond + marked.ids FROM (
    SELECT coalesce(range_agg(int8range(id, id, '[]')), '{}') AS ids FROM own.outbox
    WHERE id > (SELECT upto FROM own.sent) AND published_at IS NOT NULL) marked;

-- Were the row of own.sent gone, everything would be sent, and the relay would say that it can't note it: better than nothing, and silence.
CREATE OR REPLACE VIEW own.unsent AS
    SELECT id, topic, subject, case_seq, value, attributes, occurred_at, recorded_at FROM own.outbox
    WHERE id > coalesce((SELECT upto FROM own.sent), 0) AND NOT id <@ coalesce((SELECT beyond FROM own.sent), '{}');
ALTER TABLE own.outbox DROP COLUMN published_at; -- its index goes with it
