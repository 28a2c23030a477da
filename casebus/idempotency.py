"""A command that is sent twice with the same key is done once, and gets the same answer.

Refusals are not remembered: mend the request and use the key again.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Connection, text

from casebus.errors import Fix, Invalid

if TYPE_CHECKING:
    from casebus.desk import Answer

_KEY = re.compile(r"[!-~]{1,128}")


def check_key(key: str) -> None:
    """Raises Invalid unless the key is 1–128 visible ASCII characters."""
    if not _KEY.fullmatch(key):
        raise Invalid(
            "Every command needs a key of its own.", Fix("Idempotency-Key", "1 to 128 visible ASCII characters, new for each command")
        )


def claim(connection: Connection, principal: str, digests: Mapping[str, bytes]) -> dict[str, tuple[bytes, dict[str, Any] | None]]:
    """Take the keys for this transaction; waits for another one that holds any of them. Returns those that were answered before."""
    keys = sorted(digests)
    if not keys:
        return {}
    rows = connection.execute(
        text(
            "INSERT INTO own.idempotency (principal, key, request) SELECT :principal, k, r FROM"
            " unnest(CAST(:keys AS text[]), CAST(:requests AS bytea[])) AS n (k, r) ORDER BY k ON CONFLICT DO NOTHING RETURNING key"
        ),
        {"principal": principal, "keys": keys, "requests": [digests[key] for key in keys]},
    )
    new = {key for (key,) in rows}
    rows = connection.execute(
        text("SELECT key, request, answer FROM own.idempotency WHERE principal = :principal AND key = ANY(CAST(:keys AS text[]))"),
        {"principal": principal, "keys": [key for key in keys if key not in new]},
    )
    return {key: (bytes(request), answer) for key, request, answer in rows}


def store(connection: Connection, principal: str, answers: Sequence["Answer"]) -> None:
    """Keep the answers of what was done; let go the keys of what was refused."""
    done = [a for a in answers if a.is_done]
    bodies = [orjson.dumps({"status": a.status, "version": a.version, "case_seen": a.case_seen, "body": a.body}).decode() for a in done]
    if done:
        connection.execute(
            text(
                "UPDATE own.idempotency i SET answer = n.answer FROM"
                " unnest(CAST(:keys AS text[]), CAST(:answers AS json[])) AS n (key, answer)"
                " WHERE i.principal = :principal AND i.key = n.key"
            ),
            {"principal": principal, "keys": [a.key for a in done], "answers": bodies},
        )
    refused = [a.key for a in answers if not a.is_done]
    if refused:
        connection.execute(
            text("DELETE FROM own.idempotency WHERE principal = :principal AND key = ANY(CAST(:keys AS text[])) AND answer IS NULL"),
            {"principal": principal, "keys": refused},
        )
