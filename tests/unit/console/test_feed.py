"""The feed: a viewer gets everything once, then only what changed, and an end when the console stops."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from services.console.clients import Board, Trouble
from services.console.pages.feed import Feed, Parts, Snapshot
from tests.browser.fake_monitoring import FakeMonitoring

LIMIT = 5.0


def feed() -> Feed:
    return Feed(lambda seen: {"time": str(seen.board and seen.board.at), "trouble": str(seen.trouble)})


def board(hours: int) -> Board:
    monitoring = FakeMonitoring()
    monitoring.at += timedelta(hours=hours)
    return Board.model_validate(monitoring.board())


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), LIMIT))


def test_a_viewer_gets_all_parts_and_then_those_that_changed() -> None:
    async def story() -> None:
        live = feed()
        viewer = live.changes()
        assert set(await anext(viewer)) == {"time", "trouble"}
        live.publish(Snapshot(board=board(1)))
        assert set(await anext(viewer)) == {"time"}
        live.publish(Snapshot(board=board(1), trouble=Trouble.UNREACHABLE))
        assert await anext(viewer) == {"trouble": "UNREACHABLE"}

    run(story)


def test_a_slow_viewer_gets_the_newest_and_not_every_step() -> None:
    async def story() -> None:
        live = feed()
        viewer = live.changes()
        await anext(viewer)
        for hours in range(5):
            live.publish(Snapshot(board=board(hours)))
        assert await anext(viewer) == {"time": str(board(4).at)}

    run(story)


def test_every_viewer_gets_the_change_also_from_another_thread() -> None:
    async def story() -> None:
        live = feed()
        viewers = [live.changes() for _ in range(3)]
        for viewer in viewers:
            await anext(viewer)
        await asyncio.to_thread(live.publish, Snapshot(board=board(2)))
        assert [set(await anext(viewer)) for viewer in viewers] == [{"time"}] * 3

    run(story)


def test_the_stream_ends_when_the_console_stops() -> None:
    async def story() -> None:
        live = feed()
        seen: list[Parts] = []

        async def watch() -> None:
            async for parts in live.changes():
                seen.append(parts)
                live.close()

        await watch()
        assert len(seen) == 1

    run(story)
