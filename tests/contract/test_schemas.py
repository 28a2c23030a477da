"""The schemas of the repository keep all rules, and what is generated from them is up to date."""

from datetime import timedelta
from pathlib import Path

import pytest

from casebus.codec import Codec
from casebus.contracts import EVENTS, RECORDS
from casebus.schema_checks import check
from casebus.schema_checks.examples import examples_of, read_example, written
from casebus.schemas import SCHEMAS, BadSchema, LockedIds, Schema, read_lock, read_schemas
from casebus.topics import Cleanup, Kind, Topic, read_topics
from tools.events import lock_text, main

ALL = read_schemas()
EXAMPLES = [(schema, path) for schema in ALL for path in examples_of(schema, SCHEMAS)]


def test_every_schema_and_topic_keeps_the_rules() -> None:
    assert [str(wrong) for wrong in check()] == []


def test_what_is_generated_is_up_to_date() -> None:
    assert main(["--check"]) == 0


@pytest.mark.parametrize(
    ("schema", "path"), EXAMPLES, ids=lambda part: f"{part.parent.name}/{part.stem}" if isinstance(part, Path) else part.owner
)
def test_every_example_of_every_version_is_read_into_its_class(schema: Schema, path: Path) -> None:
    codec, values = Codec(LockedIds()), read_example(schema, path)
    value = b"\0" + LockedIds().id_of(schema.type, schema.version).to_bytes(4, "big") + written(schema, values)
    record = codec.decode_as(RECORDS[schema.type], value)
    for name in values.keys() & set(type(record).__slots__):
        plain = values[name]
        assert getattr(record, name) == (tuple(plain) if isinstance(plain, list) else plain)
    assert codec.decode_as(RECORDS[schema.type], codec.encode(record)) == record
    if schema.version == type(record).VERSION:
        assert codec.encode(record) == value


def test_every_event_knows_its_topic_and_its_subject() -> None:
    topics = {topic.name: topic for topic in read_topics()}
    for name, contract in EVENTS.items():
        assert name == contract.TYPE
        assert name in topics[contract.TOPIC].events
        assert topics[contract.TOPIC].key in contract.__slots__


def test_a_new_schema_gets_the_next_id_and_old_lines_stay() -> None:
    lock, before = read_lock(), (SCHEMAS / "ids.lock").read_text()
    added = Schema(owner="intake", name="CaseOpened", version=99, path=Path("CaseOpened.v99.avsc"), document={"type": "record"})
    after = lock_text([added, *ALL])
    assert after.startswith(before)
    assert after.removeprefix(before).split() == [str(lock[-1].id + 1), "intake.CaseOpened", "99", added.fingerprint]


def test_a_fingerprint_is_blind_to_words_and_to_nothing_else() -> None:
    field = {"name": "agency", "type": "string", "personal": "none", "doc": "The agency."}
    document: dict[str, object] = {"type": "record", "name": "A", "namespace": "intake", "doc": "It happened.", "fields": [field]}

    def fingerprint(**changes: object) -> str:
        return Schema(owner="intake", name="A", version=1, path=Path("A"), document={**document, **changes}).fingerprint

    assert fingerprint() == fingerprint(doc="It happened, in better words.") == fingerprint(fields=[{**field, "doc": "Who."}])
    others = [{**field, "name": "a"}, {**field, "type": "bytes"}, {**field, "personal": "name"}, {**field, "default": ""}]
    assert len({fingerprint(), *(fingerprint(fields=[other]) for other in others)}) == 5


def test_an_edited_schema_stops_the_start(tmp_path: Path) -> None:
    opened = tmp_path / "avro" / "intake" / "CaseOpened.v1.avsc"
    opened.parent.mkdir(parents=True)
    opened.write_text((SCHEMAS / "avro" / "intake" / "CaseOpened.v1.avsc").read_text().replace("under_way", "begun"))
    line = next(line for line in read_lock() if (line.type, line.version) == ("intake.CaseOpened", 1))
    (tmp_path / "ids.lock").write_text(f"{line.id} {line.type} {line.version} {line.fingerprint}\n")
    with pytest.raises(BadSchema, match="restore it"):
        LockedIds(tmp_path)


def topic(cleanup: Cleanup, retention: timedelta | None) -> Topic:
    return Topic(
        name="intake.case.v1",
        kind=Kind.CASE,
        doc="",
        key="case_id",
        partitions=6,
        cleanup=cleanup,
        retention=retention,
        consumers=(),
        personal_data="none",
    )


@pytest.mark.parametrize(
    ("declared", "policy", "kept"),
    [
        (topic(Cleanup.NONE, None), "delete", "-1"),
        (topic(Cleanup.COMPACT, None), "compact", "-1"),
        (topic(Cleanup.DELETE, timedelta(days=7)), "delete", "604800000"),
    ],
    ids=["facts", "watermark", "changelog"],
)
def test_kafka_is_told_what_a_topic_keeps(declared: Topic, policy: str, kept: str) -> None:
    assert declared.config() == {"cleanup.policy": policy, "retention.ms": kept, "retention.bytes": "-1"}
