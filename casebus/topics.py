"""The topics, as `schemas/topics/<owner>.yaml` declares them: who writes, who reads, what keeps the order, how long it stays."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError, with_config

from casebus.schemas import SCHEMAS, BadSchema


class Kind(StrEnum):
    """What a topic is for. CASE topics share their partition count and keep everything; CHANGELOG topics belong to Faust's tables."""

    CASE = "case"
    WATCH = "watch"
    WATERMARK = "watermark"
    CHANGELOG = "changelog"


class Cleanup(StrEnum):
    """What Kafka may drop: nothing, what is older than the retention, or all but the last record of a key."""

    NONE = "none"
    DELETE = "delete"
    COMPACT = "compact"


def _period(text: object) -> object:
    """ "forever" is None; "7d" are seven days."""
    return None if text == "forever" else f"P{text}".upper()


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """A topic. `events` are types ("intake.CaseOpened"), `retention` None is for ever, `key` names the field whose value is the key."""

    name: str
    kind: Kind
    doc: str
    key: str
    partitions: int
    cleanup: Cleanup
    retention: Annotated[timedelta | None, BeforeValidator(_period)]
    consumers: tuple[str, ...]
    personal_data: str
    events: tuple[str, ...] = ()
    owner: str = ""

    def config(self) -> dict[str, str]:
        """The topic's settings as Kafka names them."""
        kept = -1 if self.retention is None else round(self.retention.total_seconds() * 1000)
        policy = "compact" if self.cleanup is Cleanup.COMPACT else "delete"
        return {"cleanup.policy": policy, "retention.ms": str(kept), "retention.bytes": "-1"} | _COMPACTED.get(self.kind, {})


_COMPACTED: Mapping[Kind, dict[str, str]] = {Kind.WATERMARK: {"segment.ms": "600000", "min.cleanable.dirty.ratio": "0.1"}}
"""Owners state several times a second, and who reads statements begins at the first: what is older than minutes is to be gone by then."""


@dataclass(frozen=True, slots=True)
class _File:
    topics: tuple[Topic, ...]


_READER = TypeAdapter(_File)


def read_topics(folder: Path = SCHEMAS) -> list[Topic]:
    """All topics by owner, in the order of their files. Raises BadSchema naming file, field and fix."""
    return [topic for path in sorted((folder / "topics").iterdir()) for topic in _read_file(path)]


def case_topics(topics: list[Topic]) -> list[Topic]:
    """The topics that hold the facts of cases."""
    return [topic for topic in topics if topic.kind is Kind.CASE]


def _read_file(path: Path) -> list[Topic]:
    file = f"topics/{path.name}"
    if path.suffix != ".yaml":
        raise BadSchema(file, "the file's name", "is topics/<owner>.yaml")
    try:
        topics = _READER.validate_python(yaml.safe_load(path.read_text())).topics
    except yaml.YAMLError:
        raise BadSchema(file, "the file", "is not YAML") from None
    except ValidationError as wrong:
        first = wrong.errors()[0]
        raise BadSchema(file, ".".join(str(part) for part in first["loc"]) or "topics", first["msg"]) from None
    return [replace(topic, owner=path.stem, events=tuple(_full(path.stem, name) for name in topic.events)) for topic in topics]


def _full(owner: str, name: str) -> str:
    return name if "." in name else f"{owner}.{name}"
