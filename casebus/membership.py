"""Who reads what of a group, by what its coordinator says."""

from collections.abc import Mapping
from concurrent.futures import TimeoutError as NoAnswer

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from casebus.cluster import Cluster
from casebus.kafka import LOOK_SECONDS, Partition

LONGER_THAN_WE_WAIT = 3600.0
"""librdkafka ends the whole process where a coordinator is found after its question was given up: so we give up, and it never does."""


def unread(cluster: Cluster, group: str, topics: Mapping[str, int], but: str) -> set[Partition]:
    """The partitions of these topics, by their number of partitions, that no member of the group has but the client of that name.

    All of them where the group is between two assignments. Raises BrokerFailure.
    """
    admin = AdminClient(cluster.client())  # it has to live until it has its answer
    asked = admin.describe_consumer_groups([group], request_timeout=LONGER_THAN_WE_WAIT)[group]
    try:
        found = asked.result(LOOK_SECONDS)
    except NoAnswer:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None
    others = [member for member in found.members if member.client_id != but]
    taken = {(place.topic, place.partition) for member in others for place in member.assignment.topic_partitions}
    return {(topic, part) for topic, parts in topics.items() for part in range(parts)} - taken
