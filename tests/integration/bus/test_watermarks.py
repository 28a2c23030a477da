"""The reading side: how far a partition is known, from several owners' statements and our own places."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from casebus.contracts.casebus import Watermark
from casebus.kafka import Log
from casebus.watermark import Reached, StatementReader, learn, prune, reached
from tests.integration.bus.sample import PARTITIONS, Sample
from tests.integration.bus.tools import consumer_of, in_thread, publish, relay_loop
from tests.waiting import until

T0 = datetime(2026, 1, 5, 12, tzinfo=UTC)
OWNERS = ("first", "second")


@pytest.fixture
def reader(offline: Sample) -> Sample:
    """Places in two owners' topics, of two partitions each."""
    with offline.admin.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO copy.position (topic, part, generation)"
                " SELECT o || '.case.v1', p, 1 FROM unnest(CAST(:owners AS text[])) o, generate_series(0, 1) p"
            ),
            {"owners": list(OWNERS)},
        )
    return offline


def said(owner: str, minutes: int, *following: int, generation: int = 1) -> Watermark:
    return Watermark(owner=owner, generation=generation, recorded_before=T0 + timedelta(minutes=minutes), next=following)


def hear(sample: Sample, *statements: Watermark) -> None:
    with sample.engine.begin() as connection:
        learn(connection, statements)
        prune(connection)


def move(sample: Sample, owner: str, part: int, to: int) -> None:
    query = text("UPDATE copy.position SET next = :next WHERE topic = :topic AND part = :part")
    with sample.admin.begin() as connection:
        connection.execute(query, {"next": to, "topic": f"{owner}.case.v1", "part": part})


def known(sample: Sample) -> Reached:
    with sample.engine.begin() as connection:
        return reached(connection)


def test_nothing_is_known_until_every_owner_has_said_something(reader: Sample) -> None:
    assert known(reader).partitions == {}
    hear(reader, said("first", 1, 0, 0))
    assert known(reader).partitions == {}
    assert known(reader).owners == {"first": T0 + timedelta(minutes=1)}
    hear(reader, said("second", 2, 0, 0))
    assert known(reader).partitions == {0: T0 + timedelta(minutes=1), 1: T0 + timedelta(minutes=1)}


def test_a_partition_is_known_as_far_as_its_slowest_owner_is_read(reader: Sample) -> None:
    hear(reader, said("first", 1, 0, 0), said("first", 5, 3, 0), said("second", 4, 0, 0))
    assert known(reader).partitions == {0: T0 + timedelta(minutes=1), 1: T0 + timedelta(minutes=4)}
    move(reader, "first", 0, 2)
    assert known(reader).partitions[0] == T0 + timedelta(minutes=1)
    move(reader, "first", 0, 3)
    assert known(reader).partitions[0] == T0 + timedelta(minutes=4)


def test_a_reader_that_lags_steadily_gets_on_by_the_statements_between(reader: Sample) -> None:
    hear(reader, *(said("first", minute, minute * 10, 0) for minute in range(1, 20)), said("second", 60, 0, 0))
    for minute in range(2, 18):
        move(reader, "first", 0, minute * 10 + 5)
        hear(reader, said("first", minute + 20, (minute + 20) * 10, 0))
        assert known(reader).partitions[0] == T0 + timedelta(minutes=minute)
    assert reader.value("SELECT count(*) FROM copy.statement WHERE owner = 'first'") == 19  # the reached one, and what is not yet


def test_a_new_generation_knows_nothing_until_it_is_read(reader: Sample) -> None:
    hear(reader, said("first", 1, 5, 0), said("second", 1, 0, 0))
    move(reader, "first", 0, 9)
    assert known(reader).partitions[0] == T0 + timedelta(minutes=1)
    hear(reader, said("first", 2, 5, 0, generation=2))
    assert 0 not in known(reader).partitions, "its place was set to zero"
    move(reader, "first", 0, 5)
    assert known(reader).partitions[0] == T0 + timedelta(minutes=1)  # the second owner's
    hear(reader, said("second", 3, 0, 0))
    assert known(reader).partitions[0] == T0 + timedelta(minutes=2)
    assert reader.value("SELECT count(*) FROM copy.statement WHERE owner = 'first' AND generation = 1") == 0


def test_everything_below_the_watermark_is_applied(sample: Sample) -> None:
    """End to end: whenever a moment is known, every event recorded before it is in the copies."""
    statements = StatementReader(engine=sample.engine, cluster=sample.cluster, codec=sample.codec, owners=(sample.owner,))
    missing = text("""
        SELECT count(*) FROM own.outbox o WHERE recorded_at < :t AND NOT EXISTS (SELECT FROM copy.inbox i WHERE i.subject = o.subject)""")
    with in_thread(relay_loop(sample).run), in_thread(consumer_of(sample).run), in_thread(statements.run):
        for _ in range(20):
            sample.note(uuid4(), 1)
            with sample.engine.begin() as connection:
                least = reached(connection).least
                assert least is None or connection.execute(missing, {"t": least}).scalar_one() == 0
        last = sample.value("SELECT max(recorded_at) FROM own.outbox")
        assert isinstance(last, datetime)
        until(lambda: len(known(sample).partitions) == PARTITIONS and (known(sample).least or T0) > last)
        assert sample.value("SELECT count(*) FROM copy.inbox") == 20


def test_rubbish_on_a_watermark_topic_is_passed_over(sample: Sample) -> None:
    statements = StatementReader(engine=sample.engine, cluster=sample.cluster, codec=sample.codec, owners=(sample.owner,))
    log, topic, key = Log(sample.cluster), f"{sample.owner}.watermark.v1", sample.owner.encode()
    for value in (
        b"",
        b"rubbish",
        sample.codec.encode(said("another", 5, 0)),
        sample.codec.encode(said(sample.owner, 5, 0, generation=2**40)),
    ):
        log.send_soon(topic, key, value)
    log.send_soon(topic, key, sample.codec.encode(said(sample.owner, 1, *[0] * PARTITIONS)))
    with in_thread(statements.run):
        until(lambda: sample.value("SELECT count(*) FROM copy.statement") == 1)
    log.close()
    publish(sample)
    assert sample.value("SELECT owner FROM copy.statement") == sample.owner
