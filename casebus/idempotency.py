"""A command that is sent twice with the same key is done once, and gets the same answer.

Refusals are not remembered: mend the request and use the key again. Answers are forgotten after KEPT.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from threading import Event as Signal
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Connection, Engine, text

from casebus import telemetry
from casebus.database import planned_once
from casebus.errors import Fix, Invalid

if TYPE_CHECKING:
    from casebus.desk import Answer

KEPT = timedelta(days=7)
"""How long an answer is remembered, in real time."""
EVERY_SECONDS = 600.0
CHUNK, PAUSE_SECONDS = 500, 0.1
"""What is forgotten in one transaction, and the pause before the next one while there is more."""
log = telemetry.logger(__name__)
_KEY = re.compile(r"[!-~]{1,128}")


def check_key(key: str) -> None:
    """Raises Invalid unless the key is 1–128 visible ASCII characters."""
    if not _KEY.fullmatch(key):
        raise Invalid(
            "Every command needs a key of its own.", Fix("Idempotency-Key", "1 to 128 visible ASCII characters, new for each command")
        )


Claim = tuple[str, str]
"""Whose key it is, and the key."""
_OF = f"unnest({planned_once('principals', 'text[]')}, {planned_once('keys', 'text[]')})"
_LOOK_UP = text(f"SELECT principal, key, request, answer FROM own.idempotency WHERE (principal, key) IN (SELECT * FROM {_OF})")
_FORGET = text(
    "DELETE FROM own.idempotency WHERE (principal, key) IN (SELECT principal, key FROM own.idempotency"
    " WHERE answered_at < clock_timestamp() - CAST(:kept AS interval) ORDER BY answered_at LIMIT :chunk FOR UPDATE SKIP LOCKED)"
)
_STORE = text(
    "INSERT INTO own.idempotency (principal, key, request, answer) SELECT * FROM"
    " unnest(CAST(:principals AS text[]), CAST(:keys AS text[]), CAST(:requests AS bytea[]), CAST(:answers AS json[])) AS n (p, k, r, a)"
    " ORDER BY p, k ON CONFLICT DO NOTHING"
)


class Raced(Exception):
    """Another transaction has done one of these commands meanwhile: begin again, then its answer is known."""


def answered(connection: Connection, claims: Collection[Claim]) -> dict[Claim, tuple[bytes, dict[str, Any]]]:
    """Those that were answered before: the digest of what was asked, and the answer."""
    if not claims:
        return {}
    rows = connection.execute(_LOOK_UP, _columns(claims))
    return {(principal, key): (bytes(request), answer) for principal, key, request, answer in rows}


def store(connection: Connection, done: Mapping[Claim, tuple[bytes, "Answer"]]) -> None:
    """Keep the answers of what was done. The last statement of its transaction: it waits for another one that does any of the same.

    Raises Raced where that one was committed.
    """
    if not done:
        return
    digests, answers = zip(*done.values(), strict=True)
    values = _columns(done) | {"requests": list(digests), "answers": [_kept(answer) for answer in answers]}
    if connection.execute(_STORE, values).rowcount < len(done):
        raise Raced


@dataclass(frozen=True, slots=True)
class Forgetting:
    """A job of the process that takes commands: forgets what was answered longer ago than KEPT, a little at a time."""

    engine: Engine

    def run(self, stop: Signal) -> None:
        while not stop.is_set():
            try:
                forgotten = self.turn()
            except Exception as error:  # noqa: BLE001  # the database is away or slow: there is time until the next turn
                log.warning("old keys stay", error=type(error).__name__)
                forgotten = 0
            stop.wait(PAUSE_SECONDS if forgotten == CHUNK else EVERY_SECONDS)

    def turn(self) -> int:
        """Forget a chunk; how many keys that were."""
        with self.engine.begin() as connection:
            return connection.execute(_FORGET, {"kept": KEPT, "chunk": CHUNK}).rowcount


def _columns(claims: Iterable[Claim]) -> dict[str, list[Any]]:
    principals, keys = zip(*claims, strict=True)
    return {"principals": list(principals), "keys": list(keys)}


def _kept(answer: "Answer") -> str:
    kept = {"status": answer.status, "version": answer.version, "case_seen": answer.case_seen, "body": answer.body}
    return orjson.dumps(kept).decode()
