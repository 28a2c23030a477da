"""Reads SSDA903 returns (`ssda903.md`): children, their episodes, their periods of care, and the reviews held in each."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

HISTORY_ENDS = date(2022, 3, 31)
AGENCY_OF_PROVIDER = {
    "PR0": "parent-or-guardian",
    "PR1": "own-provision",
    "PR2": "other-local-authority",
    "PR3": "other-public-provider",
    "PR4": "private-provider",
    "PR5": "voluntary-provider",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Episode:
    """A stay of a child with one class of provider; `ended` is None while it lasts."""

    begun: date
    ended: date | None
    agency: str
    reason_new: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Period:
    """Time in care without a gap, both end days included, and the days on which reviews were held within it."""

    begun: date
    ended: date | None
    from_start: bool
    episodes: tuple[Episode, ...]
    reviews: tuple[date, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Child:
    """All that the returns say of one child; `future_reviews` are dated after the history's end and count for nothing."""

    child: str
    episodes: tuple[Episode, ...]
    periods: tuple[Period, ...]
    reviews: tuple[date, ...]
    future_reviews: tuple[date, ...]


def read(folder: Path) -> tuple[Child, ...]:
    """The children with at least one episode. Raises FileNotFoundError without returns, ValueError at a line it can't read."""
    episodes, reviews = _episodes(folder), _reviews(folder)
    return tuple(_child(child, sorted(found, key=_begun), sorted(reviews[child])) for child, found in sorted(episodes.items()))


def _child(child: str, episodes: Sequence[Episode], reviews: Sequence[date]) -> Child:
    held = tuple(day for day in reviews if day <= HISTORY_ENDS)
    return Child(
        child=child,
        episodes=tuple(episodes),
        periods=tuple(_period(group, held) for group in _without_gap(episodes)),
        reviews=held,
        future_reviews=tuple(day for day in reviews if day > HISTORY_ENDS),
    )


def _period(episodes: Sequence[Episode], reviews: Iterable[date]) -> Period:
    begun, ended = episodes[0].begun, _latest_end(episodes)
    return Period(
        begun=begun,
        ended=ended,
        from_start=episodes[0].reason_new == "S",
        episodes=tuple(episodes),
        reviews=tuple(day for day in reviews if begun <= day and (ended is None or day <= ended)),
    )


def _without_gap(episodes: Iterable[Episode]) -> list[list[Episode]]:
    groups: list[list[Episode]] = []
    for episode in episodes:
        end = _latest_end(groups[-1]) if groups else date.min
        if end is not None and episode.begun > end:
            groups.append([episode])
        else:
            groups[-1].append(episode)
    return groups


def _latest_end(episodes: Iterable[Episode]) -> date | None:
    ends = [episode.ended for episode in episodes]
    known = [end for end in ends if end is not None]
    return max(known) if len(known) == len(ends) else None


def _episodes(folder: Path) -> dict[str, list[Episode]]:
    kept: dict[tuple[str, date], Episode] = {}
    for place, row in _rows(folder, "episodes"):
        key, episode = (row["CHILD"], _day(row["DECOM"], place)), _episode(row, place)
        if key not in kept or episode.ended is not None:
            kept[key] = episode
    found: dict[str, list[Episode]] = defaultdict(list)
    for (child, _), episode in kept.items():
        found[child].append(episode)
    return found


def _episode(row: dict[str, str], place: str) -> Episode:
    agency = AGENCY_OF_PROVIDER.get(row["PLACE_PROVIDER"])
    if agency is None:
        raise ValueError(f"{place}: PLACE_PROVIDER is none of {', '.join(AGENCY_OF_PROVIDER)}")
    ended = _day(row["DEC"], place) if row["DEC"] else None
    return Episode(begun=_day(row["DECOM"], place), ended=ended, agency=agency, reason_new=row["RNE"])


def _reviews(folder: Path) -> dict[str, set[date]]:
    held: dict[str, set[date]] = defaultdict(set)
    for place, row in _rows(folder, "reviews"):
        held[row["CHILD"]].add(_day(row["REVIEW"], place))
    return held


def _rows(folder: Path, kind: str) -> Iterator[tuple[str, dict[str, str]]]:
    files = sorted(folder.glob(f"*-{kind}.csv"))
    if not files:
        raise FileNotFoundError(f"no *-{kind}.csv in the folder of returns")
    for file in files:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            for number, row in enumerate(csv.DictReader(lines), start=2):
                yield f"{file.name}:{number}", row


def _day(text: str, place: str) -> date:
    try:
        day, month, year = (int(part) for part in text.split("/"))
        return date(year, month, day)
    except ValueError:
        raise ValueError(f"{place}: a date is not of the form dd/mm/yyyy") from None


def _begun(episode: Episode) -> date:
    return episode.begun
