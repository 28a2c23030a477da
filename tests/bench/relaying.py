"""The outbox and its relay: events a second that a service can state, and that its relay can send."""

import gc
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from random import Random
from time import perf_counter

from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session

from casebus import outbox
from casebus.event import Event
from casebus.kafka import Log
from casebus.relay import BATCH, Relay, claim
from services.intake.main import BLUEPRINT as INTAKE
from tests.bench.capture import capture, digest, release, replayed
from tests.bench.figure import Figure
from tests.bench.ground import Ground, Store
from tests.bench.history import SOMEBODY, interleaved, new_ids, participation
from tests.bench.naive import NaiveWork, OutboxRow
from tests.bench.pipeline import wipe

STATED_AT_ONCE = 200
"""Events of one transaction, as the batch endpoint states them."""
NAIVE_MOST, NAIVE_SECONDS = 2000, 8.0
_MARKED = (
    "ALTER TABLE own.outbox ADD COLUMN published_at timestamptz",
    "CREATE INDEX ON own.outbox (id) WHERE published_at IS NULL",
)


class _Marks(DeclarativeBase):
    """Of the naive way alone."""


class _Marked(OutboxRow, _Marks):
    """The naive way marks each event that it has sent, and finds the others by an index."""

    published_at: Mapped[datetime | None]


def relay(ground: Ground, seed: int, *, quick: bool) -> list[Figure]:
    """First everything is stated, then everything is sent: each alone, so that the one can be held against the other."""
    dice = Random(seed)
    events = list(interleaved(dice, [participation(case, dice) for case in new_ids(dice, 1_000 if quick else 10_000)]))
    gc.freeze()  # they are the bench's
    with ground.store("intake") as store:
        stated, sent = _state(ground, store, events), _send(ground, store)
    with ground.store("intake") as store:
        naive_stated, naive_sent = _naive(ground, store, events)
    stating, sending = _bounds(ground, events)
    note = f"{len(events)} events, {STATED_AT_ONCE} a transaction"
    return [
        Figure(name="events stated", value=stated, unit="events/s", naive=naive_stated, bound=stating, note=note),
        Figure(
            name="relay",
            value=sent,
            unit="events/s",
            naive=naive_sent,
            bound=sending,
            goal="never slower than what states them",
            note=f"{sent / stated:.2f} × what one session states without a service around it; the bound is the client without the outbox",
        ),
    ]


def _state(ground: Ground, store: Store, events: list[Event]) -> float:
    coming: Iterator[Event] = iter(events)
    begin = perf_counter()
    while chunk := list(islice(coming, STATED_AT_ONCE)):
        with store.engine.begin() as connection:
            outbox.append(connection, [(event, SOMEBODY) for event in chunk], ground.codec)
    took = perf_counter() - begin
    store.settled()
    return len(events) / took


def _send(ground: Ground, store: Store) -> float:
    """The product's relay, from its start to its end. What it does before is not timed: it claims the database and asks the broker."""
    ground.afresh()
    with store.engine.connect() as connection:
        assert claim(connection)
        log = Log(ground.cluster)
        made = Relay(connection, log, INTAKE.topics(), "intake", ground.codec)
        made.barrier()
        begin = perf_counter()
        sent = made.drain()
        took = perf_counter() - begin
        log.close()
        connection.invalidate()
    assert store.one("SELECT count(*) FROM own.unsent") == 0
    return sent / took


def _bounds(ground: Ground, events: list[Event]) -> tuple[float, float]:
    """Events a second that SQL alone can keep in the outbox; and that the client alone can send, of records that are made."""
    with ground.store("intake") as store:
        capture(store)
        _state(ground, store, events)
        stating = _again(store, len(events))
    with ground.store("intake") as store:
        _state(ground, store, events)
        with store.engine.connect() as connection:
            rows = outbox.unpublished(connection, 0, len(events), len(events))
    records = [(row.topic, row.subject.encode(), row.value, row.headers(1)) for row in rows]
    ground.afresh()
    log, coming = Log(ground.cluster), iter(records)
    begin = perf_counter()
    while chunk := list(islice(coming, BATCH)):
        log.send(chunk)
    took = perf_counter() - begin
    log.close()
    return stating, len(records) / took


def _again(store: Store, count: int) -> float:
    release(store)
    left = digest(store)
    wipe(store)
    took = replayed(store)
    assert digest(store) == left, "SQL alone must leave the same rows"
    return count / took


def _naive(ground: Ground, store: Store, events: list[Event]) -> tuple[float, float]:
    """An object and a commit for each event that is stated, and the same for each that is sent."""
    for statement in _MARKED:
        store.do(statement)
    begin, stated = perf_counter(), 0
    for event in events[:NAIVE_MOST]:
        with Session(store.engine) as session, session.begin():
            work = NaiveWork(session, ground.codec)
            work.cause = SOMEBODY
            work.emit(event)
        stated += 1
        if perf_counter() > begin + NAIVE_SECONDS:
            break
    between = perf_counter()
    ground.afresh()
    log, sending, sent = Log(ground.cluster), perf_counter(), 0
    while _send_one(store, log):
        sent += 1
        if perf_counter() > sending + NAIVE_SECONDS:
            break
    rate = sent / (perf_counter() - sending)
    log.close()
    return stated / (between - begin), rate


def _send_one(store: Store, log: Log) -> bool:
    with Session(store.engine) as session, session.begin():
        row = session.scalars(select(_Marked).where(_Marked.published_at.is_(None)).order_by(_Marked.id).limit(1)).first()
        if row is None:
            return False
        known = outbox.Row(
            id=row.id,
            topic=row.topic,
            subject=str(row.subject),
            case_seq=row.case_seq,
            value=row.value,
            attributes=row.attributes,
            occurred_at=row.occurred_at,
            recorded_at=row.recorded_at,
        )
        assert log.send([(row.topic, str(row.subject).encode(), row.value, known.headers(1))])
        row.published_at = row.recorded_at
    return True
