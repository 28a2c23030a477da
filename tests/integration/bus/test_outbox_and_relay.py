"""An event that is committed reaches the topic, whoever dies on the way."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, ProgrammingError

from casebus import timebase
from casebus.cluster import Cluster
from casebus.envelope import InvalidEnvelope, Role, from_headers
from casebus.errors import LogBroken
from casebus.kafka import Log
from casebus.outbox import append
from casebus.relay import LOCK, Relay, claim
from tests.integration.bus.sample import SOMEBODY, Sample
from tests.integration.bus.tools import delete_topic, in_thread, log_of, make_topics, prepare, publish, relay_loop, relaying, statements
from tests.waiting import until

HOLDER = """
    SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = :lock AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


def cut_before_marking(relay: Relay) -> None:
    """Its session ends when everything is sent and nothing is marked."""

    def cut(*_: object) -> None:
        relay._connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    relay._mark = cut  # type: ignore[method-assign,assignment]


def test_an_event_that_is_committed_reaches_the_topic_with_its_envelope(sample: Sample) -> None:
    case = uuid4()
    cause = replace(SOMEBODY, occurred_at=datetime(2026, 1, 5, 9, tzinfo=UTC), lead_epoch=3, correlation_id=UUID(int=7))
    sample.note(case, 41, cause=cause)
    assert publish(sample) == 1
    [record] = log_of(sample)
    envelope = from_headers(record.headers, topic=record.topic, key=record.key)
    assert (envelope.type, envelope.subject, envelope.case_seq, envelope.generation) == (sample.event.TYPE, case, 1, 1)
    assert (envelope.occurred_at, envelope.lead_epoch, envelope.correlation_id) == (cause.occurred_at, 3, UUID(int=7))
    assert (envelope.agency, envelope.actor, envelope.actor_role) == ("city-hospital", "actor-1", Role.WORKER)
    assert abs(envelope.recorded_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert sample.codec.decode(record.value) == sample.event(case_id=case, number=41)
    assert sample.value("SELECT count(*) FROM own.unsent") == 0


def test_an_event_by_itself_is_stated_as_one_among_others(offline: Sample) -> None:
    """own.emit has a way of its own for one (bus_v8.sql)."""
    attributes = "attributes - 'event_id' - 'correlation_id'"
    said = f"SELECT case_seq, value, {attributes}, occurred_at, recorded_at FROM own.outbox WHERE subject = :case ORDER BY case_seq"
    alone, among = uuid4(), uuid4()
    later = replace(SOMEBODY, recorded_at=datetime.now(UTC) + timedelta(hours=1), occurred_at=datetime(2026, 1, 5, 9, tzinfo=UTC))
    for cause in (SOMEBODY, later, SOMEBODY):
        offline.note(alone, 1, cause=cause)
    with offline.engine.begin() as connection:
        event = offline.event(case_id=among, number=1)
        append(connection, [(event, cause) for cause in (SOMEBODY, later, SOMEBODY)], offline.codec)
        rows = {case: connection.execute(text(said), {"case": case}).all() for case in (alone, among)}
    seqs, values, about, occurred, recorded = zip(*rows[alone], strict=True)
    assert (seqs, about) == tuple(zip(*[(row[0], row[2]) for row in rows[among]], strict=True))
    assert [offline.codec.decode(value) for value in values] == [offline.event(case_id=alone, number=1)] * 3
    assert occurred == (recorded[0], later.occurred_at, recorded[2])
    assert later.recorded_at is not None
    assert recorded[0] < later.recorded_at < recorded[1] < recorded[2] == recorded[1] + timedelta(microseconds=1)


def test_an_event_that_is_rolled_back_reaches_nobody(sample: Sample) -> None:
    with sample.engine.connect() as connection:
        sample.note(uuid4(), 1, connection=connection)
        connection.rollback()
    assert publish(sample) == 0


def test_a_row_that_commits_late_is_not_lost(sample: Sample) -> None:
    early, late = uuid4(), uuid4()
    with relaying(sample) as relay:
        with sample.engine.begin() as slow:
            sample.note(late, 1, connection=slow)  # has the lower number, and commits last
            sample.note(early, 2)
            for sent in (1, 0):
                relay.barrier()
                assert relay.drain() == sent
        relay.barrier()
        assert relay.drain() == 1
    assert {UUID(bytes.decode(r.key or b"")) for r in log_of(sample)} == {early, late}


def test_numbers_are_given_one_by_one(offline: Sample) -> None:
    """A session with a store of them could give one that is passed over already (relay.py, barrier)."""
    assert offline.value("SELECT max(cache_size) FROM pg_sequences WHERE schemaname = 'own'") == 1


def test_the_events_of_a_case_are_numbered_and_timed_in_the_order_they_were_stated(sample: Sample) -> None:
    case = uuid4()
    sample.note(case, 1, 2, 3)
    sample.note(case, 4)
    publish(sample)
    envelopes = [from_headers(r.headers, topic=r.topic, key=r.key) for r in log_of(sample)]
    assert [e.case_seq for e in envelopes] == [1, 2, 3, 4]
    assert sorted({e.recorded_at for e in envelopes}) == [e.recorded_at for e in envelopes]


def test_an_effect_is_recorded_after_its_cause_whatever_the_clocks_say(offline: Sample) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    offline.note(uuid4(), 1, 2, cause=replace(SOMEBODY, recorded_at=ahead))
    assert offline.value("SELECT min(recorded_at) FROM own.outbox") == ahead + timedelta(microseconds=1)
    assert offline.value("SELECT max(recorded_at) FROM own.outbox") == ahead + timedelta(microseconds=2)


def test_what_no_header_can_hold_is_refused_before_it_is_in_the_outbox(offline: Sample) -> None:
    """One such row would stop the relay for every case."""
    for wrong in (replace(SOMEBODY, actor="somebody@example.org"), replace(SOMEBODY, agency="City Hospital")):
        with pytest.raises(InvalidEnvelope):
            offline.note(uuid4(), 1, cause=wrong)
    assert offline.value("SELECT count(*) FROM own.outbox") == 0


def test_a_relay_that_dies_between_sending_and_marking_sends_again_and_the_inbox_drops_it(sample: Sample) -> None:
    case, track = uuid4(), sample.track()
    sample.note(case, 1, 2)
    with relaying(sample) as relay:
        cut_before_marking(relay)
        with pytest.raises(OperationalError):
            relay.drain()
    assert publish(sample) == 2
    records = log_of(sample)
    assert len(records) == 4
    prepare(sample, track)
    tally = track.apply(sample.engine, records)
    assert (tally.applied, tally.duplicates) == (2, 2)
    assert sample.numbers(case) == [1, 2]


def test_there_is_one_relay_and_the_standby_takes_over_when_its_session_is_cut(sample: Sample) -> None:
    first, second = relay_loop(sample), relay_loop(sample)
    with in_thread(first.run), in_thread(second.run):
        sample.note(uuid4(), 1)
        until(lambda: sample.value("SELECT count(*) FROM own.unsent") == 0)
        pid = sample.value(HOLDER, lock=LOCK)
        assert pid
        sample.value("SELECT pg_terminate_backend(:pid)", pid=pid)
        until(lambda: sample.value(HOLDER, lock=LOCK) not in (None, pid))
        sample.note(uuid4(), 2)
        until(lambda: sample.value("SELECT count(*) FROM own.unsent") == 0)
    assert len(log_of(sample)) == 2


def test_a_second_session_does_not_get_the_claim(offline: Sample) -> None:
    with offline.engine.connect() as first, offline.engine.connect() as second:
        assert claim(first)
        assert not claim(second)
        first.invalidate()
        until(lambda: claim(second))
        second.invalidate()


def test_a_relay_refuses_a_topic_that_is_another_one_under_its_name(sample: Sample) -> None:
    sample.note(uuid4(), 1)
    publish(sample)
    delete_topic(sample)
    make_topics(sample)
    with pytest.raises(LogBroken, match="another topic"):
        publish(sample)
    loop = relay_loop(sample)
    with in_thread(loop.run):
        assert "reseed" in until(lambda: loop.stopped_because or "")


def test_a_relay_with_nothing_to_send_notices_that_its_topic_was_made_again(sample: Sample) -> None:
    sample.note(uuid4(), 1)
    loop = relay_loop(sample)
    with in_thread(loop.run):
        until(lambda: statements(sample))
        delete_topic(sample)
        make_topics(sample)
        assert "reseed" in until(lambda: loop.stopped_because or "")


def test_a_relay_sends_nothing_into_a_topic_that_was_made_again(sample: Sample) -> None:
    """In the old generation it would pass for the beginning of the log, and old statements for true of it."""
    sample.note(uuid4(), 1)
    with relaying(sample) as relay:
        relay.drain()
        delete_topic(sample)
        make_topics(sample)
        sample.note(uuid4(), 1)
        with pytest.raises(LogBroken, match="made again"):
            relay.drain()
    assert log_of(sample) == []


def test_a_log_of_another_database_begins_a_new_generation(sample: Sample) -> None:
    """What the other database stated must not count for this one: its clock may have been ahead of ours."""
    sample.note(uuid4(), 1)
    publish(sample)
    with sample.admin.begin() as connection:  # as if the database had been lost and made again
        connection.execute(text("TRUNCATE own.stream, own.outbox, own.head"))
        connection.execute(text("UPDATE own.sent SET upto = 0"))
    sample.note(uuid4(), 2)
    publish(sample)
    assert [from_headers(r.headers, topic=r.topic, key=r.key).generation for r in log_of(sample)] in ([1, 2], [2, 1])


def test_no_statement_is_true_too_early(sample: Sample) -> None:
    """The property of the barrier: while a transaction that holds a number is open, no watermark passes what it records."""
    with relaying(sample) as relay:
        sample.note(uuid4(), 1)
        relay.barrier()
        relay.drain()
        [first] = until(lambda: statements(sample))
        with sample.engine.begin() as slow:
            sample.note(uuid4(), 2, connection=slow)
            recorded = slow.execute(text("SELECT max(recorded_at) FROM own.outbox")).scalar_one()
            for _ in range(5):
                relay.barrier()
                relay.drain()
            assert statements(sample) == [first]
        relay.barrier()
        relay.drain()
        last = until(lambda: [s for s in statements(sample) if s != first])[-1]
    assert first.recorded_before < recorded < last.recorded_before
    reached = dict(enumerate(last.next))
    for record in log_of(sample):
        assert record.offset < reached[record.partition]


def test_every_statement_holds_while_many_write_at_once(sample: Sample) -> None:
    """Each row recorded before a statement's T lies below its next[p], whatever commits when."""
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            with sample.engine.begin() as connection:
                sample.note(uuid4(), 1, connection=connection)
                stop.wait(0.003)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    with relaying(sample) as relay:
        for _ in range(40):
            relay.barrier()
            relay.drain()
        stop.set()
        for writer in writers:
            writer.join()
        relay.barrier()
        relay.drain()
        said = until(lambda: statements(sample))
    events = [(from_headers(r.headers, topic=r.topic, key=r.key).recorded_at, r) for r in log_of(sample)]
    assert len(events) == sample.value("SELECT count(*) FROM own.outbox"), "whoever commits late is not passed over"
    assert len(said) > 5
    for statement in said:
        for recorded, record in events:
            assert recorded >= statement.recorded_before or record.offset < statement.next[record.partition]


def test_the_role_of_a_service_may_not_set_the_system_time(offline: Sample) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), offline.engine.begin() as connection:
        timebase.step_to(connection, datetime(2030, 1, 1, tzinfo=UTC))
    with offline.admin.begin() as connection:
        timebase.step_to(connection, datetime(2030, 1, 1, tzinfo=UTC))
    with offline.engine.begin() as connection:
        assert timebase.system_time(connection).year == 2030


def test_system_time_never_goes_back_below_what_was_promised(offline: Sample) -> None:
    with offline.admin.begin() as connection:
        timebase.step_to(connection, datetime(2030, 1, 1, tzinfo=UTC))
    with offline.engine.begin() as connection:
        connection.execute(text("UPDATE own.timebase SET floor = own.system_time()"))
    with offline.admin.begin() as connection:
        timebase.step_to(connection, datetime(2029, 1, 1, tzinfo=UTC))
    with offline.engine.begin() as connection:
        assert timebase.system_time(connection) == timebase.floor(connection)
    offline.note(uuid4(), 1)
    assert offline.value("SELECT min(recorded_at) >= (SELECT floor FROM own.timebase) FROM own.outbox") is True


def test_a_log_closed_with_a_broker_away_ends_soon() -> None:
    log = Log(Cluster("127.0.0.1:1"))
    log.send_soon("nowhere.case.v1", b"key", b"value")
    log.close()
