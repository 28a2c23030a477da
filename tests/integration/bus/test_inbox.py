"""Every event is applied once, in its case's order, whatever the log brings."""

from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from casebus import quarantine
from casebus.errors import BeginAgain
from casebus.inbox import enter_generation
from casebus.kafka import Record
from casebus.testing import MemoryShelf
from tests.integration.bus.sample import BROKEN, REFUSED, Notes, Sample, Work
from tests.integration.bus.tools import case_in, prepare, record_of


class Stream:
    """Records of one partition, made as they are needed, with the next offset each."""

    def __init__(self, sample: Sample) -> None:
        self.sample, self.next = sample, 0
        self.case = case_in()

    def __call__(self, *seqs: int, case: object = None, number: int | None = None, generation: int = 1) -> list[Record]:
        """The events of these places in the case's sequence; each notes its place, or `number`."""
        made = []
        for seq in seqs:
            event = self.sample.event(case_id=case or self.case, number=seq if number is None else number)  # type: ignore[arg-type]
            made.append(record_of(self.sample.codec, event, seq, offset=self.next, generation=generation))
            self.next += 1
        return made


@pytest.fixture
def stream(offline: Sample) -> Stream:
    prepare(offline, offline.track())
    prepare(offline, offline.track("own"))
    return Stream(offline)


def test_a_duplicate_is_dropped_the_next_is_applied_and_a_gap_parks_until_it_is_filled(offline: Sample, stream: Stream) -> None:
    track = offline.track()
    tally = track.apply(offline.engine, stream(1, 1, 2, 4, 5, 4))
    assert (tally.applied, tally.duplicates, tally.parked) == (2, 1, 3)
    assert offline.numbers(stream.case) == [1, 2]
    assert offline.value("SELECT array_agg(seq ORDER BY seq) FROM copy.parked") == [4, 5]
    other = case_in()
    tally = track.apply(offline.engine, [*stream(1, case=other), *stream(3, 4)])
    assert (tally.applied, tally.duplicates) == (4, 1)
    assert offline.numbers(stream.case) == [1, 2, 3, 4, 5]
    assert offline.numbers(other) == [1]
    assert offline.value("SELECT count(*) FROM copy.parked") == 0


def test_a_record_in_another_partition_than_its_keys_is_set_aside_and_its_number_stays_free(offline: Sample, stream: Stream) -> None:
    """A case's events would come in no order, and below no watermark."""
    track, case = offline.track(), case_in(3)
    tally = track.apply(offline.engine, stream(1, case=case))
    assert (tally.applied, tally.quarantined) == (0, 1)
    assert "another partition" in tally.reasons[0]
    event = offline.event(case_id=case, number=1)
    assert track.apply(offline.engine, [record_of(offline.codec, event, 1, part=3)]).applied == 1
    assert offline.value("SELECT count(*) FROM copy.quarantine WHERE state = 'OPEN' AND seq IS NULL") == 1


@pytest.mark.parametrize("at_once", [1, 2])
@pytest.mark.parametrize("schema", ["copy", "own"])
def test_what_is_stated_is_recorded_after_all_that_was_heard_of_its_case(
    offline: Sample, stream: Stream, schema: str, at_once: int
) -> None:
    """The clock of who stated that may be a day ahead of ours: what follows must not seem to come before it."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    event = offline.event(case_id=stream.case, number=1)
    assert offline.track(schema).apply(offline.engine, [record_of(offline.codec, event, 1, recorded_at=tomorrow)]).applied == 1
    for number in range(2, 4, at_once):
        offline.note(stream.case, *range(number, number + at_once))
    other = case_in()
    offline.note(other, 1)
    recorded = "SELECT array_agg(recorded_at ORDER BY id) FROM own.outbox WHERE subject = :case"
    first, second = cast(list[datetime], offline.value(recorded, case=stream.case))
    assert tomorrow < first < second < tomorrow + timedelta(seconds=1)
    assert cast(list[datetime], offline.value(recorded, case=other))[0] < tomorrow


def test_what_was_parked_in_a_batch_before_is_taken_when_the_gap_is_filled(offline: Sample, stream: Stream) -> None:
    for records in (stream(3), stream(2), stream(1)):
        offline.track().apply(offline.engine, records)
    assert offline.numbers(stream.case) == [1, 2, 3]
    assert offline.value("SELECT next FROM copy.position WHERE part = 0") == 3


def test_what_was_read_already_is_passed_and_a_hole_begins_again(offline: Sample, stream: Stream) -> None:
    track = offline.track()
    first = stream(1, 2)
    track.apply(offline.engine, first)
    assert track.apply(offline.engine, first).duplicates == 0  # below the place: not even looked at
    stream.next += 1
    with pytest.raises(BeginAgain, match="applied to 2, got 3"):
        track.apply(offline.engine, stream(3))
    assert offline.numbers(stream.case) == [1, 2]


def test_a_higher_generation_begins_again(offline: Sample, stream: Stream) -> None:
    with pytest.raises(BeginAgain) as raised:
        offline.track().apply(offline.engine, stream(1, generation=2))
    assert (raised.value.topic, raised.value.generation) == (offline.topic, 2)


@pytest.mark.parametrize("is_rubbish", [False, True])
def test_what_is_in_hand_while_a_new_generation_begins_is_read_again(offline: Sample, stream: Stream, *, is_rubbish: bool) -> None:
    """Its offset is one of another log: counted in the new one it would take the place of a record there (found by the model)."""
    [old] = [record._replace(headers=[]) if is_rubbish else record for record in stream(1)]
    with offline.engine.begin() as connection:
        assert enter_generation(connection, "copy", offline.topic, 2, [])
    track = offline.track()
    with pytest.raises(BeginAgain, match="in hand"):
        track.apply(offline.engine, [old], read_in={offline.topic: 1})
    assert offline.value("SELECT next FROM copy.position WHERE part = 0") == 0
    tally = track.apply(offline.engine, [old], read_in={offline.topic: 2})  # a relay that was late sent it into the new one
    assert (tally.quarantined, tally.applied) == (int(is_rubbish), int(not is_rubbish))


def test_an_invalid_event_costs_only_itself_and_its_cases_next_event_parks(offline: Sample, stream: Stream) -> None:
    other = case_in()
    records = [*stream(1), *stream(2, number=REFUSED), *stream(1, case=other), *stream(3), *stream(2, case=other)]
    tally = offline.track().apply(offline.engine, records)
    assert (tally.applied, tally.quarantined, tally.parked) == (3, 1, 1)
    assert offline.numbers(stream.case) == [1], "what the handler had put is taken back"
    assert offline.numbers(other) == [1, 2]
    with offline.engine.begin() as connection:
        [entry] = quarantine.entries(connection, "copy")
    assert (entry.subject, entry.seq, entry.type, entry.reason) == (stream.case, 2, offline.event.TYPE, "this number can't be applied")


def test_a_batch_with_a_mistake_changes_nothing(offline: Sample, stream: Stream) -> None:
    """The consumer then goes one by one (test_consumer.py)."""
    with pytest.raises(RuntimeError):
        offline.track().apply(offline.engine, [*stream(1), *stream(2, number=BROKEN)])
    assert offline.numbers(stream.case) == []
    assert offline.value("SELECT next FROM copy.position WHERE part = 0") == 0


def test_copies_and_reactions_have_places_of_their_own(offline: Sample, stream: Stream) -> None:
    records = stream(1, 2)
    offline.track("copy").apply(offline.engine, records)
    assert offline.numbers(stream.case, "own") == []
    offline.track("own").apply(offline.engine, records)
    assert offline.numbers(stream.case, "own") == [1, 2]


def test_an_event_nobody_handles_counts_in_its_cases_sequence(offline: Sample, stream: Stream) -> None:
    first, second, third = stream(1, 2, 3)
    headers = [(name, f"{offline.owner}.Unheard".encode() if name == "ce_type" else value) for name, value in second.headers]
    unheard = Record(second.topic, second.partition, second.offset, second.key, b"\0what nobody here reads", headers)
    offline.track().apply(offline.engine, [first, unheard, third])
    assert offline.numbers(stream.case) == [1, 3]


def test_a_place_in_a_case_that_no_table_can_hold_is_rubbish_not_an_obstacle(offline: Sample, stream: Stream) -> None:
    records = [*stream(2**40), *stream(1, generation=2**40), *stream(1)]
    tally = offline.track().apply(offline.engine, records)
    assert (tally.applied, tally.quarantined) == (1, 2)


def test_other_records_at_the_same_offsets_of_a_topic_made_again_are_quarantined_too(offline: Sample, stream: Stream) -> None:
    track, key = offline.track(), str(stream.case).encode()
    rubbish = [Record(offline.topic, 0, offset, key, b"old rubbish", []) for offset in range(2)]
    track.apply(offline.engine, rubbish)
    with offline.admin.begin() as connection:
        connection.execute(text("UPDATE copy.position SET next = 0"))
    track.apply(offline.engine, [rubbish[0], Record(offline.topic, 0, 1, key, b"new rubbish", [])])
    assert offline.value("SELECT count(*) FROM copy.quarantine") == 3


def test_two_workers_that_read_the_same_partition_apply_it_once(offline: Sample, stream: Stream) -> None:
    """As in a rebalance: the second waits for the first one's place."""
    track, records = offline.track(), stream(1, 2)
    with offline.engine.begin() as first:
        first.execute(text("SELECT FROM copy.position WHERE part = 0 FOR UPDATE"))
        with offline.engine.begin() as second:
            second.execute(text("SET LOCAL lock_timeout = '100ms'"))
            with pytest.raises(OperationalError, match="lock timeout"):
                second.execute(text("SELECT FROM copy.position WHERE part = 0 FOR UPDATE"))
    assert track.apply(offline.engine, records).applied == 2
    assert track.apply(offline.engine, records).applied == 0
    assert offline.numbers(stream.case) == [1, 2]


def test_a_shelf_in_memory_does_what_the_real_one_does(offline: Sample) -> None:
    one, two = sorted((Notes(id=uuid4(), version=1), Notes(id=uuid4(), version=1)), key=lambda notes: notes.id)
    with offline.engine.begin() as connection:
        work = Work(connection, offline.codec, "copy.notes")
        memory: MemoryShelf[Notes] = MemoryShelf()
        for shelf in (work.notes, memory):
            assert shelf.get(one.id) is None
            shelf.put(two)
            shelf.put(one)
            assert shelf.get(one.id) == one
            assert shelf.all() == [one, two]
        work.save()
    with offline.engine.begin() as connection:
        again = Work(connection, offline.codec, "copy.notes")
        again.load([one.id, two.id])
        assert again.notes.all() == [one, two]


def test_what_one_command_put_is_taken_back_without_the_others(offline: Sample) -> None:
    kept, undone = Notes(id=uuid4(), version=1), Notes(id=uuid4(), version=1)
    with offline.engine.begin() as connection:
        work = Work(connection, offline.codec, "copy.notes")
        work.mark()
        work.notes.put(kept)
        work.mark()
        work.notes.put(undone)
        work.notes.put(Notes(id=kept.id, version=2, numbers=(7,)))
        work.undo()
        assert work.notes.all() == [kept]
        work.save()
    assert offline.value("SELECT count(*) FROM copy.notes") == 1
    assert offline.numbers(kept.id) == []
