"""Who may write and read which topic, as `schemas/topics` says it: a service writes its own topics only, and reads what it consumes.

A service's user is called as the service is. It also reads its own topics: its relay looks at their newest records.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported by its __init__, which has no __all__
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from casebus.cluster import Cluster
from casebus.topic_admin import SECONDS, Change
from casebus.topics import Topic

LOOKS = "continuum-"
"""How the groups begin that nobody joins: a client needs a group's name to look at a log."""


@dataclass(frozen=True, order=True, slots=True)
class Right:
    """A user may do one thing with a topic, or with every group whose name begins so."""

    on: str
    name: str
    user: str
    may: str


def rights_of(topics: Iterable[Topic]) -> set[Right]:
    """All that services need, and nothing else."""
    found = set()
    for topic in topics:
        found |= {Right("TOPIC", topic.name, topic.owner, may) for may in ("WRITE", "READ")}
        found |= {Right("TOPIC", topic.name, consumer, "READ") for consumer in topic.consumers}
    for user in {right.user for right in found}:
        found |= {Right("GROUP", f"{user}.", user, "READ"), Right("GROUP", LOOKS, user, "DESCRIBE")}
    return found


def diff(cluster: Cluster, topics: Iterable[Topic]) -> list[Change]:
    """What `apply` would give, and what was given beside that. Nothing where clients don't sign in."""
    return _bring(cluster, rights_of(topics), give=False)


def apply(cluster: Cluster, topics: Iterable[Topic]) -> list[Change]:
    """Give what is missing. Returns what was different; what isn't `possible` is for a person to take away."""
    return _bring(cluster, rights_of(topics), give=True)


def _bring(cluster: Cluster, wanted: set[Right], *, give: bool) -> list[Change]:
    if not cluster.protocol.signs_in:
        return []
    admin = AdminClient(cluster.client())
    try:
        there = admin.describe_acls(_ANY, request_timeout=SECONDS).result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.SECURITY_DISABLED:
            raise
        return [Change("every topic", "is open to everybody: the broker has no authorizer", possible=False)]
    missing = [right for right in sorted(wanted) if _binding(right) not in there]
    if give and missing:
        for future in admin.create_acls([_binding(right) for right in missing], request_timeout=SECONDS).values():
            future.result()
    declared, topics = [_binding(right) for right in wanted], {right.name for right in wanted if right.on == "TOPIC"}
    more = [binding for binding in there if binding not in declared and any(_concerns(binding, topic) for topic in topics)]
    return [Change(right.name, f"is not open to {right.user} ({right.may.lower()})") for right in missing] + [
        Change(one.name, f"has a right that nobody declared: {one.principal} {_words(one)}", possible=False) for one in more
    ]


def _binding(right: Right) -> AclBinding:
    pattern = ResourcePatternType.LITERAL if right.on == "TOPIC" else ResourcePatternType.PREFIXED
    kind, may = ResourceType[right.on], AclOperation[right.may]
    return AclBinding(kind, right.name, pattern, f"User:{right.user}", "*", may, AclPermissionType.ALLOW)


def _concerns(binding: AclBinding, topic: str) -> bool:
    if binding.restype is not ResourceType.TOPIC:
        return False
    prefixed = binding.resource_pattern_type is ResourcePatternType.PREFIXED
    return topic.startswith(binding.name) if prefixed else binding.name in (topic, "*")


def _words(binding: AclBinding) -> str:
    allows, may = AclPermissionType(binding.permission_type), AclOperation(binding.operation)
    return f"({'may' if allows is AclPermissionType.ALLOW else 'may not'} {may.name.lower()})"


_ANY = AclBindingFilter(
    ResourceType.ANY,
    None,  # type: ignore[arg-type]  # any, which its stubs leave out; so for the next two
    ResourcePatternType.ANY,
    None,  # type: ignore[arg-type]
    None,  # type: ignore[arg-type]
    AclOperation.ANY,
    AclPermissionType.ANY,
)
