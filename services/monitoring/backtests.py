"""Backtests over the facts that monitoring keeps: today's policies beside others, some cases at a time. It reads, and does nothing else."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from casebus.codec import Codec
from casebus.contracts.monitoring import Rung
from services.monitoring.domain.backtest import Raised, lived, replay, told_by_people
from services.monitoring.domain.directory import Directory
from services.monitoring.domain.regime import Regimes
from services.monitoring.kept import facts_of
from services.monitoring.rules import RULES

EXAMPLES = 5
"""How many cases are named for each difference."""
_OF = """
    FROM copy.watch w WHERE (:region = '*' OR EXISTS (SELECT FROM copy.case_view v WHERE v.id = w.case_id AND v.region = :region))
      AND NOT EXISTS (SELECT FROM own.held_case h WHERE h.case_id = w.case_id)"""
_COUNT = text(f"SELECT count(*) {_OF}")
_NEXT = text(f"SELECT w.case_id {_OF} AND w.case_id > :after ORDER BY w.case_id LIMIT :limit")
_NOTHING = UUID(int=0)


@dataclass(slots=True)
class Line:
    """One agency's alerts of one rule: how many under each policy and on which rung at last; and cases in which they differ."""

    today: Counter[Rung] = field(default_factory=Counter)
    new: Counter[Rung] = field(default_factory=Counter)
    differ: dict[str, list[UUID]] = field(default_factory=dict)
    """By how: `added`, `gone`, `higher`, `lower`."""

    def note(self, how: str, case_id: UUID) -> None:
        known = self.differ.setdefault(how, [])
        if case_id not in known and len(known) < EXAMPLES:
            known.append(case_id)

    def add(self, other: "Line") -> None:
        self.today += other.today
        self.new += other.new
        for how, cases in other.differ.items():
            for case_id in cases:
                self.note(how, case_id)


@dataclass(slots=True)
class Compared:
    """What a part of the cases gave: lines by agency and rule; `failed`: cases that could not be judged."""

    lines: dict[tuple[str, str], Line] = field(default_factory=dict)
    cases: int = 0
    facts: int = 0
    failed: int = 0

    def add(self, other: "Compared") -> None:
        self.cases += other.cases
        self.facts += other.facts
        self.failed += other.failed
        for key, line in other.lines.items():
            self.lines.setdefault(key, Line()).add(line)

    def line(self, one: Raised) -> Line:
        return self.lines.setdefault((one.agency, one.rule), Line())

    def compare(self, today: Iterable[Raised], new: Iterable[Raised]) -> None:
        """Alerts of one case; the same duty's alert has the same id under both."""
        before, after = {one.alert_id: one for one in today}, {one.alert_id: one for one in new}
        for one in before.values():
            self.line(one).today[one.rung] += 1
        for one in after.values():
            self.line(one).new[one.rung] += 1
        for which in before.keys() | after.keys():
            how = _difference(before.get(which), after.get(which))
            one = after.get(which) or before[which]
            if how:
                self.line(one).note(how, one.case_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What is asked: alerts raised from `since` on, by `until`, of the cases of a region ("*": all). `as_told`: what was imported counts
    from when it was told, as the clocks had it; else from when it happened."""

    region: str
    since: datetime | None
    until: datetime
    as_told: bool = False


def count(connection: Connection, region: str) -> int:
    """How many cases there are to look at; one that waits for an event in quarantine is not among them."""
    found: int = connection.execute(_COUNT, {"region": region}).scalar_one()
    return found


def parts(connection: Connection, region: str, size: int) -> Iterator[list[UUID]]:
    """Their ids, some at a time."""
    after = _NOTHING
    while ids := list(connection.execute(_NEXT, {"region": region, "after": after, "limit": size}).scalars()):
        yield ids
        after = ids[-1]


def compare(
    connection: Connection, codec: Codec, cases: list[UUID], question: Question, regimes: Mapping[str, Regimes], directory: Directory
) -> Compared:
    """`regimes`: `today` and `new`. A case that can't be judged costs itself alone."""
    found = Compared()
    for case_id, kept in facts_of(connection, codec, cases).items():
        found.cases += 1
        found.facts += len(kept)
        facts = told_by_people(kept if question.as_told else map(lived, kept))

        def run(name: str, case_id: UUID = case_id, facts: Any = facts) -> list[Raised]:
            raised = replay(case_id, facts, question.until, regimes[name], RULES, directory)
            return [one for one in raised if question.since is None or one.raised_at >= question.since]

        try:
            found.compare(run("today"), run("new"))
        except (AssertionError, ValueError, LookupError, OverflowError):
            found.failed += 1
    return found


def only_reading(engine: Engine, read: Callable[[Connection], Any]) -> Any:
    """In a transaction that the server lets change nothing."""
    with engine.connect() as connection, connection.begin():
        connection.execute(text("SET TRANSACTION READ ONLY"))
        return read(connection)


def _difference(before: Raised | None, after: Raised | None) -> str:
    if before is None or after is None:
        return "added" if before is None else "gone"
    rungs = list(Rung)
    if before.rung is after.rung:
        return ""
    return "higher" if rungs.index(after.rung) > rungs.index(before.rung) else "lower"
