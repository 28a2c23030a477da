"""Brings a broker's topics to what schemas/topics declares. It creates and configures; it never deletes or changes a partition count."""

from collections.abc import Iterable
from dataclasses import dataclass

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported by its __init__, which has no __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
    TopicMetadata,
)

from casebus.cluster import Cluster
from casebus.topics import Topic

SECONDS = 30.0
COPIES = 3
"""Of each topic, where there are brokers enough."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between the broker and the declaration. `possible` is False where only a person can settle it."""

    topic: str
    what: str
    possible: bool = True


def diff(cluster: Cluster, topics: Iterable[Topic]) -> list[Change]:
    """What `apply` would do, and what it can't."""
    topics = list(topics)
    admin = AdminClient(cluster.client())
    there = admin.list_topics(timeout=SECONDS).topics
    found: list[Change] = []
    known = [topic for topic in topics if topic.name in there]
    found.extend(Change(topic.name, "is missing") for topic in topics if topic.name not in there)
    for topic in known:
        count = len(there[topic.name].partitions)
        if count != topic.partitions:
            found.append(Change(topic.name, f"has {count} partitions, not {topic.partitions}: make new topics and reseed", possible=False))
    settings = admin.describe_configs([_resource(topic) for topic in known], request_timeout=SECONDS) if known else {}
    by_name = {resource.name: future.result() for resource, future in settings.items()}
    for topic in known:
        wanted = _settings(topic, _copies(there[topic.name]))
        wrong = sorted(name for name, value in wanted.items() if by_name[topic.name][name].value != value)
        if wrong:
            found.append(Change(topic.name, f"differs in {', '.join(wrong)}"))
    return found


def apply(cluster: Cluster, topics: Iterable[Topic], *, replication: int | None = None) -> list[Change]:
    """Create what is missing and set what differs. Returns what was different; what isn't `possible` is left as it is.

    `replication`: copies of each new topic; without it three, or one a broker where there are fewer.
    """
    declared = {topic.name: topic for topic in topics}
    changes = diff(cluster, declared.values())
    admin = AdminClient(cluster.client())
    missing = [declared[c.topic] for c in changes if c.what == "is missing"]
    there = admin.list_topics(timeout=SECONDS)
    copies = replication or min(COPIES, len(there.brokers))
    new = [NewTopic(t.name, num_partitions=t.partitions, replication_factor=copies, config=_settings(t, copies)) for t in missing]
    for future in admin.create_topics(new, operation_timeout=SECONDS).values() if new else ():
        future.result()
    differing = [declared[c.topic] for c in changes if c.what.startswith("differs")]
    if differing:
        wanted = [_resource(t, _copies(there.topics[t.name])) for t in differing]
        for future in admin.incremental_alter_configs(wanted, request_timeout=SECONDS).values():
            future.result()
    return changes


def _copies(there: TopicMetadata) -> int:
    return min((len(partition.replicas) for partition in there.partitions.values()), default=1)


def _settings(topic: Topic, replicas: int) -> dict[str, str]:
    """What is declared; and of three copies two must have a record before it is acknowledged, so that either may be lost after that."""
    return topic.config() | {"min.insync.replicas": "2" if replicas >= COPIES else "1"}


def _resource(topic: Topic, replicas: int = 1) -> ConfigResource:
    entries = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in _settings(topic, replicas).items()]
    return ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=entries)
