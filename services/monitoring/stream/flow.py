"""Windows over the flow: how many cases went from one agency to another in an hour, a day, a week (UTC; weeks begin on Monday).

A hand-off counts when it took effect (`domain.fact.effective`): IMPORT and OFFLINE facts at `occurred_at`, so that an imported history has
its trend, all others at `recorded_at`. "Now" is the greatest `recorded_at` seen: system time, and no clock of this machine.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypedDict

from services.monitoring.domain.case_view import HandOff

_A_MONDAY: Final = datetime(1970, 1, 5, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)
Row = TypedDict("Row", {"start": str, "from": str, "to": str, "count": int})


@dataclass(frozen=True, slots=True)
class Length:
    """How long windows are, and how many of them are kept."""

    period: timedelta
    kept: int

    def start(self, at: datetime) -> datetime:
        """The first moment of the window that holds `at`."""
        return at - (at - _A_MONDAY) % self.period


LENGTHS: Final[Mapping[str, Length]] = {
    "hour": Length(_HOUR, 48),
    "day": Length(timedelta(days=1), 62),
    "week": Length(timedelta(weeks=1), 106),
}


class Flow:
    """Counts by window and pair. What is older than the kept windows is neither held nor counted."""

    def __init__(self) -> None:
        self.latest: datetime | None = None
        self._windows = {name: _Windows(length) for name, length in LENGTHS.items()}

    def see(self, recorded_at: datetime) -> None:
        """Time goes on to there, if it was not there yet."""
        if self.latest is not None and recorded_at <= self.latest:
            return
        for windows in self._windows.values():
            windows.move_to(recorded_at)
        self.latest = recorded_at

    def change(self, before: Iterable[HandOff], after: Iterable[HandOff]) -> None:
        """A case's hand-offs are now these."""
        for hand_offs, by in ((before, -1), (after, 1)):
            for hand_off in hand_offs:
                for windows in self._windows.values():
                    windows.count(hand_off, by)

    def rows(self) -> dict[str, list[Row]]:
        """By length: each window and pair with at least one hand-off, the oldest first."""
        return {name: windows.rows() for name, windows in self._windows.items()}


class _Windows:
    def __init__(self, length: Length) -> None:
        self._length = length
        self._oldest: datetime | None = None
        self._counts: Counter[tuple[datetime, str, str]] = Counter()

    def move_to(self, now: datetime) -> None:
        oldest = self._length.start(now) - (self._length.kept - 1) * self._length.period
        if oldest != self._oldest:
            self._oldest = oldest
            self._counts = Counter({window: count for window, count in self._counts.items() if window[0] >= oldest})

    def count(self, hand_off: HandOff, by: int) -> None:
        window = self._length.start(hand_off.at), hand_off.from_agency, hand_off.to_agency
        if self._oldest is not None and window[0] < self._oldest:
            return
        self._counts[window] += by
        if not self._counts[window]:
            del self._counts[window]

    def rows(self) -> list[Row]:
        return [
            {"start": start.isoformat().replace("+00:00", "Z"), "from": source, "to": target, "count": count}
            for (start, source, target), count in sorted(self._counts.items())
        ]
