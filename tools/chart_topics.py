"""The topics and rights of schemas/topics as the chart needs them: it sees no file outside its own folder."""

from collections.abc import Iterable
from typing import Any

import yaml

from casebus.rights import Right, rights_of
from casebus.topics import Topic, case_topics

HEAD = "# Made by `make events` from schemas/topics, which is what to change.\n"


def chart_topics(topics: list[Topic]) -> str:
    """The topics as Strimzi's KafkaTopic has them, and each user's rights as its KafkaUser has them."""
    declared = {
        "partitions": case_topics(topics)[0].partitions,
        "topics": [{"name": topic.name, "partitions": topic.partitions, "config": _config(topic.config())} for topic in topics],
        "users": {user: _acls(user, rights_of(topics)) for user in sorted({right.user for right in rights_of(topics)})},
    }
    return HEAD + yaml.safe_dump(declared, sort_keys=False)


def _config(told: dict[str, str]) -> dict[str, str | int]:
    return {name: int(value) if value.lstrip("-").isdigit() else value for name, value in told.items()}


def _acls(user: str, rights: Iterable[Right]) -> list[dict[str, Any]]:
    """One rule for each topic or group, with all that the user may do with it."""
    may: dict[tuple[str, str], list[str]] = {}
    for right in sorted(rights):
        if right.user == user:
            may.setdefault((right.on, right.name), []).append(right.may.capitalize())
    return [
        {"resource": {"type": on.lower(), "name": name, "patternType": "literal" if on == "TOPIC" else "prefix"}, "operations": operations}
        for (on, name), operations in may.items()
    ]
