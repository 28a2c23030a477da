"""What our compatibility check lets pass, Avro itself can resolve in both directions."""

from io import BytesIO
from pathlib import Path
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.schema import SchemaParseException
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from casebus.schema_checks import Catalogue
from casebus.schema_checks.versions import every_version_reads_every_other
from casebus.schemas import Schema

ENUMS = st.lists(st.sampled_from("ABC"), min_size=1, max_size=3, unique=True)
VALUES: dict[str, object] = {"int": 7, "long": 8, "string": "x", "boolean": True}
Fields = list[dict[str, Any]]


@st.composite
def types(draw: st.DrawFn) -> tuple[Any, Any]:
    """A type and a default of it."""
    plain = draw(st.sampled_from([*VALUES, "enum"]))
    if plain == "enum":
        symbols = draw(ENUMS)
        default = draw(st.sampled_from([*({"default": symbol} for symbol in symbols), {}]))
        return {"type": "enum", "name": draw(st.sampled_from(["E", "F"])), "symbols": symbols, **default}, symbols[0]
    wrap = draw(st.sampled_from(["", "null", "list"]))
    if wrap == "list":
        return {"type": "array", "items": plain}, []
    return (["null", plain], None) if wrap else (plain, VALUES[plain])


@st.composite
def records(draw: st.DrawFn) -> Fields:
    """Some of three fields, of which at most one is an enum."""
    fields: Fields = []
    for name in draw(st.lists(st.sampled_from("abc"), unique=True)):
        type, default = draw(types())
        fields.append({"name": name, "type": type, **({"default": default} if draw(st.booleans()) else {})})
    assume(sum(isinstance(field["type"], dict) and field["type"]["type"] == "enum" for field in fields) < 2)
    return fields


def schema(version: int, fields: Fields) -> Schema:
    document = {"type": "record", "name": "Happened", "namespace": "intake", "fields": fields}
    return Schema(owner="intake", name="Happened", version=version, path=Path(f"/s/Happened.v{version}.avsc"), document=document)


def values(fields: Fields) -> list[dict[str, object]]:
    """Records in which each enum says each of its symbols."""
    return [{field["name"]: _value(field["type"], number) for field in fields} for number in range(3)]


def _value(type: Any, number: int) -> object:
    if isinstance(type, list):
        return VALUES[type[1]]
    if isinstance(type, dict):
        return type["symbols"][number % len(type["symbols"])] if type["type"] == "enum" else [VALUES[type["items"]]]
    return VALUES[type]


@settings(max_examples=400, suppress_health_check=[HealthCheck.filter_too_much])
@given(records(), st.data())
def test_versions_that_pass_read_each_other(old: Fields, data: st.DataObject) -> None:
    kept = [field for field in old if data.draw(st.booleans())]
    new = kept + [field for field in data.draw(records()) if field["name"] not in {each["name"] for each in kept}]
    pair = [schema(1, old), schema(2, new)]
    assume(not list(every_version_reads_every_other(Catalogue(folder=Path("/s"), schemas=pair, topics=[], lock=[]))))
    for writer, reader in (pair, pair[::-1]):
        for value in values(old if writer is pair[0] else new):
            _carry(value, writer, reader)


def _carry(value: dict[str, object], writer: Schema, reader: Schema) -> None:
    body = BytesIO()
    try:
        wrote, reads = parse_schema(dict(writer.document)), parse_schema(dict(reader.document))
    except SchemaParseException:
        return  # two enums of one name in one record: another check's case
    schemaless_writer(body, wrote, value)
    body.seek(0)
    read = schemaless_reader(body, wrote, reads)
    assert isinstance(read, dict)
    assert read.keys() == {field["name"] for field in reads["fields"]}  # type: ignore[index,call-overload]  # a record, always
