"""`make policies`: writes deploy/policies/schema.json from the classes of services/monitoring/domain, so that editors complete a policy.

`python -m tools.policy_schema --check` writes nothing and fails when something would change.
"""

import json
import sys
from typing import Any

from services.monitoring.domain.regime import FORM, OWN
from tools.generated import ROOT, settle

SCHEMA = ROOT / "deploy" / "policies" / "schema.json"
NAMED = ["policy", "version", "region"]


def schema() -> dict[str, Any]:
    """A file needs only its name and what differs, the one for everywhere all sections. What only reading can know is not in it."""
    made = FORM.json_schema()
    del made["properties"]["based_on"]
    for by_rule in ("duties", "counts"):
        made["properties"][by_rule]["additionalProperties"]["anyOf"].append({"const": False, "description": "off: not watched"})
    sections = [name for name in made.pop("required") if name not in OWN]
    everywhere = {"properties": {"region": {"const": "*"}}, "not": {"required": ["agency"]}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A continuum policy",
        **{name: value for name, value in made.items() if name != "title"},
        "required": NAMED,
        "if": everywhere,
        "then": {"required": sections},
    }


def main(arguments: list[str]) -> int:
    """As `settle` says."""
    return settle(SCHEMA, json.dumps(schema(), indent=2) + "\n", "policies", arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
