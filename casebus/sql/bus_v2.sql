-- Keys are forgotten by age: casebus/idempotency.py, Forgetting.
CREATE INDEX idempotency_answered_at ON own.idempotency (answered_at);
