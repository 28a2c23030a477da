"""Checks of the topics: who writes, who reads, what keeps the order, what stays."""

from collections.abc import Iterator

from casebus.schema_checks.catalogue import Catalogue, readable_fields, topic_file
from casebus.schemas import BadSchema
from casebus.topics import Cleanup, Kind, Topic, case_topics


def owners_write_alone(catalogue: Catalogue) -> Iterator[BadSchema]:
    """One topic has one writer: the owner in its name, whose file declares it, and whose events it holds."""
    names: set[str] = set()
    for topic in catalogue.topics:
        if topic.name in names:
            yield BadSchema(topic_file(topic), topic.name, "is declared twice: a topic has one writer")
        names.add(topic.name)
        if topic.kind is not Kind.CHANGELOG and not topic.name.startswith(f"{topic.owner}."):
            yield BadSchema(topic_file(topic), topic.name, f"begins with its writer's name: {topic.owner}.")
        for event in topic.events:
            if event.partition(".")[0] != ("casebus" if topic.kind is Kind.WATERMARK else topic.owner):
                yield BadSchema(
                    topic_file(topic), f"{topic.name}: {event}", "an event is written by its owner alone: move it to the owner's topic"
                )


def events_have_one_home(catalogue: Catalogue) -> Iterator[BadSchema]:
    homes: dict[str, str] = {}
    for topic in catalogue.topics:
        for event in topic.events:
            home = homes.setdefault(event, topic.name)
            shared = topic.kind is Kind.WATERMARK and home.endswith(topic.name.partition(".")[2]) and home != topic.name
            if event in topic.events[topic.events.index(event) + 1 :] or (home != topic.name and not shared):
                yield BadSchema(topic_file(topic), f"{topic.name}: {event}", f"stands in {home} already: an event is in exactly one topic")
            if event not in catalogue.versions():
                yield BadSchema(topic_file(topic), f"{topic.name}: {event}", "has no schema: write it or take the name out")
    for schema in catalogue.schemas:
        if schema.type not in homes:
            yield catalogue.wrong(schema, schema.name, f"is in no topic: name it in topics/{schema.owner}.yaml")


def keys_are_there(catalogue: Catalogue) -> Iterator[BadSchema]:
    """The record key keeps the order, so every version of every event has it, as a uuid; a watermark's is its owner's name."""
    for topic in catalogue.topics:
        needed = "string" if topic.kind is Kind.WATERMARK else "uuid"
        for schema in (version for event in topic.events for version in catalogue.versions().get(event, ())):
            key = next((field for field in readable_fields(schema) if field.name == topic.key), None)
            if key is None or key.type != needed or key.many or key.optional:
                yield catalogue.wrong(schema, topic.key, f"is the key of {topic.name}: have it as a plain {needed}")


def readers_are_known(catalogue: Catalogue) -> Iterator[BadSchema]:
    services = {topic.owner for topic in catalogue.topics}
    for topic in catalogue.topics:
        unknown = [consumer for consumer in topic.consumers if consumer not in services]
        if unknown or not (topic.consumers or topic.kind is Kind.WATCH) or len(set(topic.consumers)) != len(topic.consumers):
            yield BadSchema(
                topic_file(topic),
                f"{topic.name}: consumers",
                f"name the services that read it, once each, of {', '.join(sorted(services))}",
            )


def personal_data_is_named(catalogue: Catalogue) -> Iterator[BadSchema]:
    for topic in catalogue.topics:
        if topic.personal_data != "none":
            yield BadSchema(topic_file(topic), f"{topic.name}: personal_data", "is none until events can be sealed")


def case_topics_keep_everything(catalogue: Catalogue) -> Iterator[BadSchema]:
    """The log of cases is whole, and the same case is in the same partition of every owner's: watermarks rest on it."""
    counts = [topic.partitions for topic in case_topics(catalogue.topics)]
    for topic in catalogue.topics:
        for field, wanted in _settings(topic, counts):
            yield BadSchema(topic_file(topic), f"{topic.name}: {field}", wanted)
    for owner in {topic.owner for topic in case_topics(catalogue.topics)}:
        if f"{owner}.watermark.v1" not in [topic.name for topic in catalogue.topics]:
            yield BadSchema(f"topics/{owner}.yaml", "topics", f"who writes of cases says how far: declare {owner}.watermark.v1")


def _settings(topic: Topic, counts: list[int]) -> Iterator[tuple[str, str]]:
    if topic.partitions < 1:
        yield "partitions", "is at least 1"
    if topic.kind is Kind.CASE and topic.partitions != max(set(counts), key=counts.count):
        yield "partitions", "is the same for all topics of cases"
    if topic.kind in (Kind.CASE, Kind.WATCH):
        if topic.cleanup is not Cleanup.NONE:
            yield "cleanup", "is none: facts are neither deleted nor compacted"
        if topic.retention is not None:
            yield "retention", "is forever: a reader may begin at any time"
    if topic.kind is Kind.WATERMARK and (topic.cleanup is not Cleanup.COMPACT or topic.partitions != 1):
        yield "cleanup, partitions", "are compact and 1: the last statement alone counts"
