"""Rubbish on a topic is kept with its reason, once, and everything else goes on."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from casebus import quarantine
from casebus.envelope import Headers, to_headers
from tests.integration.bus.sample import Noted, Sample
from tests.integration.bus.tools import consumer_of, envelope_of, in_thread, produce
from tests.waiting import until


def rubbish(sample: Sample) -> Iterator[tuple[str, bytes | None, bytes | None, Headers | None]]:
    """What is wrong in words of the reason, key, value, headers. Each is the first event of a case of its own."""

    def record(reason: str, change: str = "", **wrong: bytes | None) -> tuple[str, bytes | None, bytes | None, Headers | None]:
        event: Noted = sample.event(case_id=uuid4(), number=1)
        key, value = str(event.case_id).encode(), sample.codec.encode(event)
        headers: Headers = [pair for pair in to_headers(envelope_of(event, 1)) if pair[0] != change]
        if wrong.get("header") is not None:
            headers.append((change, wrong["header"]))
        return reason, wrong.get("key", key), wrong.get("value", value), headers

    good = sample.codec.encode(sample.event(case_id=uuid4(), number=1))
    yield record("the value is empty", value=b"")
    yield record("the value is empty", value=None)
    yield record("in the wire format", value=b"\x01" + good[1:])
    yield record("that nobody has published", value=b"\0\0\0\xff\xff" + good[5:])
    yield record("ends within its prefix", value=good[:3])
    yield record("not what its schema says", value=good[:-1])
    yield record("goes on after its record", value=good + b"\0")
    yield record("not what its headers, key and topic say", value=good)
    yield record("larger than 256 KiB", value=good + bytes(300_000))
    yield record("ce_subject", key=str(uuid4()).encode())
    yield record("ce_subject", key=b"\xff\xfe")
    yield record("ce_subject", key=None)
    yield record("ce_caseseq", "ce_caseseq", header=b"one")
    yield record("ce_caseseq", "ce_caseseq")
    yield record("beyond all that we keep", "ce_caseseq", header=b"9" * 18)
    yield record("beyond all that we keep", "ce_recordedtime", header=b"9999-12-31T23:59:59.999999Z")
    yield record("ce_type", "ce_type", header=b"other.Noted")
    yield record("ce_recordedtime", "ce_recordedtime", header=b"yesterday")
    yield record("ce_actor", "ce_actor", header=b"Jane Doe <jane@example.org>")
    yield record("ce_agency", "ce_agency", header=b"\xff\x00\xfe")
    yield "content-type", b"", b"plain text", None
    yield "content-type", None, None, None


@pytest.mark.parametrize("schema", ["copy", "own"])
def test_rubbish_is_quarantined_once_and_others_go_on(sample: Sample, schema: str) -> None:
    wrong = list(rubbish(sample))
    good = [uuid4() for _ in range(3)]
    track = sample.track(schema)
    produce(sample, [(key, value, headers) for _, key, value, headers in wrong])
    produce(sample, [sound(sample, case) for case in good])
    consumer = consumer_of(sample, track)
    with in_thread(consumer.run):
        until(lambda: all(sample.numbers(case, schema) == [1] for case in good))
        until(lambda: sample.value(f"SELECT count(*) FROM {schema}.quarantine") == len(wrong))
    with sample.engine.begin() as connection:
        entries = quarantine.entries(connection, schema)
    reasons = sorted(entry.reason for entry in entries)
    for reason, _, _, _ in wrong:
        assert any(reason in given for given in reasons)
    assert not any("Jane" in given for given in reasons)
    with sample.admin.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {schema}.position SET next = 0")
    with in_thread(consumer_of(sample, track).run):  # all of it once more
        until(lambda: sample.value(f"SELECT sum(next) FROM {schema}.position") == len(wrong) + len(good))
    assert sample.value(f"SELECT count(*) FROM {schema}.quarantine") == len(wrong)
    assert all(sample.numbers(case, schema) == [1] for case in good)


def sound(sample: Sample, case: object, number: int = 1) -> tuple[bytes, bytes, Headers]:
    event = sample.event(case_id=case, number=number)  # type: ignore[arg-type]
    return str(event.case_id).encode(), sample.codec.encode(event), to_headers(envelope_of(event, number))
