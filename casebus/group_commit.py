"""Group commit: the requests that come while a transaction runs go together into the next one. Who comes to an idle desk doesn't wait."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread

from starlette.concurrency import run_in_threadpool

from casebus import metrics
from casebus.cause import Cause
from casebus.database import contended, unavailable
from casebus.desk import Answer, Asked, Desk, Request

GROUP = 400
"""Commands that one transaction takes at most; a request of more has one of its own."""
LOCK_MILLISECONDS = 200
"""How long a group waits for a row that somebody else holds, before each of its requests goes alone and only one of them waits on."""


class _Alone(Exception):
    """Something in the group could not be done, or had to wait: each of its requests is to be tried by itself."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    asked: Asked
    done: asyncio.Future[None]


@dataclass(slots=True)
class GroupCommit:
    """The way from an event loop to a Desk. Its one thread commits; no answer is given before the commit that it tells of."""

    desk: Desk
    _queue: SimpleQueue[_Waiting] = field(default_factory=SimpleQueue)
    _thread: Thread | None = None

    async def run(self, who: Cause, requests: Sequence[Request]) -> list[Answer]:
        """As Desk.run."""
        asked = self.desk.read(who, requests)
        if self.desk.must_wait(asked):
            await run_in_threadpool(self.desk.wait_to_see, asked)
        with metrics.COMMAND_SECONDS.labels(self.desk.service).time():
            if asked.open:
                try:
                    await self._together(asked)
                except _Alone:
                    await run_in_threadpool(self.desk.commit, [asked])
        return self.desk.answers(asked)

    async def _together(self, asked: Asked) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._work, name="group-commit", daemon=True)
            self._thread.start()
        waiting = _Waiting(asked, asyncio.get_running_loop().create_future())
        self._queue.put(waiting)
        await waiting.done

    def _work(self) -> None:
        for group in self._groups():
            error: Exception | None = None
            try:
                self.desk.commit([waiting.asked for waiting in group], lock_milliseconds=LOCK_MILLISECONDS)
            except Exception as raised:  # noqa: BLE001  # it is told to whoever waits
                error = raised if unavailable(raised) and not contended(raised) else _Alone()
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                group[0].done.get_loop().call_soon_threadsafe(_tell, [waiting.done for waiting in group], error)

    def _groups(self) -> Iterator[list[_Waiting]]:
        """What waits, as it came, in groups of a size that a transaction can have."""
        left: _Waiting | None = None
        while True:
            group = [left or self._queue.get()]
            size, left = len(group[0].asked.open), None
            with suppress(Empty):
                while size < GROUP:
                    left = self._queue.get_nowait()
                    size += len(left.asked.open)
                    if size <= GROUP:
                        group.append(left)
                        left = None
            yield group


def _tell(waiting: Sequence[asyncio.Future[None]], error: Exception | None) -> None:
    for done in waiting:
        if done.done():
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
