"""Checks of one schema by itself: its words, its types, its defaults, its marks."""

import keyword
import re
from collections.abc import Iterator

from fastavro import parse_schema
from fastavro.schema import SchemaParseException, UnknownType

from casebus.schema_checks.catalogue import Catalogue, readable_fields
from casebus.schemas import NO_DEFAULT, BadSchema, Enumeration, Field, Schema, fields_of, newest

MARKS = ("none", "name", "place", "free-text")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SYMBOL = re.compile(r"[A-Z][A-Z0-9_]*")


def words_explain_it(catalogue: Catalogue) -> Iterator[BadSchema]:
    for schema in catalogue.schemas:
        if not schema.document.get("doc"):
            yield catalogue.wrong(schema, "doc", "say in the words of social work what happened")
        for field in readable_fields(schema):
            if not field.doc:
                yield catalogue.wrong(schema, field.name, "add a doc that says what it means")


def nothing_is_endless(catalogue: Catalogue) -> Iterator[BadSchema]:
    """A record within itself can exhaust the stack, a list of nulls the memory: a few bytes would do."""
    for schema in catalogue.schemas:
        for field, fix in _endless(schema.document, (), "fields", schema.owner):
            yield catalogue.wrong(schema, field, fix)


def fields_are_plain(catalogue: Catalogue) -> Iterator[BadSchema]:
    for schema in catalogue.schemas:
        try:
            fields = fields_of(schema)
            parse_schema(dict(schema.document))
        except BadSchema as wrong:
            yield catalogue.wrong(schema, wrong.field, wrong.fix)
            continue
        except (SchemaParseException, UnknownType, KeyError, ValueError) as wrong:
            yield catalogue.wrong(schema, "the record", f"is no Avro schema: {wrong}")
            continue
        for field in fields:
            if not _NAME.fullmatch(field.name) or keyword.iskeyword(field.name) or field.name == "subject":
                yield catalogue.wrong(schema, field.name, "name it in lower_case, not by a word of Python, and not `subject`")


def defaults_are_given(catalogue: Catalogue) -> Iterator[BadSchema]:
    for schema in catalogue.schemas:
        for field in readable_fields(schema):
            if field.optional and field.default is not None:
                yield catalogue.wrong(schema, field.name, 'a field that may be null says "default": null')
            elif not field.optional and field.default is not NO_DEFAULT and not _fits(field):
                yield catalogue.wrong(
                    schema, field.name, "its default is not of its type (ids and times have none, a list has the empty one)"
                )


def enums_have_a_default(catalogue: Catalogue) -> Iterator[BadSchema]:
    for schema, enum in _enums(catalogue.schemas):
        if enum.default not in enum.symbols:
            yield catalogue.wrong(
                schema, enum.name, 'give the enum a "default" that is one of its symbols: older readers take it for newer ones'
            )
        if not all(_SYMBOL.fullmatch(symbol) for symbol in enum.symbols):
            yield catalogue.wrong(schema, enum.name, "write symbols in UPPER_CASE")
        if not enum.doc:
            yield catalogue.wrong(schema, enum.name, "add a doc to the enum")


def enums_of_one_name_are_one(catalogue: Catalogue) -> Iterator[BadSchema]:
    """Where several newest events of an owner use an enum, it is one class: so it says the same in all."""
    first: dict[tuple[str, str], Enumeration] = {}
    for schema, enum in _enums(newest(catalogue.schemas)):
        if first.setdefault((schema.owner, enum.name), enum) != enum:
            yield catalogue.wrong(
                schema, enum.name, f"is not the {schema.owner}.{enum.name} of another event: make them equal or name it otherwise"
            )


def personal_data_is_marked(catalogue: Catalogue) -> Iterator[BadSchema]:
    """Text says what it is about a person; what names or places one, or is free, waits until it can be sealed."""
    for schema in catalogue.schemas:
        for field in readable_fields(schema):
            mark = "none" if field.personal is None and field.type not in ("string", "bytes") else field.personal
            if mark not in MARKS:
                yield catalogue.wrong(schema, field.name, f'say what it tells of a person, "personal": one of {", ".join(MARKS)}')
            elif mark != "none":
                yield catalogue.wrong(
                    schema, field.name, "names or places a person or is free text: leave it out until events can be sealed"
                )


def _enums(schemas: list[Schema]) -> Iterator[tuple[Schema, Enumeration]]:
    for schema in schemas:
        for field in readable_fields(schema):
            if field.enumeration is not None:
                yield schema, field.enumeration


def _fits(field: Field) -> bool:
    if field.many:
        return field.default == []
    if field.enumeration is not None:
        return field.default in field.enumeration.symbols
    python = {"boolean": bool, "int": int, "long": int, "double": float, "string": str}.get(field.type)
    return python is not None and type(field.default) is python


def _endless(part: object, within: tuple[str, ...], field: str, owner: str) -> Iterator[tuple[str, str]]:
    if isinstance(part, str) and (part in within or f"{owner}.{part}" in within):
        yield field, "a record may not hold itself: refer to it by its id"
    elif isinstance(part, list):
        for one in part:
            yield from _endless(one, within, field, owner)
    elif isinstance(part, dict):
        inner = part.get("items", part.get("values"))
        if part.get("type") in ("array", "map") and _is_empty(inner):
            yield field, "a list or map of null fills the memory from a few bytes: give its items a type"
        yield from _endless(inner, within, field, owner)
        if isinstance(part.get("type"), dict | list):
            yield from _endless(part["type"], within, field, owner)
        own = (*within, f"{part.get('namespace', owner)}.{part.get('name')}")
        for one in _dicts(part.get("fields")):
            yield from _endless(one.get("type"), own, str(one.get("name", field)), owner)


def _is_empty(type: object) -> bool:
    """Whether a value of the type may take no bytes."""
    if isinstance(type, dict):
        empty_record = type.get("type") == "record" and all(_is_empty(field.get("type")) for field in _dicts(type.get("fields")))
        return empty_record or type.get("size") == 0 or _is_empty(type.get("type"))
    return type == "null"


def _dicts(parts: object) -> list[dict[str, object]]:
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
