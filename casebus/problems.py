"""What a caller reads when something is refused (RFC 9457): what to do, and the fields with their fixes. No value that was sent."""

from collections.abc import Mapping, Sequence
from typing import Any

from casebus.errors import Fix, Invalid, Rejected
from casebus.fixes import wanted

_FIXES = {
    "missing": "it is needed: send it",
    "extra_forbidden": "take out what is not known here",
    "json_invalid": "JSON",
    **dict.fromkeys(("model_attributes_type", "model_type", "dict_type"), "a JSON object"),
}
"""Where the way it was sent matters."""


def problem(error: Rejected) -> dict[str, Any]:
    """The title is the class's; the detail says what to do next."""
    name = type(error).__name__.lower()
    said: dict[str, Any] = {"type": f"urn:continuum:problem:{name}", "title": error.title, "status": error.status, "detail": error.detail}
    if error.fixes:
        said["errors"] = [{"field": fix.field, "fix": fix.fix} for fix in error.fixes]
    if error.version is not None:
        said["version"] = error.version
    return said


def invalid(errors: Sequence[Mapping[str, Any]]) -> Invalid:
    """Pydantic's complaints as field and fix. A name that is not ours is sent too: it isn't repeated."""
    return Invalid("Mend the fields below and send it again with the same Idempotency-Key.", *(_fix(e) for e in errors[:20]))


def _fix(error: Mapping[str, Any]) -> Fix:
    place = list(error["loc"])
    if error["type"] == "extra_forbidden":
        place.pop()
    if error["type"] == "json_invalid":
        place = ["body"]
    field = ".".join(str(part) for part in place if part != "body")
    return Fix(field or "body", _FIXES.get(error["type"]) or wanted(error))
