"""The figures that an import ends with: what was read, and what monitoring's board makes of it."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

import httpx
from pydantic import BaseModel, Field

_PATH = "/api/board"
_PAUSE: Final = 0.5


class HandOffs(BaseModel):
    """How often cases went from one agency to another."""

    giver: str = Field(alias="from")
    taker: str = Field(alias="to")
    count: int


class _Flow(BaseModel):
    total: int
    cells: list[HandOffs]


class _Alerts(BaseModel):
    rule: str
    open: int
    raised: int


class _AlertsByRule(BaseModel):
    by_rule: list[_Alerts]


class _FollowUps(BaseModel):
    done: int
    missed: int
    made_up: int


class _Cases(BaseModel):
    total: int


class Board(BaseModel):
    """The part of monitoring's board (GET /api/board) that the figures need; `at` and `watermark` are system times."""

    at: datetime
    watermark: datetime | None
    cases: _Cases
    flow: _Flow
    alerts: _AlertsByRule
    follow_ups: _FollowUps

    def says_the_same_as(self, other: "Board") -> bool:
        """Whether nothing but time is different."""
        return self.model_dump(exclude={"at", "watermark"}) == other.model_dump(exclude={"at", "watermark"})


class NotSettled(Exception):
    """Monitoring did not catch up within the patience given."""


def settled_board(monitoring: httpx.Client, *, patience: int = 240, wait: Callable[[float], None] = time.sleep) -> Board:
    """The board once monitoring has read all that was recorded when this was called, and a look later says nothing else.

    Looks twice a second, `patience` times; raises NotSettled, or httpx.HTTPError.
    """
    before = _board(monitoring)
    mark = before.at
    for _ in range(patience):
        wait(_PAUSE)
        board = _board(monitoring)
        caught_up = before.watermark is not None and before.watermark >= mark
        if caught_up and board.watermark != before.watermark and board.says_the_same_as(before):
            return board
        before = board
    raise NotSettled("Monitoring has not yet read all that was imported; its board will show it when it has.")


def figures(board: Board, *, cases: int, periods: int | None = None) -> str:
    """The figures as lines of text: cases and periods as read, the rest as monitoring has it."""
    return "\n".join(_lines(board, cases, periods))


def _lines(board: Board, cases: int, periods: int | None) -> Iterator[str]:
    done = board.follow_ups
    yield f"cases        {cases} ({board.cases.total} open)" + (f", {periods} periods" if periods is not None else "")
    yield f"follow-ups   {done.done} done, {done.missed} missed, {done.made_up} made up"
    yield f"hand-offs    {board.flow.total}"
    for pair in sorted(board.flow.cells, key=lambda pair: (-pair.count, pair.giver, pair.taker)):
        yield f"  {pair.count:>6}  {pair.giver} → {pair.taker}"
    yield f"alerts       {sum(alerts.raised for alerts in board.alerts.by_rule)}"
    for alerts in sorted(board.alerts.by_rule, key=lambda alerts: alerts.rule):
        yield f"  {alerts.raised:>6}  {alerts.rule} ({alerts.open} open)"


def _board(monitoring: httpx.Client) -> Board:
    response = monitoring.get(_PATH)
    response.raise_for_status()
    return Board.model_validate_json(response.content)
