"""Checks of the versions of an event against each other and against the lock file."""

from collections.abc import Iterator
from itertools import combinations

from casebus.schema_checks.catalogue import Catalogue, readable_fields
from casebus.schemas import NO_DEFAULT, BadSchema, Field, Schema


def versions_count_from_one(catalogue: Catalogue) -> Iterator[BadSchema]:
    for versions in catalogue.versions().values():
        for number, schema in enumerate(versions, start=1):
            if schema.version != number:
                yield catalogue.wrong(schema, "the file's name", f"the next version is v{number}: none is left out or removed")
                break


def every_version_reads_every_other(catalogue: Catalogue) -> Iterator[BadSchema]:
    """FULL_TRANSITIVE, by Avro's rules of resolution. As both directions must hold, no type ever changes, and nothing but enum symbols
    and fields with a default come or go."""
    for versions in catalogue.versions().values():
        for old, new in combinations(versions, 2):
            for field, fix in _conflicts(old, new):
                yield catalogue.wrong(new, field, f"{fix} (against v{old.version})")


def ids_are_locked(catalogue: Catalogue) -> Iterator[BadSchema]:
    """The lock names exactly the schemas, each as it was when it got its id."""
    fingerprints = {(line.type, line.version): line.fingerprint for line in catalogue.lock}
    for schema in catalogue.schemas:
        locked = fingerprints.pop((schema.type, schema.version), None)
        if locked is None:
            yield catalogue.wrong(schema, "ids.lock", "has no id yet: run `make events`")
        elif locked != schema.fingerprint:
            yield catalogue.wrong(schema, "ids.lock", f"was edited after it got its id: restore it and write v{schema.version + 1}")
    for type, version in fingerprints:
        yield BadSchema("ids.lock", f"{type} {version}", "its schema is gone: restore it, somebody may still hold such an event")
    for earlier, later in combinations(catalogue.lock, 2):
        if earlier.id >= later.id or (earlier.type, earlier.version) == (later.type, later.version):
            yield BadSchema("ids.lock", f"{later.type} {later.version}", "each id and each version stands once, in the order of the ids")


def _conflicts(old: Schema, new: Schema) -> Iterator[tuple[str, str]]:
    before = {field.name: field for field in readable_fields(old)}
    after = {field.name: field for field in readable_fields(new)}
    for name in before.keys() | after.keys():
        was, now = before.get(name), after.get(name)
        if was is None or now is None:
            lone = was or now
            if lone is not None and lone.default is NO_DEFAULT:
                yield name, "a field that not every version has needs a default"
        elif _shape(was) != _shape(now):
            yield name, "its type changed: keep it and add a field of another name"
        elif was.enumeration and now.enumeration and set(was.enumeration.symbols) != set(now.enumeration.symbols):
            yield from _unreadable(name, was, now)


def _shape(field: Field) -> tuple[object, ...]:
    return field.type, field.many, field.optional, field.enumeration and field.enumeration.name


def _unreadable(name: str, was: Field, now: Field) -> Iterator[tuple[str, str]]:
    for one, other in ((was.enumeration, now.enumeration), (now.enumeration, was.enumeration)):
        if one and other and one.default not in one.symbols and set(other.symbols) - set(one.symbols):
            yield name, "its enum needs a default for the symbols that not every version has"
