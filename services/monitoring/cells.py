"""The board's numbers, kept as cells in the transaction that applies the facts.

A region's stock and flow are in `copy.stock_cell` and `copy.flow_cell`. All else is in `copy.board_cell`: whose number it is (a REGION's,
for its coordinator, or an AGENCY's, of the cases in which it takes part), its kind, and up to three words that say what is counted.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from casebus.sharing import Sharing
from services.monitoring.domain.case_view import CaseView, HandOff

REGION, AGENCY = "REGION", "AGENCY"
TABLES = {
    "copy.stock_cell": ("region", "holder", "stage"),
    "copy.flow_cell": ("region", "from_agency", "to_agency"),
    "copy.board_cell": ("scope", "viewer", "kind", "a", "b", "c"),
}
"""Each cell table with its key."""
Key = tuple[str, ...]
Cells = Counter[tuple[str, Key]]
"""By table and key."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a case counts for: by its view, and for whoever takes part."""

    view: CaseView
    active: frozenset[str]

    @classmethod
    def of(cls, view: CaseView, sharing: Sharing | None) -> "Counted":
        return cls(view, sharing.active if sharing else frozenset())

    def cells(self) -> Cells:
        found: Cells = Counter()
        view, moves = self.view, self.view.hand_offs()
        for move in moves:
            found["copy.flow_cell", (view.region, move.from_agency, move.to_agency)] += 1
        if view.is_open:
            found["copy.stock_cell", (view.region, view.holder, view.stage)] += 1
        for words, count in self._of_agencies(moves):
            for agency in self.active:
                found["copy.board_cell", (AGENCY, agency, *words)] += count
        for words, count in self._of_follow_ups():
            for scope, viewer in ((REGION, view.region), *((AGENCY, agency) for agency in self.active)):
                found["copy.board_cell", (scope, viewer, *words)] += count
        for responsible, words in self._of_alerts():  # who answers for an alert sees it, also without a part in the case
            for scope, viewer in ((REGION, view.region), *((AGENCY, agency) for agency in self.active | {responsible})):
                found["copy.board_cell", (scope, viewer, *words)] += 1
        return found

    def _of_agencies(self, moves: Iterable[HandOff]) -> Iterator[tuple[Key, int]]:
        for move in moves:
            yield ("FLOW", move.from_agency, move.to_agency, ""), 1
        if self.view.is_open:
            yield ("STOCK", self.view.holder, self.view.stage, ""), 1

    def _of_follow_ups(self) -> Iterator[tuple[Key, int]]:
        tally = self.view.tally
        for what, count in (("done", tally.done), ("missed", tally.missed), ("made_up", tally.made_up)):
            if count:
                yield ("FOLLOW_UP", what, "", ""), count

    def _of_alerts(self) -> Iterator[tuple[str, Key]]:
        for alert in self.view.tally.alerts.values():
            yield alert.agency, ("RAISED_ALERT", alert.rule, "", "")
            if alert.is_open:
                yield alert.agency, ("OPEN_ALERT", alert.rule, alert.rung, alert.on.isoformat())
            if alert.has_climbed:
                yield alert.agency, ("ESCALATED_ALERT", "", "", "")


def move(connection: Connection, changes: Iterable[tuple[Counted | None, Counted]]) -> None:
    """Move the cells by what each case counted for before, and counts for now; a statement a table, in the order of the keys."""
    delta: Cells = Counter()
    for before, after in changes:
        delta.update(after.cells())
        if before is not None:
            delta.subtract(before.cells())
    for table, names in TABLES.items():
        _add(connection, table, names, sorted((key, count) for (place, key), count in delta.items() if count and place == table))


def _add(connection: Connection, table: str, names: Sequence[str], changed: Sequence[tuple[Key, int]]) -> None:
    if not changed:
        return
    key, columns = ", ".join(names), ", ".join(f"CAST(:{name} AS text[])" for name in names)
    connection.execute(
        text(
            f"INSERT INTO {table} AS cell ({key}, count) SELECT * FROM unnest({columns}, CAST(:counts AS int[]))"
            f" ON CONFLICT ({key}) DO UPDATE SET count = cell.count + excluded.count"
        ),
        {name: [cell[place] for cell, _ in changed] for place, name in enumerate(names)} | {"counts": [count for _, count in changed]},
    )
