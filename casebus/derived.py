"""Forgetting what was derived from the log: a consumer group's offsets, and the changelog topics of its tables. No fact is touched."""

import time
from collections.abc import Callable, Iterable

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from casebus.cluster import Cluster
from casebus.topic_admin import SECONDS, apply
from casebus.topics import Topic

_LOOK_SECONDS = 0.1
_NOT_YET = (
    KafkaError.NON_EMPTY_GROUP,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
)


class StillRead(Exception):
    """Somebody still reads as this group; the message says what to stop."""


def forget(cluster: Cluster, group: str, changelogs: Iterable[Topic], *, patience: float) -> None:
    """Delete the group with its offsets, and make its changelogs anew, empty, with the replication they had.

    Waits up to `patience` seconds, since the broker gives up a reader that was killed only when its session ends; then raises StillRead.
    May be run again after a failure: offsets go first, and a reader without offsets begins at the beginning.
    """
    admin = AdminClient(cluster.client())
    if not _comes_true(lambda: _group_is_gone(admin, group), patience):
        raise StillRead(f"a worker of {group} still runs: stop it first")
    topics = {topic.name: topic for topic in changelogs}
    there = admin.list_topics(timeout=SECONDS).topics
    old = [name for name in topics if name in there]
    replication = max([1, *(len(partition.replicas) for name in old for partition in there[name].partitions.values())])
    for gone in admin.delete_topics(old, operation_timeout=SECONDS).values() if old else ():
        gone.result()
    if not _comes_true(lambda: topics.keys().isdisjoint(admin.list_topics(timeout=SECONDS).topics), SECONDS):
        raise TimeoutError(f"the broker still lists {', '.join(old)} after {SECONDS:.0f} s: run this again")
    apply(cluster, topics.values(), replication=replication)


def _group_is_gone(admin: AdminClient, group: str) -> bool:
    try:
        admin.delete_consumer_groups([group], request_timeout=SECONDS)[group].result()
    except KafkaException as refused:
        code = refused.args[0].code()
        if code in _NOT_YET:
            return False
        if code != KafkaError.GROUP_ID_NOT_FOUND:
            raise
    return True


def _comes_true(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True
