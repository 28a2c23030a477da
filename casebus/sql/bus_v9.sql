-- What is sent is kept apart, as ranges of numbers. Before, each event was written a second time, whole and into all its indexes, to say that
-- it was sent; the store, which only grows, had a dead row for each.
-- Every number up to `upto` is in Kafka, or was never committed; `beyond` are those above it that are sent. A number between them is a
-- transaction's that is still open, or was rolled back: the relay waits until it knows (relay.py). It knows because numbers are given one by
-- one (the sequence caches none), to transactions that have their own number already (own.emit). Only who holds the relay's claim writes here.
-- outbox.published_at and its index are for processes of the release before, and go with the next one. What their relays have sent is told
-- by it; to send all again they raise a generation, as every release does, and that is seen here.
LOCK TABLE own.outbox IN SHARE MODE; -- whoever has a number ends first, and who waits here has none yet
CREATE TABLE own.sent (one bool PRIMARY KEY DEFAULT true CHECK (one), upto bigint NOT NULL, beyond int8multirange NOT NULL DEFAULT '{}');
INSERT INTO own.sent (upto)
    SELECT coalesce((SELECT min(id) - 1 FROM own.outbox WHERE published_at IS NULL), (SELECT max(id) FROM own.outbox), 0);

-- Were the row gone, everything would be sent, and the relay would say that it can't note it: better than nothing, and silence.
CREATE VIEW own.unsent AS
    SELECT id, topic, subject, case_seq, value, attributes, occurred_at, recorded_at FROM own.outbox
    WHERE id > coalesce((SELECT upto FROM own.sent), 0) AND NOT id <@ coalesce((SELECT beyond FROM own.sent), '{}') AND published_at IS NULL;

CREATE FUNCTION own.send_all_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE own.sent SET upto = 0, beyond = '{}';
    RETURN NULL;
END $$;
CREATE TRIGGER generation_begins AFTER UPDATE OF generation ON own.stream EXECUTE FUNCTION own.send_all_again();
