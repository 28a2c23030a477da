"""The least that a burst takes here and now: the rows and records that it made, written once more by statements and the client alone."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from time import perf_counter

import orjson
from sqlalchemy import text

from casebus import outbox
from casebus.contracts.monitoring import AlertRaised
from casebus.kafka import Log
from casebus.relay import BATCH
from casebus.topic_admin import apply
from casebus.topics import read_topics
from tests.bench.ground import Ground, Store

TOPIC = "bench.burst.v1"
AT_ONCE = 1_200
"""Alerts of one transaction, as the clock workers state them at most."""
WORKERS = 2
_TABLES = (
    "CREATE TABLE bench_outbox (LIKE own.outbox INCLUDING ALL EXCLUDING IDENTITY)",
    "CREATE TABLE bench_alert (LIKE own.alert INCLUDING ALL)",
    """CREATE UNLOGGED TABLE bench_written AS
      SELECT row_number() OVER (ORDER BY o.id) AS n, o.id AS event, a.id AS alert
      FROM bench_case c JOIN own.outbox o ON o.subject = c.id JOIN own.alert a ON a.case_id = c.id
      WHERE c.part_of = :group AND o.topic = :topic AND o.attributes ->> 'type' = :type""",
    "CREATE UNIQUE INDEX ON bench_written (n)",
    "ANALYZE bench_written",
)
_STATED = text("""
    SELECT o.id, o.topic, CAST(o.subject AS text), o.case_seq, o.value, CAST(o.attributes AS text), o.occurred_at, o.recorded_at
    FROM bench_written w JOIN own.outbox o ON o.id = w.event ORDER BY w.n""")
_EVENTS = text("""
    INSERT INTO bench_outbox SELECT o.* FROM bench_written w JOIN own.outbox o ON o.id = w.event WHERE w.n BETWEEN :first AND :last""")
_ALERTS = text("""
    INSERT INTO bench_alert (id, version, body) SELECT a.id, a.version, a.body
    FROM bench_written w JOIN own.alert a ON a.id = w.alert WHERE w.n BETWEEN :first AND :last""")


def least(ground: Ground, store: Store, group: str) -> float:
    """Seconds, for the alerts of this group: two sessions write, and one producer sends, all at the same time."""
    store.do(*_TABLES, group=group, topic=AlertRaised.TOPIC, type=AlertRaised.TYPE)
    with store.admin.begin() as connection:
        rows = [
            outbox.Row(id, topic, subject, seq, value, orjson.loads(said), occurred, recorded)
            for id, topic, subject, seq, value, said, occurred, recorded in connection.execute(_STATED)
        ]
    records = [(TOPIC, row.subject.encode(), row.value, row.headers(1)) for row in rows]
    [alike] = [topic for topic in read_topics() if topic.name == AlertRaised.TOPIC]
    apply(ground.cluster, [replace(alike, name=TOPIC)])
    log = Log(ground.cluster)
    log.send(records[:1])  # it is connected
    begin = perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        writing = [pool.submit(_write, store, number, len(rows)) for number in range(WORKERS)]
        coming, sent = iter(records), 0
        while some := list(islice(coming, BATCH)):
            sent += len(log.send(some))
        written = sum(one.result() for one in writing)
    took = perf_counter() - begin
    log.close()
    assert sent == written == len(rows) > 0
    return took


def _write(store: Store, number: int, count: int) -> int:
    """Every second transaction's rows."""
    written = 0
    for first in range(1 + number * AT_ONCE, count + 1, WORKERS * AT_ONCE):
        these = {"first": first, "last": first + AT_ONCE - 1}
        with store.admin.begin() as connection:
            connection.execute(_EVENTS, these)
            written += connection.execute(_ALERTS, these).rowcount
    return written
