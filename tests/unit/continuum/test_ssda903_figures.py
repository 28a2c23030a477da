"""The figures at the end of an import: monitoring's, once it has read everything."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from continuum.figures import Board, NotSettled, figures, settled_board

NOW = datetime(2021, 6, 1, tzinfo=UTC)


def board(at: int, watermark: int | None, *, missed: int = 4) -> dict[str, Any]:
    """A board as monitoring answers it; times in seconds from NOW."""
    return {
        "at": (NOW + timedelta(seconds=at)).isoformat(),
        "watermark": None if watermark is None else (NOW + timedelta(seconds=watermark)).isoformat(),
        "cases": {"total": 86, "cells": [{"holder": "own-provision", "stage": "ACTIVE", "count": 86}]},
        "flow": {
            "total": 5,
            "cells": [{"from": "private-provider", "to": "own-provision", "count": 2}, {"from": "a", "to": "b", "count": 3}],
        },
        "alerts": {
            "total": 1,
            "raised": 3,
            "by_rule": [{"rule": "STALLED_CASE", "open": 0, "raised": 1}, {"rule": "MISSED_FOLLOW_UP", "open": 1, "raised": 2}],
        },
        "follow_ups": {"done": 2139, "missed": missed, "made_up": 3},
        "blind": [],
    }


def monitoring(boards: Iterable[dict[str, Any]]) -> httpx.Client:
    answers = iter(boards)
    return httpx.Client(base_url="http://monitoring", transport=httpx.MockTransport(lambda _: httpx.Response(200, json=next(answers))))


def test_the_figures_say_what_was_read_and_what_monitoring_made_of_it() -> None:
    assert figures(Board.model_validate(board(0, 0)), cases=820, periods=840).splitlines() == [
        "cases        820 (86 open), 840 periods",
        "follow-ups   2139 done, 4 missed, 3 made up",
        "hand-offs    5",
        "       3  a → b",
        "       2  private-provider → own-provision",
        "alerts       3",
        "       2  MISSED_FOLLOW_UP (1 open)",
        "       1  STALLED_CASE (0 open)",
    ]


def test_figures_wait_until_all_that_was_recorded_is_read_and_nothing_changes_any_more() -> None:
    pauses: list[float] = []
    boards = [board(10, None), board(11, 8), board(12, 11), board(13, 12, missed=5), board(14, 12, missed=5), board(15, 14, missed=5)]
    settled = settled_board(monitoring(boards), wait=pauses.append)
    assert (settled.follow_ups.missed, settled.at) == (5, NOW + timedelta(seconds=15))
    assert len(pauses) == len(boards) - 1


def test_a_monitoring_that_does_not_catch_up_is_not_quoted() -> None:
    with pytest.raises(NotSettled):
        settled_board(monitoring(board(at, 8) for at in range(10, 99)), patience=9, wait=lambda seconds: None)
