"""Schemas of an owner that no other test has, as a folder to publish."""

import json
from pathlib import Path
from typing import Any

from casebus.schemas import read_schemas
from tools.events import lock_text

UUID = {"type": "string", "logicalType": "uuid"}


def noted(owner: str, *more: dict[str, Any]) -> dict[str, Any]:
    """The record that the sample service of tests/integration/bus states, with further fields."""
    fields = [{"name": "case_id", "type": UUID, "doc": "Which case."}, {"name": "number", "type": "int"}, *more]
    return {"type": "record", "name": "Noted", "namespace": owner, "doc": "A number was noted.", "fields": fields}


def colour(*symbols: str) -> dict[str, Any]:
    enum = {"type": "enum", "name": "Colour", "symbols": list(symbols), "default": symbols[0]}
    return {"name": "colour", "type": enum, "default": symbols[0]}


def folder_of(folder: Path, *versions: dict[str, Any]) -> Path:
    """These versions of one record, each with an id in the lock."""
    place = folder / "avro" / versions[0]["namespace"]
    place.mkdir(parents=True, exist_ok=True)
    for number, document in enumerate(versions, start=1):
        (place / f"{document['name']}.v{number}.avsc").write_text(json.dumps(document))
    (folder / "ids.lock").write_text(lock_text(read_schemas(folder), folder))
    return folder
