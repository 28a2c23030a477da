"""Reads a folder of the return: header, episodes and reviews of each year, each fact with the file and line it came from.

File `2017-episodes.csv` is the year 1 April 2017 to 31 March 2018. Only the columns named here are read: dates of birth, postcodes
and the like never enter the program.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from continuum.ssda903.rows import BadCell, Problem, Remark, Row, Spot, read_table

PROVIDERS = {
    "PR0": "parent-or-guardian",
    "PR1": "own-provision",
    "PR2": "other-local-authority",
    "PR3": "other-public-provider",
    "PR4": "private-provider",
    "PR5": "voluntary-provider",
}
"""The provider classes of the return and the agency that each one is here."""

REASONS_FOR_NEW_EPISODE = frozenset("SPLTUB")

_NAME = re.compile(r"(\d{4})-(header|episodes|reviews)\.csv")
_COLUMNS = {
    "header": ("CHILD",),
    "episodes": ("CHILD", "DECOM", "RNE", "PLACE_PROVIDER", "DEC", "REC"),
    "reviews": ("CHILD", "REVIEW"),
}


class NotAReturn(Exception):
    """The folder holds no SSDA903 return; the message says what was expected."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EpisodeRow:
    """A placement from a day to a day (both included), or still open; codes as in the return."""

    child: str
    begins: date
    ends: date | None
    provider: str
    reason_begun: str
    reason_ended: str
    spot: Spot


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewRow:
    """A review of a child on a day."""

    child: str
    day: date
    spot: Spot


@dataclass(frozen=True, kw_only=True, slots=True)
class Return:
    """What was read, in the order of the years; `last_day` is the end of the history; `digest` names exactly these files."""

    children: frozenset[str]
    episodes: tuple[EpisodeRow, ...]
    reviews: tuple[ReviewRow, ...]
    remarks: tuple[Remark, ...]
    last_day: date
    digest: str


def read(folder: Path) -> Return:
    """Read every year's files of a folder; raises NotAReturn where it holds no episodes file."""
    files = _files(folder)
    remarks = _missing(files)
    children: list[str] = []
    episodes: list[EpisodeRow] = []
    reviews: list[ReviewRow] = []
    for (_, kind), path in sorted(files.items()):
        if kind == "header":
            children += read_table(path, _COLUMNS[kind], Row.child, remarks)
        elif kind == "episodes":
            episodes += read_table(path, _COLUMNS[kind], _episode, remarks)
        else:
            reviews += read_table(path, _COLUMNS[kind], _review, remarks)
    return Return(
        children=frozenset(children),
        episodes=tuple(episodes),
        reviews=tuple(reviews),
        remarks=tuple(remarks),
        last_day=date(max(year for year, _ in files) + 1, 3, 31),
        digest=_digest(list(files.values())),
    )


def _files(folder: Path) -> dict[tuple[int, str], Path]:
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    matches = [(_NAME.fullmatch(path.name), path) for path in paths]
    files = {(int(match[1]), match[2]): path for match, path in matches if match}
    if not any(kind == "episodes" for _, kind in files):
        raise NotAReturn(
            "The folder holds no SSDA903 return: files named like 2017-header.csv, 2017-episodes.csv and 2017-reviews.csv are expected."
        )
    return files


def _missing(files: dict[tuple[int, str], Path]) -> list[Remark]:
    wanted = sorted({(year, kind) for year, _ in files for kind in _COLUMNS} - set(files))
    return [Remark(spot=Spot(file=f"{year}-{kind}.csv", line=0), problem=Problem.FILE_MISSING) for year, kind in wanted]


def _digest(paths: list[Path]) -> str:
    whole = hashlib.sha256()
    for path in sorted(paths):
        whole.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def _episode(row: Row) -> EpisodeRow:
    begins, ends = row.day("DECOM"), row.day_or_none("DEC")
    if ends is not None and ends < begins:
        raise BadCell("DEC", Problem.ENDS_BEFORE_IT_BEGINS)
    return EpisodeRow(
        child=row.child(),
        begins=begins,
        ends=ends,
        provider=row.code("PLACE_PROVIDER", PROVIDERS),
        reason_begun=row.code("RNE", REASONS_FOR_NEW_EPISODE),
        reason_ended=row.cells["REC"],
        spot=row.spot,
    )


def _review(row: Row) -> ReviewRow:
    return ReviewRow(child=row.child(), day=row.day("REVIEW"), spot=row.spot)
