-- What is sent is kept apart, as ranges of numbers. Before, each event was written a second time, whole, to say that it was sent: that made
-- the store twice as large in the log of the database, and took a quarter of the time that it takes to state an alert.
-- Every number up to `upto` is in Kafka, or was never committed; `beyond` are those above it that are sent. A number between them is a
-- transaction's that is still open, or was rolled back: the relay waits until it knows (relay.py).
-- outbox.published_at and its index are for processes of the release before, and go with the next one: an event that such a relay has sent
-- is told by it. Nothing else writes it.
LOCK TABLE own.outbox IN SHARE MODE; -- whoever has a number ends first, and who waits here has none yet
CREATE TABLE own.sent (one bool PRIMARY KEY DEFAULT true CHECK (one), upto bigint NOT NULL, beyond int8multirange NOT NULL DEFAULT '{}');
INSERT INTO own.sent (upto)
    SELECT coalesce((SELECT min(id) - 1 FROM own.outbox WHERE published_at IS NULL), (SELECT max(id) FROM own.outbox), 0);

CREATE VIEW own.unsent AS
    SELECT id, topic, subject, case_seq, value, attributes, occurred_at, recorded_at FROM own.outbox
    WHERE id > (SELECT upto FROM own.sent) AND NOT id <@ (SELECT beyond FROM own.sent) AND published_at IS NULL;
