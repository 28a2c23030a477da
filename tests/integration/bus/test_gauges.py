"""What a service tells of its state: the outbox, the lag, what is held, and that a server is away."""

from uuid import uuid4

import pytest

from casebus import gauges, quarantine
from casebus.cluster import Cluster
from casebus.gauges import Gauges
from casebus.kafka import Ends
from tests.integration.bus.sample import PARTITIONS, Sample
from tests.integration.bus.tools import consumer_of, in_thread, prepare, produce, publish, relay_loop
from tests.readings import reading
from tests.waiting import until


def gauges_of(sample: Sample) -> Gauges:
    ends = Ends(Cluster(sample.bootstrap))
    return Gauges(engine=sample.engine, ends=ends, owner=sample.owner, tracks=[sample.track()], stopped=lambda: {"relay": False})


def lag(sample: Sample, look: Gauges) -> float:
    """Looked up with a broker that answers: on a busy machine it may take more than one look."""

    def answered() -> bool:
        look.turn()
        return reading("continuum_broker_up", owner=sample.owner) == 1

    until(answered)
    group = sample.track().group
    found = [reading("continuum_lag_records", track=group, topic=sample.topic, partition=str(part)) for part in range(PARTITIONS)]
    return sum(value or 0 for value in found)


def test_the_outbox_and_the_lag_are_told_as_they_are(sample: Sample) -> None:
    look = gauges_of(sample)
    prepare(sample, sample.track())
    case = uuid4()
    sample.note(case, 1, 2, 3)
    look.turn()
    assert reading("continuum_outbox_unpublished_records", owner=sample.owner) == 3
    assert (reading("continuum_outbox_oldest_seconds", owner=sample.owner) or 0) > 0
    publish(sample)
    look.turn()
    assert reading("continuum_outbox_unpublished_records", owner=sample.owner) == 0
    assert reading("continuum_outbox_oldest_seconds", owner=sample.owner) == 0
    assert lag(sample, look) == 3, "in the log, and not applied: nobody reads"
    with in_thread(consumer_of(sample).run):
        until(lambda: len(sample.numbers(case)) == 3)
    assert lag(sample, look) == 0
    look.ends.close()


def test_what_is_parked_and_quarantined_is_told_until_it_is_settled(sample: Sample) -> None:
    look, track = gauges_of(sample), sample.track()
    held = uuid4()
    sample.note(held, -1, 5)
    publish(sample)
    produce(sample, [(b"no case", b"rubbish", None)])  # after the generation began: what lay there before it counts for nobody
    with in_thread(consumer_of(sample).run):
        until(lambda: sample.value("SELECT count(*) FROM copy.quarantine") == 2 and sample.value("SELECT count(*) FROM copy.parked") == 1)
    look.turn()
    assert reading("continuum_quarantined_records", track=track.group) == 2
    assert reading("continuum_parked_records", track=track.group) == 1
    with sample.engine.begin() as connection:
        entries = [one.id for one in quarantine.entries(connection, "copy")]
    for entry in entries:
        quarantine.discard(sample.engine, track, entry, "a test's")
    look.turn()
    assert reading("continuum_quarantined_records", track=track.group) == 0
    assert reading("continuum_parked_records", track=track.group) == 0
    look.ends.close()


def test_a_count_of_what_is_too_much_stays_cheap(offline: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges, "COUNTED", 5)
    offline.note(uuid4(), *range(12))
    gauges_of(offline).turn()
    assert reading("continuum_outbox_unpublished_records", owner=offline.owner) == 12, "by the distance of their numbers"
    with offline.engine.begin() as connection:
        assert gauges.counted(connection, "own.outbox") == 5


def test_a_broker_and_a_database_that_are_away_are_told_and_nothing_is_raised(offline: Sample) -> None:
    look = gauges_of(offline)
    look.turn()
    assert reading("continuum_broker_up", owner=offline.owner) == 0
    assert reading("continuum_database_up", owner=offline.owner) == 1
    with offline.admin.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE own.outbox RENAME TO elsewhere")
    look.turn()
    assert reading("continuum_database_up", owner=offline.owner) == 0
    assert (reading("continuum_looked_timestamp_seconds", owner=offline.owner) or 0) > 0


def test_a_relay_tells_whether_it_works(sample: Sample) -> None:
    def working() -> bool:
        return reading("continuum_relay_working", owner=sample.owner) == 1

    with in_thread(relay_loop(sample).run):
        until(working)
    assert not working()
