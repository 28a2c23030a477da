"""The examples: `schemas/examples/<owner>/<Event>.v1/<case>.json`, the fields of an event as JSON."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from uuid import UUID

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.schema import SchemaParseException

from casebus.schema_checks.catalogue import Catalogue
from casebus.schemas import BadSchema, Field, Schema, fields_of


def examples_of(schema: Schema, folder: Path) -> list[Path]:
    """The example files of one version."""
    return sorted((folder / "examples" / schema.owner / f"{schema.name}.v{schema.version}").glob("*.json"))


def read_example(schema: Schema, path: Path) -> dict[str, object]:
    """The example's fields as Python values (UUID, date, aware datetime). Raises ValueError naming the field that does not fit."""
    example = json.loads(path.read_text())
    fields = {field.name: field for field in fields_of(schema)}
    if not isinstance(example, dict) or example.keys() != fields.keys():
        raise ValueError("it has exactly the fields of the schema")
    return {name: _python(field, example[name]) for name, field in fields.items()}


def written(schema: Schema, values: Mapping[str, object]) -> bytes:
    """The Avro body of a record in this very version."""
    body = BytesIO()
    schemaless_writer(body, parse_schema(dict(schema.document)), dict(values), strict=True)
    return body.getvalue()


def every_version_has_an_example(catalogue: Catalogue) -> Iterator[BadSchema]:
    """And it encodes and decodes to itself."""
    expected = set()
    for schema in catalogue.schemas:
        paths = examples_of(schema, catalogue.folder)
        expected.update(paths)
        if not paths:
            yield catalogue.wrong(schema, "examples", f"add examples/{schema.owner}/{schema.name}.v{schema.version}/typical.json")
        for path in paths:
            fault = _fault(schema, path)
            if fault is not None:
                yield BadSchema(path.relative_to(catalogue.folder).as_posix(), "the example", fault)
    for path in (catalogue.folder / "examples").rglob("*.*"):
        if path.is_file() and path not in expected:
            yield BadSchema(path.relative_to(catalogue.folder).as_posix(), "the file", "belongs to no schema: remove it")


def _fault(schema: Schema, path: Path) -> str | None:
    try:
        values = read_example(schema, path)
        read = schemaless_reader(BytesIO(written(schema, values)), parse_schema(dict(schema.document)), None)
    except (BadSchema, SchemaParseException):
        return None  # fields_are_plain complains of the schema
    except (ValueError, TypeError, KeyError) as wrong:
        return f"does not fit its schema: {wrong}"
    return None if read == values else "does not read back as itself"


def _python(field: Field, value: object) -> object:
    if value is None and field.optional:
        return None
    if field.many:
        if not isinstance(value, list):
            raise ValueError(f"{field.name} is a list")
        return [_scalar(field, item) for item in value]
    return _scalar(field, value)


def _scalar(field: Field, value: object) -> object:
    try:
        if field.type == "uuid":
            return UUID(str(value))
        if field.type == "date":
            return date.fromisoformat(str(value))
        if field.type == "timestamp-micros":
            return _instant(str(value))
    except ValueError:
        raise ValueError(f"{field.name} is no {field.type}") from None
    if field.enumeration and value not in field.enumeration.symbols:
        raise ValueError(f"{field.name} is no symbol of {field.enumeration.name}")
    return value


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)
