"""A small, faultless schemas folder to break in tests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from casebus.schemas import read_schemas
from tools.events import lock_text

UUID = {"type": "string", "logicalType": "uuid"}
REASON = {"type": "enum", "name": "Reason", "doc": "Why.", "symbols": ["MOVED", "OTHER"], "default": "OTHER"}
ID = "8e55b0a8-9072-5635-ae6b-7bde7d539d83"
Edit = Callable[[dict[str, Any]], object]


def record(owner: str, name: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "record",
        "name": name,
        "namespace": owner,
        "doc": "It happened.",
        "fields": [{"doc": "What it is.", **field} for field in fields],
    }


def topic(name: str, kind: str, key: str, *events: str) -> dict[str, Any]:
    cleanup, partitions = ("compact", 1) if kind == "watermark" else ("none", 6)
    rest = {"cleanup": cleanup, "partitions": partitions, "retention": "forever", "consumers": ["planning"], "personal_data": "none"}
    return {"name": name, "kind": kind, "doc": "Facts.", "key": key, **rest, "events": list(events)}


class Tree:
    """The folder; `schema` and `topics` edit a file in place, `lock` gives ids to what is there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        case, note = {"name": "case_id", "type": UUID}, {"name": "agency", "type": "string", "personal": "none"}
        reason, many = {"name": "reason", "type": REASON}, {"name": "next", "type": {"type": "array", "items": "long"}}
        self.add(
            record(
                "intake", "Opened", case, note, {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}], "default": None}
            )
        )
        self.add(record("intake", "Closed", case, reason, {"name": "rounds", "type": "int", "default": 1}))
        self.add(record("intake", "Left", case, reason))
        self.add(record("planning", "Drafted", case))
        self.add(record("casebus", "Watermark", {"name": "owner", "type": "string", "personal": "none"}, many))
        for owner, events in {"intake": ["Opened", "Closed", "Left"], "planning": ["Drafted"]}.items():
            mark = topic(f"{owner}.watermark.v1", "watermark", "owner", "casebus.Watermark")
            self.write(f"topics/{owner}.yaml", yaml.safe_dump({"topics": [topic(f"{owner}.case.v1", "case", "case_id", *events), mark]}))
        self.lock()

    def write(self, file: str, text: str) -> None:
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def remove(self, file: str) -> None:
        (self.folder / file).unlink()

    def add(self, document: dict[str, Any], version: int = 1) -> None:
        """A schema with its example."""
        place = f"{document['namespace']}/{document['name']}.v{version}"
        self.write(f"avro/{place}.avsc", json.dumps(document))
        values = {"case_id": ID, "agency": "north", "day": "2021-06-01", "reason": "MOVED", "rounds": 1, "owner": "intake", "next": [1]}
        self.write(f"examples/{place}/typical.json", json.dumps({f["name"]: values.get(f["name"]) for f in document["fields"]}))

    def schema(self, name: str, edit: Edit, version: int = 1) -> None:
        """Edit a schema, or write its next version where it does not exist yet."""
        path = self.folder / "avro" / f"{name}.v1.avsc"
        document = json.loads(path.read_text())
        edit(document)
        self.add(document, version)

    def field(self, name: str, number: int, /, **changes: object) -> None:
        """Change a field of a schema; None takes an attribute away."""
        self.schema(name, lambda document: _change(document["fields"][number], changes))

    def topics(self, owner: str, edit: Edit, number: int = 0) -> None:
        """Edit the case topic of an owner (number 0) or its watermark topic (1)."""
        path = self.folder / "topics" / f"{owner}.yaml"
        document = yaml.safe_load(path.read_text())
        edit(document["topics"][number])
        path.write_text(yaml.safe_dump(document))

    def lock(self) -> None:
        self.write("ids.lock", lock_text(read_schemas(self.folder), self.folder.parent))


def _change(field: dict[str, Any], changes: dict[str, object]) -> None:
    field.update(changes)
    for name in [name for name, value in changes.items() if value is None]:
        del field[name]
