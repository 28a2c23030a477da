"""The loop of a track, against a real log: mistakes cost themselves, a new log is read again, a lost one is refused."""

from dataclasses import replace
from functools import partial
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from sqlalchemy import text

from casebus import consumer, kafka, membership
from casebus.consumer import HOLES
from casebus.envelope import from_headers
from casebus.errors import OutOfReach
from casebus.kafka import Log, NewestRecords, Reader, Record, TopicMadeAgain, bounds
from casebus.rebuild import rebuild
from casebus.relay import reseed
from tests.integration.bus.sample import BROKEN, REFUSED, Sample
from tests.integration.bus.test_rubbish import sound
from tests.integration.bus.tools import consumer_of, delete_topic, in_thread, log_of, make_topics, produce, publish, relay_loop, trim_topic
from tests.waiting import until

CASES = 8
CUT_ALL = """
    SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE usename = 'bus_tests' AND datname = current_database()"""


def noted(sample: Sample, *numbers: int) -> list[object]:
    """Cases with these numbers each, published."""
    cases = [uuid4() for _ in range(CASES)]
    for case in cases:
        sample.note(case, *numbers)
    publish(sample)
    return list(cases)


def reseeded(sample: Sample) -> int:
    log = Log(sample.cluster)
    again = reseed(sample.engine, log, sample.topics)
    log.close()
    return again


def applied(sample: Sample) -> int:
    return int(str(sample.value("SELECT count(*) FROM copy.inbox WHERE seq = 2")))


def test_a_mistake_in_a_handler_is_retried_in_place_and_its_batch_goes_one_by_one(sample: Sample) -> None:
    first, bad, last = uuid4(), uuid4(), uuid4()
    for case, number in ((first, 1), (bad, BROKEN), (last, 3)):
        sample.note(case, number)
    publish(sample)
    with in_thread(consumer_of(sample).run):
        until(lambda: sample.switches.tried.count(BROKEN) > 2)
        assert sample.numbers(bad) == []
        sample.switches.broken.clear()  # the mistake is mended
        until(lambda: sample.numbers(first) and sample.numbers(bad) and sample.numbers(last))
    assert sample.value("SELECT count(*) FROM copy.quarantine") == 0
    assert [sample.numbers(case) for case in (first, bad, last)] == [[1], [BROKEN], [3]]


def test_an_invalid_event_is_no_mistake_and_is_not_retried(sample: Sample) -> None:
    case, other = uuid4(), uuid4()
    sample.note(case, 1, REFUSED, 3)
    sample.note(other, 1)
    publish(sample)
    with in_thread(consumer_of(sample).run):
        until(lambda: sample.value("SELECT count(*) FROM copy.parked") == 1)
        until(lambda: sample.numbers(other) == [1])
    assert sample.switches.tried.count(REFUSED) == 1


def test_an_emptied_topic_is_filled_again_and_nothing_is_applied_twice(sample: Sample) -> None:
    cases = noted(sample, 1, 2)
    own = sample.track("own")
    with in_thread(consumer_of(sample).run), in_thread(consumer_of(sample, own).run):
        until(lambda: applied(sample) == CASES)
        before = sample.state()
        delete_topic(sample)
        make_topics(sample)
        assert reseeded(sample) == 2 * CASES
        assert publish(sample) == 2 * CASES
        new = uuid4()
        sample.note(new, 1)
        publish(sample)
        until(lambda: sample.numbers(new) == [1] and sample.numbers(new, "own") == [1], seconds=60)
    assert {from_headers(r.headers, topic=r.topic, key=r.key).generation for r in log_of(sample)} == {2}
    with sample.admin.begin() as connection:
        connection.execute(text("DELETE FROM copy.notes WHERE id = :id"), {"id": new})
    assert sample.state() == before
    assert all(sample.numbers(case, "own") == [1, 2] for case in cases)  # type: ignore[arg-type]


def test_a_reader_that_was_away_finds_the_new_generation_of_a_shorter_log(sample: Sample) -> None:
    noted(sample, 1, 2)
    with in_thread(consumer_of(sample).run):
        until(lambda: applied(sample) == CASES)
    delete_topic(sample)
    make_topics(sample)
    with sample.admin.begin() as connection:  # of the old facts only one remains to be sent, so the new log is shorter
        connection.execute(text("DELETE FROM own.outbox WHERE id > 1"))
    reseeded(sample)
    publish(sample)
    consumer = consumer_of(sample)
    with in_thread(consumer.run):
        until(lambda: sample.value("SELECT count(*) FROM copy.position WHERE generation = 2 AND next <= 1") == 6, seconds=60)
        until(lambda: consumer.stopped_because is None)
    assert applied(sample) == CASES


def test_a_track_that_stopped_is_well_again_once_the_log_is_filled_though_nothing_new_comes(sample: Sample) -> None:
    noted(sample, 1, 2)
    consumer = consumer_of(sample)
    with in_thread(consumer.run):
        until(lambda: applied(sample) == CASES)
        delete_topic(sample)
        make_topics(sample)
        until(lambda: consumer.stopped_because)
        reseeded(sample)
        publish(sample)
        until(lambda: consumer.stopped_because is None)
        until(lambda: sample.value("SELECT min(generation) FROM copy.position") == 2)


def test_a_topic_that_was_trimmed_is_refused_until_it_is_reseeded_and_then_begun_where_it_begins(sample: Sample) -> None:
    cases = noted(sample, 1, 2)
    trim_topic(sample)
    consumer = consumer_of(sample)
    with in_thread(consumer.run):
        reason = until(lambda: consumer.stopped_because)
        assert reason is not None
        assert "records are lost" in reason
        assert "reseed" in reason
        assert applied(sample) == 0
        reseeded(sample)
        publish(sample)
        until(lambda: applied(sample) == CASES, seconds=60)
        until(lambda: consumer.stopped_because is None)
    assert all(sample.numbers(case) == [1, 2] for case in cases)  # type: ignore[arg-type]
    assert sample.value("SELECT count(*) FROM copy.parked") == 0
    lows = sample.value("SELECT sum(next) FROM copy.position")
    assert lows == 4 * CASES  # the offsets went on: the first half is gone, and was never read


def test_a_topic_that_is_trimmed_again_after_its_reseed_is_refused_again(sample: Sample) -> None:
    """In a later generation a log may begin later than 0, but not later than its owner says that the generation began."""
    noted(sample, 1, 2)
    trim_topic(sample)
    reseeded(sample)
    publish(sample)
    trim_topic(sample)
    noted(sample, 1, 2)  # other cases; a partition that lost nothing is read
    consumer = consumer_of(sample)
    with in_thread(consumer.run):
        reason = until(lambda: consumer.stopped_because)
        assert reason is not None
        assert "records are lost" in reason
        reseeded(sample)
        publish(sample)
        until(lambda: applied(sample) == 2 * CASES, seconds=60)


def test_a_rebuild_after_a_reseed_reads_from_where_the_generation_began(sample: Sample) -> None:
    noted(sample, 1, 2)
    trim_topic(sample)
    reseeded(sample)
    publish(sample)
    consumer = consumer_of(sample)
    with in_thread(consumer.run):
        until(lambda: applied(sample) == CASES)
        rebuild(sample.engine)
        until(lambda: sample.value("SELECT sum(next) FROM copy.position") == 4 * CASES)
        assert consumer.stopped_because is None
    assert applied(sample) == CASES
    assert sample.value("SELECT sum(began) FROM copy.position") == 2 * CASES


def test_a_hole_in_the_middle_of_the_log_stops_the_reader(sample: Sample) -> None:
    """A transaction of another producer leaves an offset without a record."""
    case = uuid4()
    key, value, headers = sound(sample, case)
    producer = Producer({"bootstrap.servers": sample.bootstrap, "transactional.id": sample.owner, "partitioner": "murmur2_random"})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(sample.topic, value, key, headers=headers)
    producer.commit_transaction(20)
    until(lambda: sum(end for _, end in bounds(sample.cluster, sample.topic)) == 2)
    produce(sample, [sound(sample, case, 2)])
    consumer = consumer_of(sample)
    with in_thread(consumer.run):
        reason = until(lambda: consumer.stopped_because)
    assert reason is not None
    assert "hole" in reason


def test_reseed_ends_the_claim_of_a_relay_at_work_which_then_sends_all_again(sample: Sample) -> None:
    noted(sample, 1)
    loop = relay_loop(sample)
    with in_thread(loop.run):
        sample.note(uuid4(), 1)
        until(lambda: sample.value("SELECT count(*) FROM own.unsent") == 0)
        sent = sum(end for _, end in bounds(sample.cluster, sample.topic))
        reseeded(sample)
        until(lambda: sum(end for _, end in bounds(sample.cluster, sample.topic)) == 2 * sent)
    assert sample.value("SELECT min(generation) FROM own.stream") == 2


def test_a_rebuild_under_a_running_consumer_ends_with_the_same_state(sample: Sample) -> None:
    noted(sample, 1, 2)
    sample.switches.refuses.add(9)
    with in_thread(consumer_of(sample).run):
        until(lambda: applied(sample) == CASES)
        before = sample.state()
        with sample.admin.begin() as connection:
            connection.execute(text("UPDATE copy.notes SET body = jsonb_set(body, '{numbers}', '[6, 6]')"))  # as by a mistake
        assert sample.state() != before
        rebuild(sample.engine)
        until(lambda: applied(sample) == CASES)  # nothing new came: the idle consumer notices
    assert sample.state() == before
    assert sample.value("SELECT sum(next) FROM copy.position") == 2 * CASES


def test_a_rebuild_gives_way_to_whoever_reads_the_copies(offline: Sample) -> None:
    """A request reads first what is emptied last: each would wait for the other."""
    ours = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    thread = Thread(target=rebuild, args=(offline.admin,))
    with offline.engine.begin() as request:
        request.exec_driver_sql("SELECT FROM copy.parked")
        thread.start()
        until(lambda: offline.value(f"SELECT count(*) FROM pg_locks WHERE NOT granted AND {ours}"))
        request.exec_driver_sql("SELECT FROM copy.inbox")
    thread.join(30)
    assert not thread.is_alive()


def test_rebuilds_one_after_the_other_are_no_hole_in_the_log(sample: Sample) -> None:
    noted(sample, 1, 2)
    consumer = consumer_of(sample)
    with in_thread(consumer.run):
        for _ in range(2 + HOLES):
            until(lambda: applied(sample) == CASES)
            rebuild(sample.engine)
        until(lambda: applied(sample) == CASES)
        assert consumer.stopped_because is None


def _read(one: Reader | NewestRecords) -> list[Record]:
    return one.batch(500, 0.1) if isinstance(one, Reader) else one.batch(0.1)


def _has_looked(one: Reader | NewestRecords) -> bool:
    _read(one)
    return bool(one._identities._known)


def _notices(one: Reader | NewestRecords) -> bool:
    try:
        _read(one)
    except TopicMadeAgain:
        return True
    except OutOfReach:  # which the loops answer by reading on
        return False
    return False


def test_a_reader_notices_that_its_topic_was_made_again(sample: Sample) -> None:
    """Also where nothing of the new one would ever reach it: a client keeps to the leader epochs of the topic that was."""
    reader = Reader(sample.cluster, f"g-{sample.owner}", [sample.topic], lambda places: dict.fromkeys(places, 0))
    statements = NewestRecords(sample.cluster, [sample.topic], 100)
    try:
        for one in (reader, statements):
            until(partial(_has_looked, one))
        delete_topic(sample)
        make_topics(sample)
        for one in (reader, statements):
            until(partial(_notices, one))
    finally:
        reader.close()
        statements.close()


def test_a_rebuild_of_a_stopped_consumer_is_read_from_zero_at_its_start(sample: Sample) -> None:
    noted(sample, 1, 2)
    with in_thread(consumer_of(sample).run):
        until(lambda: applied(sample) == CASES)
    before = sample.state()
    rebuild(sample.admin)
    assert sample.state() is None
    with in_thread(consumer_of(sample).run):
        until(lambda: applied(sample) == CASES)
    assert sample.state() == before


def test_a_consumer_outlives_its_database_connections(sample: Sample) -> None:
    case = uuid4()
    with in_thread(consumer_of(sample).run):
        sample.note(case, 1)
        publish(sample)
        until(lambda: sample.numbers(case) == [1])
        sample.value(CUT_ALL)
        sample.note(case, 2)
        publish(sample)
        until(lambda: sample.numbers(case) == [1, 2])


def test_a_reader_that_never_gets_a_partition_is_made_again(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client was seen to wait for good when its broker left just as it joined the group."""
    made: list[kafka.Reader] = []

    class Reader(kafka.Reader):
        def batch(self, limit: int, *seconds: float) -> list[kafka.Record]:
            if self not in made:
                made.append(self)
                monkeypatch.setattr(consumer, "ALONE_SECONDS", 0.1 if len(made) == 1 else 60)
            return [] if self is made[0] else super().batch(limit, *seconds)

    monkeypatch.setattr(consumer, "Reader", Reader)
    [*cases] = noted(sample, 1, 2)
    with in_thread(consumer_of(sample).run):
        until(lambda: applied(sample) == len(cases))
    assert len(made) > 1


def test_a_worker_beyond_the_number_of_partitions_waits_in_its_group(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    """To join anew would stop all the others for a moment, again and again."""
    track = replace(sample.track(), topics={f"{sample.owner}.watermark.v1": 1})
    members: list[kafka.Reader] = []
    asked: list[int] = []

    class Reader(kafka.Reader):
        def __init__(self, *how: Any) -> None:
            super().__init__(*how)
            members.append(self)

    def unread(*how: Any, **more: Any) -> set[kafka.Partition]:
        asked.append(len(found := membership.unread(*how, **more)))
        return found

    monkeypatch.setattr(consumer, "Reader", Reader)
    with in_thread(consumer_of(sample, track).run):
        until(lambda: members and members[0].next)
        monkeypatch.setattr(consumer, "unread", unread)
        monkeypatch.setattr(consumer, "ALONE_SECONDS", 0.5)
        with in_thread(consumer_of(sample, track).run):
            until(lambda: asked.count(0) >= 3)
            joined = len(members)
            until(lambda: asked.count(0) >= 6)
            assert len(members) == joined
            assert members[0].next


def test_a_session_that_the_broker_refuses_is_said_where_an_operator_looks(sample: Sample) -> None:
    consumer = consumer_of(sample)
    consumer._cluster = replace(sample.cluster, session_seconds=0.5)  # ours takes one second or more
    with in_thread(consumer.run):
        assert "KAFKA_SESSION_SECONDS" in until(lambda: consumer.stopped_because or "")
