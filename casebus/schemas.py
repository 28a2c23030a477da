"""The schemas of the repository: their files, what their fields mean in Python, and the ids that stand for them on the wire.

`schemas/avro/<owner>/<Event>.v1.avsc` is one version of one event and is never edited once it is in `schemas/ids.lock`.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

SCHEMAS: Final = Path(__file__).resolve().parents[1] / "schemas"
NO_DEFAULT: Final = object()
Document = Mapping[str, object]
_FILE = re.compile(r"([A-Z][A-Za-z0-9]*)\.v([1-9][0-9]{0,3})\.avsc")


class BadSchema(ValueError):
    """A file below schemas/ that cannot be used; says file, field and fix."""

    def __init__(self, file: str, field: str, fix: str) -> None:
        super().__init__(f"{file}: {field}: {fix}")
        self.file, self.field, self.fix = file, field, fix


class UnknownSchema(LookupError):
    """Nobody has given out this id, or no id for this type and version."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """One version of one event, as its file says it."""

    owner: str
    name: str
    version: int
    path: Path
    document: Document

    @property
    def type(self) -> str:
        return f"{self.owner}.{self.name}"

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.document)


@dataclass(frozen=True, kw_only=True, slots=True)
class Enumeration:
    """An enum type of a schema; its full name is `<owner>.<name>`."""

    name: str
    doc: str
    symbols: tuple[str, ...]
    default: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """A field in plain terms. `type` is an Avro type or logical type, "enum" with `enumeration`; `many` and `optional` wrap it."""

    name: str
    doc: str
    type: str
    enumeration: Enumeration | None
    many: bool
    optional: bool
    personal: str | None
    default: object
    """What a reader takes where the writer had no such field; NO_DEFAULT where there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Locked:
    """A line of ids.lock."""

    id: int
    type: str
    version: int
    fingerprint: str


class SchemaIds(Protocol):
    """Who gives schemas their numbers on the wire: the lock file, or a registry."""

    def id_of(self, type: str, version: int, /) -> int:
        """The id of one version of an event. Raises UnknownSchema."""

    def schema_of(self, id: int, /) -> Document:
        """The schema behind an id, whoever wrote it. Raises UnknownSchema."""


class LockedIds:
    """The ids of `schemas/ids.lock`. Raises BadSchema when a published schema was edited or is gone."""

    def __init__(self, folder: Path = SCHEMAS) -> None:
        published = {(schema.type, schema.version): schema for schema in read_schemas(folder)}
        self._ids: dict[tuple[str, int], int] = {}
        self._documents: dict[int, Document] = {}
        for line in read_lock(folder):
            schema = published.get((line.type, line.version))
            if schema is None or schema.fingerprint != line.fingerprint:
                raise BadSchema(
                    "ids.lock", f"{line.type} {line.version}", "the schema of a published version was edited or removed: restore it"
                )
            self._ids[line.type, line.version] = line.id
            self._documents[line.id] = schema.document

    def id_of(self, type: str, version: int, /) -> int:
        try:
            return self._ids[type, version]
        except KeyError:
            raise UnknownSchema(f"{type} version {version} has no id: run `make events`") from None

    def schema_of(self, id: int, /) -> Document:
        try:
            return self._documents[id]
        except KeyError:
            raise UnknownSchema(f"no schema has the id {id}") from None


def fingerprint_of(document: Document) -> str:
    """SHA-256 of all that readers depend on: the document without its docs, white space and the order of its attributes."""
    return hashlib.sha256(json.dumps(_undocumented(document), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_schemas(folder: Path = SCHEMAS) -> list[Schema]:
    """All versions of all events, by owner, name and version. Raises BadSchema for a file that is no schema of its place."""
    found = [_read_schema(path, folder) for path in (folder / "avro").rglob("*.*")]
    return sorted(found, key=lambda schema: (schema.owner, schema.name, schema.version))


def newest(schemas: Iterable[Schema]) -> list[Schema]:
    """The newest version of each event, in the order given."""
    last = {schema.type: schema for schema in sorted(schemas, key=lambda schema: schema.version)}
    return sorted(last.values(), key=lambda schema: (schema.owner, schema.name))


def read_lock(folder: Path = SCHEMAS) -> list[Locked]:
    """The lines of ids.lock, in the order of their ids; none where there is no file yet."""
    path = folder / "ids.lock"
    if not path.exists():
        return []
    lines = [line.split() for line in path.read_text().splitlines() if line and not line.startswith("#")]
    try:
        return [Locked(id=int(id), type=type, version=int(version), fingerprint=print) for id, type, version, print in lines]
    except ValueError:
        raise BadSchema("ids.lock", "a line", "each line is: id, type, version, fingerprint") from None


def fields_of(schema: Schema) -> list[Field]:
    """The fields of a schema that passes the checks. Raises BadSchema for a type outside the plain ones that events are made of."""
    fields = schema.document.get("fields")
    if not isinstance(fields, list):
        raise BadSchema(schema.path.name, "fields", "a record has a list of fields")
    return [_field(schema, field) for field in fields]


def _read_schema(path: Path, folder: Path) -> Schema:
    file = path.relative_to(folder).as_posix()
    named = _FILE.fullmatch(path.name)
    if named is None or len(path.relative_to(folder / "avro").parts) != 2:
        raise BadSchema(file, "the file's name", "a schema is avro/<owner>/<Event>.v<version>.avsc")
    try:
        document = json.loads(path.read_text())
    except ValueError:
        raise BadSchema(file, "the file", "is not JSON") from None
    owner, name = path.parent.name, named[1]
    if not isinstance(document, dict) or [document.get(key) for key in ("type", "namespace", "name")] != ["record", owner, name]:
        raise BadSchema(file, "type, namespace, name", f"say record, {owner} and {name}, as the file's path does")
    return Schema(owner=owner, name=name, version=int(named[2]), path=path, document=document)


def _undocumented(part: object) -> object:
    if isinstance(part, dict):
        return {key: _undocumented(value) for key, value in part.items() if key != "doc"}
    return [_undocumented(value) for value in part] if isinstance(part, list) else part


LOGICAL: Final = {"uuid": "string", "date": "int", "timestamp-micros": "long"}
PLAIN: Final = ("boolean", "int", "long", "double", "string", "bytes", "uuid", "date", "timestamp-micros", "enum")


def _field(schema: Schema, field: object) -> Field:
    if not isinstance(field, dict) or not isinstance(field.get("name"), str):
        raise BadSchema(schema.path.name, "fields", "each field has a name")
    type, many, optional = field.get("type"), False, False
    if isinstance(type, list) and len(type) == 2 and type[0] == "null":
        type, optional = type[1], True
    if isinstance(type, dict) and type.get("type") == "array":
        type, many = type.get("items"), True
    base = str(type.get("type")) if isinstance(type, dict) else str(type)
    plain = str(type.get("logicalType", base)) if isinstance(type, dict) else base
    if plain not in PLAIN or LOGICAL.get(plain, base) != base or (optional and many):
        raise BadSchema(schema.path.name, field["name"], f'an event is flat: one of {", ".join(PLAIN)}, an array of it, or ["null", it]')
    return Field(
        name=field["name"],
        doc=str(field.get("doc", "")),
        type=plain,
        enumeration=_enumeration(type) if plain == "enum" and isinstance(type, dict) else None,
        many=many,
        optional=optional,
        personal=field.get("personal"),
        default=field.get("default", NO_DEFAULT),
    )


def _enumeration(type: Mapping[str, object]) -> Enumeration:
    symbols = type.get("symbols")
    return Enumeration(
        name=str(type.get("name")),
        doc=str(type.get("doc", "")),
        symbols=tuple(map(str, symbols)) if isinstance(symbols, list) else (),
        default=str(type.get("default", "")),
    )
