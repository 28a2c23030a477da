"""What belongs where something else was sent or written: pydantic's complaints in the words of whoever mends them. No value is repeated."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

_SLUG = "2 to 63 small letters, digits and hyphens, a letter first"
PATTERNS: Final = {
    r"^[a-z][a-z0-9-]{1,62}$": _SLUG,
    r"^(\*|[a-z][a-z0-9-]{1,62})$": f'"*" for everywhere, or {_SLUG}',
    r"^[A-Za-z0-9._-]{1,60}$": "1 to 60 letters, digits, dots, hyphens and underscores",
    r"^[A-Za-z0-9._:/+=-]{1,128}$": "1 to 128 letters, digits and . _ : / + = -",
    r"^[A-Z][A-Z0-9_]{1,40}$": "2 to 41 capitals, digits and underscores, a capital first, as MISSED_FOLLOW_UP",
    r"^[!-~]{1,64}$": "1 to 64 visible ASCII characters, none of them a space",
    r"^(intake|planning|referral|monitoring)$": "one of: intake, planning, referral, monitoring",
    r"^([01]\d|2[0-3]):[0-5]\d$": "a time of the day, as 08:30",
    r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$": "hours of the day, as 09:00-17:00; 24:00 is its end",
}
"""What each pattern of a field asks for."""
_DAY, _TIME = "a day, as 2026-11-22", "a time with its zone, as 2026-11-22T20:15:00+07:00"
_BY_KIND: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "missing": lambda _: "what is needed here",
    "string_type": lambda _: "text",
    "string_too_short": lambda said: f"text of {_characters(said['min_length'])} or more",
    "string_too_long": lambda said: f"text of {_characters(said['max_length'])} or less",
    "string_pattern_mismatch": lambda said: PATTERNS.get(said["pattern"], f"text like {said['pattern']}"),
    "enum": lambda said: _one_of(said["expected"]),
    "literal_error": lambda said: _one_of(said["expected"]),
    "greater_than_equal": lambda said: f"{_number(said['ge'])} or more",
    "greater_than": lambda said: f"more than {_number(said['gt'])}",
    "less_than_equal": lambda said: f"{_number(said['le'])} or less",
    "less_than": lambda said: f"less than {_number(said['lt'])}",
    "too_short": lambda said: f"{said['min_length']} or more of them",
    "too_long": lambda said: f"{said['max_length']} of them or less",
    "value_error": lambda said: str(said["error"]),
}
_BY_BEGINNING: Final = {
    "uuid": "a UUID",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "datetime": _TIME,
    "timezone": _TIME,
    "date": _DAY,
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
}
"""By the words that the kind of a complaint begins with; the first that fits."""


def wanted(complaint: Mapping[str, Any]) -> str:
    """What belongs there, as `a whole number`; where a check of ours complains, what it says. `complaint`: one of pydantic's `errors()`."""
    kind = complaint["type"]
    if kind in _BY_KIND:
        return _BY_KIND[kind](complaint.get("ctx", {}))
    return next((words for beginning, words in _BY_BEGINNING.items() if kind.startswith(f"{beginning}_")), str(complaint["msg"]))


def to_write(complaint: Mapping[str, Any]) -> str:
    """The same for whoever writes a file, as `write a whole number`."""
    return wanted(complaint) if complaint["type"] == "value_error" else f"write {wanted(complaint)}"


def _one_of(expected: str) -> str:
    """The choices as they are written: pydantic quotes them, and names the members of an enumeration by their class."""
    choices = re.findall(r"'([^']*)'", expected)
    return "one of: " + ", ".join(one if one.isalnum() or one.isidentifier() else f"'{one}'" for one in choices)


def _number(bound: float) -> str:
    return str(bound).removesuffix(".0")


def _characters(count: int) -> str:
    return f"{count} character" + "s" * (count > 1)
