"""What the rows tell: the episodes, periods of care and reviews of each child, each counted once (shared/ssda903.md)."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from continuum.ssda903.reader import PROVIDERS, EpisodeRow, Return, ReviewRow
from continuum.ssda903.rows import Problem, Remark, Spot


@dataclass(frozen=True, kw_only=True, slots=True)
class Episode:
    """A stay with one provider class; `ends` is None while it lasts."""

    begins: date
    ends: date | None
    agency: str
    reason_begun: str
    reason_ended: str
    spot: Spot


@dataclass(frozen=True, kw_only=True, slots=True)
class Period:
    """Episodes without a day between the latest end so far and the next beginning; never empty, in the order they began."""

    episodes: tuple[Episode, ...]

    @property
    def begins(self) -> date:
        """The first day."""
        return self.episodes[0].begins

    @property
    def ends(self) -> date | None:
        """The latest day of any episode; None while one is open."""
        ends = [episode.ends for episode in self.episodes]
        return None if None in ends else max(end for end in ends if end is not None)

    @property
    def last(self) -> Episode:
        """The episode that ends the period: the latest to end, of equals the latest to begin."""
        return max(self.episodes, key=lambda episode: (episode.ends or date.max, episode.begins))

    @property
    def start_is_known(self) -> bool:
        """Whether care began with its first episode (RNE = S); else it was under way before."""
        return self.episodes[0].reason_begun == "S"

    def holds(self, day: date) -> bool:
        """Whether the day lies in the period, both ends included."""
        return self.begins <= day and (self.ends is None or day <= self.ends)


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """A review on a day; `in_care` says whether it lies inside a period of care."""

    day: date
    in_care: bool
    spot: Spot


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """One child's life in the return: at least one period, in order, and the reviews in order."""

    child: str
    periods: tuple[Period, ...]
    reviews: tuple[Review, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """Every child's history by the day it begins, and what was left out on the way."""

    histories: tuple[History, ...]
    remarks: tuple[Remark, ...]


def tell(found: Return) -> Told:
    """The histories in a return up to its last day; what lies later is a remark."""
    remarks = list(found.remarks)
    periods = {child: _periods(episodes) for child, episodes in _episodes(found, remarks).items()}
    reviews = _reviews(found, periods, remarks)
    histories = [History(child=child, periods=stays, reviews=reviews.get(child, ())) for child, stays in periods.items()]
    histories.sort(key=lambda history: (history.periods[0].begins, history.child))
    return Told(histories=tuple(histories), remarks=tuple(remarks))


def _episodes(found: Return, remarks: list[Remark]) -> dict[str, list[Episode]]:
    """Rows of one child and beginning are one episode: an end beats none, then the later file."""
    best: dict[tuple[str, date], EpisodeRow] = {}
    for row in found.episodes:
        known = best.get((row.child, row.begins))
        if known is None or row.ends is not None or known.ends is None:
            best[row.child, row.begins] = row
    by_child: dict[str, list[Episode]] = defaultdict(list)
    for row in sorted(best.values(), key=lambda row: (row.child, row.begins)):
        if row.begins > found.last_day:
            remarks.append(Remark(spot=row.spot, column="DECOM", problem=Problem.IN_THE_FUTURE))
        else:
            by_child[row.child].append(_episode(_ended_in_time(row, found.last_day, remarks)))
    return by_child


def _ended_in_time(row: EpisodeRow, last_day: date, remarks: list[Remark]) -> EpisodeRow:
    if row.ends is None or row.ends <= last_day:
        return row
    remarks.append(Remark(spot=row.spot, column="DEC", problem=Problem.ENDS_IN_THE_FUTURE))
    return replace(row, ends=None)


def _episode(row: EpisodeRow) -> Episode:
    return Episode(
        begins=row.begins,
        ends=row.ends,
        agency=PROVIDERS[row.provider],
        reason_begun=row.reason_begun,
        reason_ended=row.reason_ended,
        spot=row.spot,
    )


def _periods(episodes: Iterable[Episode]) -> tuple[Period, ...]:
    """A new period begins where an episode begins later than every end so far."""
    stays: list[list[Episode]] = []
    latest: date = date.min
    for episode in episodes:
        if not stays or episode.begins > latest:
            stays.append([])
        stays[-1].append(episode)
        latest = max(latest, episode.ends or date.max)
    return tuple(Period(episodes=tuple(stay)) for stay in stays)


def _reviews(found: Return, periods: dict[str, tuple[Period, ...]], remarks: list[Remark]) -> dict[str, tuple[Review, ...]]:
    """Reviews of one child and day are one."""
    first: dict[tuple[str, date], ReviewRow] = {}
    for row in found.reviews:
        first.setdefault((row.child, row.day), row)
    by_child: dict[str, list[Review]] = defaultdict(list)
    for (child, day), row in sorted(first.items()):
        if day > found.last_day:
            remarks.append(Remark(spot=row.spot, column="REVIEW", problem=Problem.IN_THE_FUTURE))
        elif child not in periods:
            remarks.append(Remark(spot=row.spot, column="CHILD", problem=Problem.CHILD_UNKNOWN))
        else:
            in_care = any(period.holds(day) for period in periods[child])
            by_child[child].append(Review(day=day, in_care=in_care, spot=row.spot))
    return {child: tuple(reviews) for child, reviews in by_child.items()}
