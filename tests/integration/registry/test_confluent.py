"""Others read our topics with Confluent's own classes and the registry, and nothing else of ours; we read what they write."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient, SchemaRegistryError, record_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext, SerializationError

from casebus.assembly import build
from casebus.cluster import Cluster
from casebus.codec import Codec
from casebus.contracts import RECORDS
from casebus.registry import schema_ids
from casebus.schema_checks.examples import examples_of, read_example
from casebus.schema_checks.examples import written as body
from casebus.schemas import SCHEMAS, LockedIds, Schema, newest, read_schemas
from casebus.topic_admin import apply
from casebus.topics import read_topics
from services.intake.main import BLUEPRINT
from tests.conftest import LocalRegistry
from tests.integration.bus.office import CASE, office
from tests.integration.bus.sample import new_owner
from tests.integration.bus.tools import in_thread
from tests.waiting import until

Value = dict[str, Any]
EXAMPLES = [pytest.param(s, p, id=f"{s.type}-{p.stem}") for s in newest(read_schemas()) for p in examples_of(s, SCHEMAS)]


@pytest.fixture(scope="module")
def codec(registry: str) -> Codec:
    """Ours, with the registry's ids."""
    return Codec(schema_ids(registry))


@pytest.fixture(scope="module")
def theirs(registry: str) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": registry}) as client:
        yield client


def where(topic: str) -> SerializationContext:
    return SerializationContext(topic, MessageField.VALUE)


@pytest.mark.parametrize(("schema", "path"), EXAMPLES)
def test_every_event_is_read_by_the_other_side_both_ways(schema: Schema, path: Path, codec: Codec, theirs: SchemaRegistryClient) -> None:
    values = read_example(schema, path)
    settings = {"auto.register.schemas": False, "subject.name.strategy": record_subject_name_strategy}

    written = AvroSerializer(theirs, schema.path.read_text(), conf=settings)(values, where("any"))
    ours = codec.encode(codec.decode_as(RECORDS[schema.type], written))

    assert ours == written
    assert AvroDeserializer(theirs)(ours, where("any")) == values


def test_with_the_locks_ids_the_bytes_are_the_same(local_registry: LocalRegistry) -> None:
    """The registry was empty: so those that have one and those that have none read each other."""
    one, other = Codec(schema_ids(local_registry.url)), Codec(LockedIds())
    for schema in newest(read_schemas()):
        for path in examples_of(schema, SCHEMAS):
            value = b"\0" + LockedIds().id_of(schema.type, schema.version).to_bytes(4, "big") + body(schema, read_example(schema, path))
            contract = RECORDS[schema.type]
            assert one.encode(other.decode_as(contract, value)) == other.encode(one.decode_as(contract, value)) == value


@pytest.fixture
def received(broker: str, database_server: str, registry: str) -> Iterator[str]:
    """A case that intake was told of by HTTP; its relay, which knows the registry's ids, sends it."""
    cluster = Cluster(broker)
    apply(cluster, read_topics())
    with office(database_server, f"bus_{new_owner()}") as made:
        settings = replace(made.settings, kafka=cluster, registry_url=registry, watermark_seconds=0.1)
        service = build(BLUEPRINT, settings, "relay")
        with in_thread(service.jobs["relay"]):
            yield str(made.tell("/cases", CASE).json()["id"])


def test_a_stranger_with_the_registry_alone_reads_our_topics(received: str, broker: str, theirs: SchemaRegistryClient) -> None:
    """What other tests left in the topics is passed over."""
    read = AvroDeserializer(theirs)
    case = first(broker, "intake.case.v1", 6, read, lambda value: value.get("case_id") == UUID(received))
    statement = first(broker, "intake.watermark.v1", 1, read, lambda value: "recorded_before" in value)

    assert case["region"] == CASE["region"]
    assert statement["owner"] == "intake"
    assert len(statement["next"]) == 6


def first(bootstrap: str, topic: str, partitions: int, read: AvroDeserializer, wanted: Callable[[Value], bool]) -> Value:
    """The first record of the topic that is wanted, as soon as there is one."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "strangers", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, part, OFFSET_BEGINNING) for part in range(partitions)])

    def found() -> Value | None:
        """Of all that is there now."""
        while (message := consumer.poll(1)) is not None:
            try:
                value = cast(Value, read(message.value(), where(topic)) or {})
            except (SerializationError, SchemaRegistryError):
                continue
            if wanted(value):
                return value
        return None

    try:
        value = until(found, 60)
        assert value is not None
        return value
    finally:
        consumer.close()
