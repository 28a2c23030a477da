"""The live feed: one poller asks monitoring on behalf of all viewers, and each viewer gets the parts that changed."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from services.console.clients import Board, Monitoring, NoAnswer, NotThere, Stream, Trend, Trouble

TIME_EVERY = timedelta(seconds=1)
TREND_EVERY = timedelta(seconds=2)
TREND_AFTER_SILENCE = timedelta(seconds=10)
KEEP_ALIVE_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """What is known now: the last board that was seen, and what is in the way of a newer one since when (real time)."""

    board: Board | None = None
    trend: Trend | None = None
    trouble: Trouble | None = None
    since: datetime | None = None


Parts = Mapping[str, str]


class Feed:
    """Holds the newest snapshot and wakes its viewers. `render` turns a snapshot into HTML by part name."""

    def __init__(self, render: Callable[[Snapshot], Parts]) -> None:
        self._render = render
        self._lock = threading.Lock()
        self._wakers: set[Callable[[], None]] = set()
        self.snapshot = Snapshot()
        self.parts: Parts = render(self.snapshot)
        self.closed = False

    def publish(self, snapshot: Snapshot) -> None:
        """Make this the newest snapshot (from any thread); viewers wake only if it differs."""
        if snapshot == self.snapshot:
            return
        self.parts = self._render(snapshot)
        self.snapshot = snapshot
        self._wake()

    def close(self) -> None:
        """End every viewer's stream, so that the web server can stop."""
        self.closed = True
        self._wake()

    async def changes(self) -> AsyncIterator[Parts]:
        """The parts that this viewer has not got yet: all at first, nothing (a sign of life) now and then. Ends with close()."""
        sent: dict[str, str] = {}
        async with _Waker(self) as changed:
            while not self.closed:
                parts = self.parts
                yield {name: html for name, html in parts.items() if sent.get(name) != html}
                sent.update(parts)
                await changed(KEEP_ALIVE_SECONDS)

    def add(self, waker: Callable[[], None]) -> None:
        """Call `waker`, which must be quick, at every change."""
        with self._lock:
            self._wakers.add(waker)

    def remove(self, waker: Callable[[], None]) -> None:
        """No longer call it."""
        with self._lock:
            self._wakers.discard(waker)

    def _wake(self) -> None:
        with self._lock:
            for waker in self._wakers:
                waker()


class _Waker:
    """A viewer's place in the feed; awaiting it returns at the next change or after so many seconds."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._event = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> "_Waker":
        self._feed.add(self._wake)
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._feed.remove(self._wake)

    async def __call__(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return
        self._event.clear()

    def _wake(self) -> None:
        self._loop.call_soon_threadsafe(self._event.set)


class Poller(threading.Thread):
    """Asks monitoring for the board, and the stream for the trend, until stop()."""

    def __init__(self, *, feed: Feed, monitoring: Monitoring, stream: Stream | None, seconds: float) -> None:
        super().__init__(name="board-poller", daemon=True)
        self._feed, self._monitoring, self._stream, self._seconds = feed, monitoring, stream, seconds
        self._stopping = threading.Event()
        self._trend_due = self._time_due = datetime.min.replace(tzinfo=UTC)

    def run(self) -> None:
        """Poll, publish, pause."""
        while not self._stopping.is_set():
            self._feed.publish(self.look(self._feed.snapshot, datetime.now(UTC)))
            self._stopping.wait(self._seconds)

    def stop(self) -> None:
        """Ask it to end; it does within one request's time-out."""
        self._stopping.set()

    def look(self, before: Snapshot, now: datetime) -> Snapshot:
        """One round. Where there is no answer, what was seen before stays, with the trouble and its beginning."""
        seen = replace(before, trend=self._look_at_trend(before.trend, now))
        try:
            return replace(seen, board=self._look_at_board(now), trouble=None, since=None)
        except NoAnswer as problem:
            trouble = problem.trouble
        except NotThere:
            trouble = Trouble.UNREADABLE
        return replace(seen, trouble=trouble, since=before.since or now)

    def _look_at_board(self, now: datetime) -> Board:
        if now < self._time_due:
            return self._monitoring.board(whole=False)
        self._time_due = now + TIME_EVERY
        return self._monitoring.board()

    def _look_at_trend(self, before: Trend | None, now: datetime) -> Trend | None:
        if self._stream is None or now < self._trend_due:
            return before
        try:
            trend = self._stream.trend()
        except (NoAnswer, NotThere):
            self._trend_due = now + TREND_AFTER_SILENCE
            return None
        self._trend_due = now + TREND_EVERY
        return trend
