"""What a person does to heal what continuum refuses to heal by itself, and what it tells that person."""

from functools import partial

import httpx
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from sqlalchemy import Engine

from casebus.cluster import Cluster
from casebus.kafka import Log, bounds
from casebus.rebuild import rebuild
from casebus.relay import reseed
from casebus.topic_admin import apply
from casebus.topics import read_topics
from continuum.operations import blueprint_of
from continuum.stack import SERVICES
from tests.faults import store
from tests.faults.ground import Platform
from tests.waiting import until

HEAL_SECONDS = 180.0


def reseeded(platform: Platform, *names: str) -> None:
    """`continuum reseed` of each."""
    cluster = Cluster(platform.run.bootstrap)
    apply(cluster, read_topics())
    for name in names:
        log = Log(cluster)
        try:
            reseed(platform.engines[name], log, blueprint_of(name).topics())
        finally:
            log.close()


def rebuilt(engine: Engine) -> int:
    """`continuum rebuild`. 1 when the inbox lies in another file than before: it was emptied."""
    before = _file(engine)
    rebuild(engine)
    return int(_file(engine) != before)


def trimmed(platform: Platform, topic: str) -> int:
    """Everything that lies in the topic is deleted, by mistake; how many records."""
    cluster = Cluster(platform.run.bootstrap)
    admin, there = AdminClient(cluster.client()), bounds(cluster, topic)
    ends = [TopicPartition(topic, part, end) for part, (_, end) in enumerate(there)]
    for done in admin.delete_records(ends).values():
        done.result()
    return sum(end - low for low, end in there) - sum(end - low for low, end in bounds(cluster, topic))


def complaint(platform: Platform, name: str) -> str:
    """Why the service says that it is not ready; empty where it says nothing of the kind."""
    try:
        answer = httpx.get(f"{platform.run.urls[name]}/readyz", timeout=5, trust_env=False)
    except httpx.HTTPError:
        return ""
    return "" if answer.is_success else answer.text


def await_complaint(platform: Platform, name: str, words: str) -> None:
    """Returns once the service says these words at /readyz."""
    until(lambda: words in complaint(platform, name), HEAL_SECONDS)


def await_ready(platform: Platform) -> None:
    """Returns once every service says that it has nothing to complain of."""
    for name in SERVICES:
        until(partial(_is_ready, platform, name), HEAL_SECONDS)


def _is_ready(platform: Platform, name: str) -> bool:
    try:
        return httpx.get(f"{platform.run.urls[name]}/readyz", timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _file(engine: Engine) -> int:
    return store.count(engine, "SELECT pg_relation_filenode('copy.inbox')")
