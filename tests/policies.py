"""What a test's policy leaves out."""

from typing import Any

from services.monitoring.domain.rule import Needs
from services.monitoring.rules import RULES


def watching(written: dict[str, Any], *watched: str) -> dict[str, Any]:
    """A policy as it is written, with all other rules `off`, so that its test is about these alone; without any, as it is."""
    others = [rule for rule in RULES if watched and rule.name not in watched]
    duties = {rule.name: False for rule in others if rule.needs is not Needs.COUNT}
    counts = {rule.name: False for rule in others if rule.needs is Needs.COUNT}
    return written | {"duties": written["duties"] | duties, "counts": written.get("counts", {}) | counts}
