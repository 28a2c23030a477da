"""Runs a service that kills itself (SIGKILL) at a chosen step: `python -m tests.faults.dying services.intake.main`.

CONTINUUM_DIE is `point:n`, for the n-th time that the step is passed; `point:n:SIGSTOP` lets it freeze there instead. The steps are seen
where the service meets its drivers (psycopg and librdkafka), so nothing of the service knows of it, and a step stays the same step when the
code above it changes.
"""

import os
import runpy
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import confluent_kafka
import psycopg

MARKS = {
    "INSERT INTO own.idempotency": "command",
    "UPDATE own.sent SET upto": "marking",
    ".position p SET next": "applying",
    "INSERT INTO own.decision": "deciding",
}
"""By what a transaction executes, what it is about."""
POINTS = {
    "before-commit": "a command is done, and not committed",
    "after-commit": "a command is committed, and not answered",
    "after-produce": "events are given to the producer, and not waited for",
    "after-answer": "the broker has acknowledged, and nobody has seen it",
    "before-marking": "acknowledged, and not marked as sent",
    "after-marking": "marked as sent, and not counted",
    "after-poll": "records are read, and not looked at",
    "before-offset": "records are applied, and their place not written",
    "before-apply-commit": "records are applied with their place, and not committed",
    "after-apply": "records are applied, and the next not asked for",
    "before-deciding-commit": "clocks are decided, and not committed",
    "after-deciding": "clocks are decided, and nothing else is done",
}
OF_CLOCKS = ("before-deciding-commit", "after-deciding")
_WHEN = {
    ("before", "command"): "before-commit",
    ("after", "command"): "after-commit",
    ("after", "marking"): "after-marking",
    ("before", "applying"): "before-apply-commit",
    ("after", "applying"): "after-apply",
    ("before", "deciding"): "before-deciding-commit",
    ("after", "deciding"): "after-deciding",
}


class Death:
    """Comes at the n-th passing of its point, as `point:n` or `point:n:signal` say."""

    def __init__(self, said: str) -> None:
        self._point, number, *by = said.split(":")
        self._left, self._signal = int(number), signal.Signals[by[0] if by else "SIGKILL"]
        self._door = threading.Lock()

    def passes(self, point: str | None) -> None:
        if point != self._point:
            return
        with self._door:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), self._signal)


def watch_database(death: Death) -> None:
    """psycopg: what a transaction executes says what it is; its commit is the step. A relay's statements commit themselves."""
    about: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()
    execute: Callable[..., Any] = psycopg.Cursor.execute
    commit, rollback = psycopg.Connection.commit, psycopg.Connection.rollback

    def die(when: str, kinds: set[str]) -> None:
        for kind in kinds:
            death.passes(_WHEN.get((when, kind)))

    def executing(cursor: Any, query: Any, *given: Any, **named: Any) -> Any:
        kinds = _kinds(str(query), *given)
        if "marking" in kinds:
            death.passes("before-marking")
        if "applying" in kinds:
            death.passes("before-offset")
        if not cursor.connection.autocommit:
            about.setdefault(cursor.connection, set()).update(kinds)
            return execute(cursor, query, *given, **named)
        done = execute(cursor, query, *given, **named)  # and committed
        die("after", kinds)
        return done

    def committing(connection: Any) -> None:
        kinds = about.pop(connection, set())
        die("before", kinds)
        commit(connection)
        die("after", kinds)

    def rolling_back(connection: Any) -> None:
        about.pop(connection, None)
        rollback(connection)

    for kind, name, changed in (
        (psycopg.Cursor, "execute", executing),
        (psycopg.Connection, "commit", committing),
        (psycopg.Connection, "rollback", rolling_back),
    ):
        setattr(kind, name, changed)


def _kinds(query: str, *given: Any) -> set[str]:
    kinds = {kind for mark, kind in MARKS.items() if mark in query}
    sends = "marking" in kinds and given[0]["topics"]  # else the relay passes over what was rolled back
    return kinds if sends else kinds - {"marking"}


def watch_broker(death: Death) -> None:
    """librdkafka: a flush with something to wait for is a batch's; records that come are a poll's."""

    class DyingProducer(confluent_kafka.Producer):
        def flush(self, *given: Any) -> int:
            waits = len(self) > 0
            if waits:
                death.passes("after-produce")
            left = super().flush(*given)
            if waits and left == 0:
                death.passes("after-answer")
            return left

    class DyingConsumer(confluent_kafka.Consumer):
        def consume(self, *given: Any, **named: Any) -> Any:
            found = super().consume(*given, **named)
            if found:
                death.passes("after-poll")
            return found

        def poll(self, *given: Any) -> Any:
            found = super().poll(*given)
            if found is not None:
                death.passes("after-poll")
            return found

    confluent_kafka.Producer = DyingProducer  # type: ignore[misc]
    confluent_kafka.Consumer = DyingConsumer  # type: ignore[misc]


def main() -> None:
    death = Death(os.environ["CONTINUUM_DIE"])
    watch_database(death)
    watch_broker(death)
    module = sys.argv[1]
    sys.argv = sys.argv[1:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
