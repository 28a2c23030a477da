-- Where a generation began: in each partition the offset before which nothing of it stands. Where nobody has said so, at 0: a log that begins
-- later is refused.
ALTER TABLE own.stream ADD COLUMN began bigint[] NOT NULL DEFAULT '{}';
ALTER TABLE own.position ADD COLUMN began bigint NOT NULL DEFAULT 0;
ALTER TABLE copy.position ADD COLUMN began bigint NOT NULL DEFAULT 0;
