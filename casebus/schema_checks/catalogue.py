"""All that lies below schemas/, read once for all checks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from casebus.schemas import BadSchema, Field, Locked, Schema, fields_of, read_lock, read_schemas
from casebus.topics import Topic, read_topics


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalogue:
    """Schemas of all versions, topics, ids and where the examples are."""

    folder: Path
    schemas: list[Schema]
    topics: list[Topic]
    lock: list[Locked]

    def wrong(self, schema: Schema, field: str, fix: str) -> BadSchema:
        return BadSchema(schema.path.relative_to(self.folder).as_posix(), field, fix)

    def versions(self) -> dict[str, list[Schema]]:
        """The versions of each type, the oldest first."""
        versions: dict[str, list[Schema]] = {}
        for schema in sorted(self.schemas, key=lambda schema: schema.version):
            versions.setdefault(schema.type, []).append(schema)
        return versions


Check = Callable[[Catalogue], Iterator[BadSchema]]


def read_catalogue(folder: Path) -> Catalogue:
    """Raises BadSchema for the first file that cannot be read at all."""
    return Catalogue(folder=folder, schemas=read_schemas(folder), topics=read_topics(folder), lock=read_lock(folder))


def readable_fields(schema: Schema) -> list[Field]:
    """The fields; none where `fields_are_plain` complains anyway."""
    try:
        return fields_of(schema)
    except BadSchema:
        return []


def topic_file(topic: Topic) -> str:
    return f"topics/{topic.owner}.yaml"
