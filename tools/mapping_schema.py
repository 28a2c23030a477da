"""`make mappings`: writes docs/import/mapping.schema.json from the classes of continuum/eventlog, so that editors complete a mapping.

`python -m tools.mapping_schema --check` writes nothing and fails when something would change.
"""

import json
import sys
from typing import Any

from continuum.eventlog.catalogue import Kind, kinds
from continuum.eventlog.mapping import Mapping, body_schema
from tools.generated import ROOT, settle

SCHEMA = ROOT / "docs" / "import" / "mapping.schema.json"


def schema() -> dict[str, Any]:
    """Each command with what its body may say. A command alone may stand for itself, and one step for a list. What only reading can
    know, as whether a zone exists, is not in it."""
    made = Mapping.model_json_schema(by_alias=True)
    definitions = made.pop("$defs")
    steps = []
    for name, kind in kinds().items():
        body = _body(kind)
        definitions |= body.pop("$defs", {})
        steps.append(_step(name, body))
    short = [step["properties"]["do"]["const"] for step in steps if "with" not in step["required"]]
    definitions["Step"] = {"description": "One command.", "anyOf": [{"enum": short}, *steps]}
    one = {"$ref": "#/$defs/Step"}
    some = {"anyOf": [one, {"type": "array", "minItems": 1, "items": one}]}
    made["properties"]["activities"]["additionalProperties"] = some
    made["properties"]["begin"] = some
    used = json.dumps([made, definitions])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": "A continuum mapping of an event log",
        "$defs": {name: definitions[name] for name in sorted(definitions) if f'"#/$defs/{name}"' in used},
    }


def _body(kind: Kind) -> dict[str, Any]:
    """Its definitions are named after their service: two of them have a DeclineReason."""
    text = json.dumps(body_schema(kind)).replace('"#/$defs/', f'"#/$defs/{kind.service}.')
    body: dict[str, Any] = json.loads(text)
    body["$defs"] = {f"{kind.service}.{name}": one for name, one in body.get("$defs", {}).items() if f"$defs/{kind.service}.{name}" in text}
    return body


def _step(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """One command as a mapping."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {"do": {"const": name}, "by": {"enum": ["row", "lead"], "default": "row"}, "with": body},
        "required": ["do", "with"] if body["required"] else ["do"],
    }


def main(arguments: list[str]) -> int:
    """0 when it is written or up to date, 1 when `--check` finds it stale."""
    return settle(SCHEMA, json.dumps(schema(), indent=2, ensure_ascii=False) + "\n", "mappings", arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
