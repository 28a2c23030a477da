"""Group commit: the requests that come while a transaction runs go together into the next one. Who comes to an idle desk doesn't wait."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Condition, Thread

from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from casebus import metrics
from casebus.cause import Cause
from casebus.database import impatient
from casebus.desk import Answer, Asked, Desk, Request

GROUP = 400
"""Commands that one transaction takes at most; a request of more has one of its own."""
BESIDE = 100
"""So many commands wait for no other transaction: while the database works on one group, the next is made ready."""
COMMITTERS = 2
LOCK_MILLISECONDS = 200
"""How long a group waits for a row that somebody else holds, before each of its requests goes alone and only one of them waits on."""


class _Alone(Exception):
    """Something in the group could not be done, or had to wait: each of its requests is to be tried by itself."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    asked: Asked
    done: asyncio.Future[None]

    @property
    def size(self) -> int:
        return len(self.asked.open)


@dataclass(slots=True)
class GroupCommit:
    """The way from an event loop to a Desk. Its own threads commit; no answer is given before the commit that it tells of."""

    desk: Desk
    _queue: deque[_Waiting] = field(default_factory=deque)
    _changed: Condition = field(default_factory=Condition)
    _at_work: int = 0
    _threads: list[Thread] = field(default_factory=list)

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
        if not self._threads:
            engine = impatient(self.desk.engine, connections=COMMITTERS, lock_milliseconds=LOCK_MILLISECONDS)
            self._threads += [Thread(target=self._work, args=(engine,), name=f"group-commit-{n}", daemon=True) for n in range(COMMITTERS)]
            for thread in self._threads:
                thread.start()
        waiting = _Waiting(asked, asyncio.get_running_loop().create_future())
        with self._changed:
            self._queue.append(waiting)
            self._changed.notify()
        await waiting.done

    def _work(self, engine: Engine) -> None:
        while True:
            group = self._next()
            error: Exception | None = None
            try:
                self.desk.commit([waiting.asked for waiting in group], engine)
            except Exception:  # noqa: BLE001  # each will say by itself what it was
                error = _Alone()
            with self._changed:
                self._at_work -= 1
                self._changed.notify()
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                group[0].done.get_loop().call_soon_threadsafe(_tell, [waiting.done for waiting in group], error)

    def _next(self) -> list[_Waiting]:
        """What waits, as it came, as much as a transaction can have."""
        with self._changed:
            self._changed.wait_for(self._is_ready)
            self._at_work += 1
            group = [self._queue.popleft()]
            size = group[0].size
            while self._queue and (size := size + self._queue[0].size) <= GROUP:
                group.append(self._queue.popleft())
            self._changed.notify()
        return group

    def _is_ready(self) -> bool:
        return bool(self._queue) and (not self._at_work or sum(waiting.size for waiting in self._queue) >= BESIDE)


def _tell(waiting: Sequence[asyncio.Future[None]], error: Exception | None) -> None:
    for done in waiting:
        if done.done():
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
