"""A person looks at what could not be applied: tries it again, dry first, or gives it up and says why."""

from uuid import uuid4

import pytest

from casebus import quarantine
from casebus.kafka import Record
from casebus.quarantine import Entry, NoSuchEntry
from casebus.rebuild import rebuild
from casebus.track import OVERTAKEN
from tests.integration.bus.sample import REFUSED, Sample
from tests.integration.bus.test_inbox import Stream
from tests.integration.bus.tools import prepare

SCHEMAS = pytest.mark.parametrize("schema", ["copy", "own"])


def held(sample: Sample, schema: str) -> tuple[Stream, Entry]:
    """A case whose second event is in quarantine, and whose third and fourth are parked behind it."""
    track, stream = sample.track(schema), Stream(sample)
    prepare(sample, track)
    track.apply(sample.engine, [*stream(1), *stream(2, number=REFUSED), *stream(3, 4)])
    return stream, only(sample, schema)


def only(sample: Sample, schema: str, state: str = "OPEN") -> Entry:
    with sample.engine.begin() as connection:
        [entry] = quarantine.entries(connection, schema, state=state)
    return entry


@SCHEMAS
def test_a_dry_run_says_what_would_happen_and_changes_nothing(offline: Sample, schema: str) -> None:
    stream, entry = held(offline, schema)
    tally = quarantine.replay(offline.engine, offline.track(schema), entry.id, dry_run=True)
    assert (tally.applied, tally.reasons) == (0, ["this number can't be applied"])
    offline.switches.refuses.clear()
    tally = quarantine.replay(offline.engine, offline.track(schema), entry.id, dry_run=True)
    assert (tally.applied, tally.reasons) == (3, [])
    assert offline.numbers(stream.case, schema) == [1]
    assert only(offline, schema) == entry


@SCHEMAS
def test_a_replay_applies_the_event_and_what_was_parked_behind_it(offline: Sample, schema: str) -> None:
    stream, entry = held(offline, schema)
    offline.switches.refuses.clear()
    place = offline.value(f"SELECT next FROM {schema}.position WHERE part = 0")
    tally = quarantine.replay(offline.engine, offline.track(schema), entry.id, dry_run=False)
    assert tally.applied == 3
    assert offline.numbers(stream.case, schema) == [1, REFUSED, 3, 4]
    assert offline.value(f"SELECT count(*) FROM {schema}.parked") == 0
    assert offline.value(f"SELECT next FROM {schema}.position WHERE part = 0") == place
    assert only(offline, schema, "REPLAYED").id == entry.id
    with pytest.raises(NoSuchEntry):
        quarantine.replay(offline.engine, offline.track(schema), entry.id, dry_run=False)
    offline.track(schema).apply(offline.engine, stream(5))
    assert offline.numbers(stream.case, schema) == [1, REFUSED, 3, 4, 5]


def test_a_replay_that_is_refused_again_stays_open(offline: Sample) -> None:
    stream, entry = held(offline, "copy")
    tally = quarantine.replay(offline.engine, offline.track(), entry.id, dry_run=False)
    assert (tally.applied, tally.quarantined) == (0, 1)
    assert only(offline, "copy") == entry
    assert offline.numbers(stream.case) == [1]


def test_a_replay_that_fails_by_a_mistake_says_so_and_changes_nothing(offline: Sample) -> None:
    _, entry = held(offline, "copy")
    offline.switches.broken.add(REFUSED)
    with pytest.raises(RuntimeError):
        quarantine.replay(offline.engine, offline.track(), entry.id, dry_run=False)
    assert only(offline, "copy") == entry


@SCHEMAS
def test_what_is_given_up_lets_its_case_go_on(offline: Sample, schema: str) -> None:
    stream, entry = held(offline, schema)
    tally = quarantine.discard(offline.engine, offline.track(schema), entry.id, "sent by a test system, ticket 7")
    assert (tally.discarded, tally.applied) == (1, 2)
    assert offline.numbers(stream.case, schema) == [1, 3, 4]
    assert only(offline, schema, "DISCARDED").id == entry.id
    assert offline.value(f"SELECT settled_because FROM {schema}.quarantine") == "sent by a test system, ticket 7"


def test_a_reason_is_needed_to_give_something_up(offline: Sample) -> None:
    _, entry = held(offline, "copy")
    with pytest.raises(ValueError, match="say why"):
        quarantine.discard(offline.engine, offline.track(), entry.id, "  ")
    assert only(offline, "copy") == entry


def test_what_was_given_up_stays_so_when_the_log_is_read_again(offline: Sample) -> None:
    stream, entry = held(offline, "copy")
    quarantine.discard(offline.engine, offline.track(), entry.id, "a duplicate by another system")
    rebuild(offline.engine)
    offline.switches.refuses.clear()
    stream.next = 0
    tally = offline.track().apply(offline.engine, [*stream(1), *stream(2, number=REFUSED), *stream(3, 4)])
    assert (tally.applied, tally.discarded) == (3, 1)
    assert offline.numbers(stream.case) == [1, 3, 4]


def test_what_is_given_up_behind_a_gap_is_passed_when_the_gap_is_filled(offline: Sample) -> None:
    track, stream = offline.track(), Stream(offline)
    prepare(offline, track)
    track.apply(offline.engine, stream(3, number=REFUSED))
    track.apply(offline.engine, [*stream(1), *stream(2), *stream(4)])
    entry = only(offline, "copy")
    quarantine.discard(offline.engine, track, entry.id, "told by its owner")
    assert offline.numbers(stream.case) == [1, 2, 4]


def test_an_event_that_came_twice_is_settled_once(offline: Sample) -> None:
    stream, entry = held(offline, "copy")
    offline.track().apply(offline.engine, stream(2, number=REFUSED))  # the owner sent it again
    assert offline.value("SELECT count(*) FROM copy.quarantine WHERE state = 'OPEN'") == 2
    quarantine.discard(offline.engine, offline.track(), entry.id, "told by its owner")
    assert offline.value("SELECT count(*) FROM copy.quarantine WHERE state = 'OPEN'") == 0


def forged(stream: Stream, seq: int) -> Record:
    """Somebody else's record of that number, which can't be applied."""
    [record] = stream(seq, number=REFUSED)
    others = str(uuid4()).encode()
    return record._replace(headers=[(name, others if name == "ce_id" else value) for name, value in record.headers])


def usurped(sample: Sample, schema: str) -> tuple[Stream, Entry]:
    """A case whose second number was taken by a forged record, which is in quarantine."""
    track, stream = sample.track(schema), Stream(sample)
    prepare(sample, track)
    track.apply(sample.engine, [*stream(1), forged(stream, 2)])
    return stream, only(sample, schema)


@SCHEMAS
def test_a_number_that_was_given_up_for_a_forged_record_is_still_its_owners(offline: Sample, schema: str) -> None:
    track = offline.track(schema)
    stream, entry = usurped(offline, schema)
    quarantine.discard(offline.engine, track, entry.id, "nobody of ours wrote it")
    tally = track.apply(offline.engine, stream(2, 3, 2))
    assert (tally.applied, tally.duplicates) == (2, 1)
    assert track.apply(offline.engine, stream(2, 4)).applied == 1
    assert offline.numbers(stream.case, schema) == [1, 2, 3, 4]
    assert only(offline, schema, "DISCARDED").seq is None


def test_a_forged_record_that_was_discarded_is_passed_over_when_the_log_is_read_again(offline: Sample) -> None:
    track, stream = offline.track(), Stream(offline)
    prepare(offline, track)
    log = [*stream(1), forged(stream, 2), *stream(2, 3)]
    track.apply(offline.engine, log[:2])
    quarantine.discard(offline.engine, track, only(offline, "copy").id, "nobody of ours wrote it")
    for _ in range(3):
        track.apply(offline.engine, log)
        assert offline.numbers(stream.case) == [1, 2, 3]
        rebuild(offline.engine)


@SCHEMAS
def test_a_forged_record_that_is_discarded_after_the_owners_own_takes_no_number(offline: Sample, schema: str) -> None:
    track = offline.track(schema)
    stream, entry = usurped(offline, schema)
    track.apply(offline.engine, stream(2))
    assert quarantine.discard(offline.engine, track, entry.id, "nobody of ours wrote it").duplicates == 1
    tally = track.apply(offline.engine, stream(2, 3))
    assert (tally.applied, tally.duplicates, tally.quarantined) == (1, 1, 0)
    assert offline.numbers(stream.case, schema) == [1, 2, 3]


def test_an_owners_event_that_is_refused_too_waits_for_its_own_decision(offline: Sample) -> None:
    track = offline.track()
    stream, entry = usurped(offline, "copy")
    quarantine.discard(offline.engine, track, entry.id, "nobody of ours wrote it")
    track.apply(offline.engine, [*stream(2, number=REFUSED), *stream(3)])
    assert offline.numbers(stream.case) == [1]
    quarantine.discard(offline.engine, track, only(offline, "copy").id, "told by its owner")
    assert offline.numbers(stream.case) == [1, 3]


def test_to_discard_a_forged_record_leaves_the_owners_own_of_its_number_open(offline: Sample) -> None:
    track = offline.track()
    stream, entry = usurped(offline, "copy")
    track.apply(offline.engine, stream(2, number=REFUSED))
    quarantine.discard(offline.engine, track, entry.id, "nobody of ours wrote it")
    own = only(offline, "copy")
    assert own.id != entry.id
    track.apply(offline.engine, stream(3))
    assert offline.numbers(stream.case) == [1]
    quarantine.discard(offline.engine, track, own.id, "told by its owner")
    assert offline.numbers(stream.case) == [1, 3]


def test_an_owners_event_that_comes_after_what_follows_it_is_set_aside_and_not_dropped(offline: Sample) -> None:
    track = offline.track()
    stream, entry = usurped(offline, "copy")
    quarantine.discard(offline.engine, track, entry.id, "nobody of ours wrote it")
    track.apply(offline.engine, stream(3, 2))
    assert offline.numbers(stream.case) == [1, 3]
    assert only(offline, "copy").reason == OVERTAKEN


def test_rubbish_without_an_envelope_can_only_be_given_up(offline: Sample) -> None:
    track, stream = offline.track(), Stream(offline)
    prepare(offline, track)
    [record] = stream(1)
    track.apply(offline.engine, [type(record)(record.topic, 0, 0, str(uuid4()).encode(), b"rubbish", [])])
    entry = only(offline, "copy")
    assert quarantine.replay(offline.engine, track, entry.id, dry_run=False).quarantined == 1
    quarantine.discard(offline.engine, track, entry.id, "no event at all")
    assert only(offline, "copy", "DISCARDED").id == entry.id
