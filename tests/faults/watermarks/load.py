"""The writers: many transactions at once on the owners' databases, each at its moment, some of which stay open."""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from heapq import heappop, heappush
from random import Random
from time import time
from uuid import UUID

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from casebus.codec import Codec
from casebus.outbox import append
from tests.faults.watermarks.acts import Act, begins, following, opening

GROUP = 16
"""Cases that begin in one transaction."""
WRITERS = 40
MOST = 6
_RECORDED = text("SELECT max(recorded_at) FROM own.outbox WHERE topic = :topic AND subject = :subject")


class Load:
    """Cases begin, `rate` a second: so many, and more until it is `enough`. What follows of them is written too, until nothing is left."""

    def __init__(
        self, engines: Mapping[str, Engine], codec: Codec, *, seed: int, cases: int, rate: float, enough: Callable[[], bool]
    ) -> None:
        self._engines, self._codec, self._pace, self._cases, self._enough = engines, codec, GROUP / rate, cases, enough
        self._waiting: list[tuple[float, int, Act]] = []
        self._changed = threading.Condition()
        self._added = self._working = 0
        self.committed, self.failed, self.open = 0, 0, 0
        """Events that were committed; transactions that a fault ended; transactions that stayed open beyond half a second."""
        self._dice, self.cases = Random(seed), 0
        self._begin(time())
        for number in range(WRITERS):
            threading.Thread(target=self._write, args=(Random(f"{seed} {number}"),), name=f"writer {number}", daemon=True).start()

    @property
    def ended(self) -> bool:
        with self._changed:
            return not self._waiting and not self._working

    def _begin(self, at: float) -> None:
        """The next group; MOST times as many as were asked for, so that it ends whatever happens."""
        if self.cases < self._cases or (self.cases < MOST * self._cases and not self._enough()):
            self.cases += GROUP
            self._add(opening([UUID(int=self._dice.getrandbits(128), version=4) for _ in range(GROUP)], at))

    def _add(self, act: Act) -> None:
        with self._changed:
            self._added += 1
            heappush(self._waiting, (act.at, self._added, act))
            self._changed.notify()

    def _next(self) -> Act | None:
        """The earliest act, at its moment; None once there is none and nobody works who could add one."""
        with self._changed:
            while self._waiting or self._working:
                wait = self._waiting[0][0] - time() if self._waiting else 1.0
                if wait <= 0:
                    self._working += 1
                    return heappop(self._waiting)[2]
                self._changed.wait(min(wait, 1.0))
            return None

    def _write(self, dice: Random) -> None:
        while (act := self._next()) is not None:
            try:
                if begins(act):
                    self._begin(act.at + self._pace)
                recorded = self._commit(act)
                for each in following(act, recorded, dice):
                    self._add(each)
            except SQLAlchemyError:  # a fault ended the session: whether it was committed, the outbox says
                self._count(failed=1)
            finally:
                with self._changed:
                    self._working -= 1
                    self._changed.notify_all()

    def _commit(self, act: Act) -> datetime:
        """When it was recorded."""
        with self._engines[act.owner].begin() as connection:
            append(connection, [(event, act.cause) for event in act.events], self._codec)
            recorded = _recorded(connection, act)
            if act.hold:
                threading.Event().wait(act.hold)
        self._count(committed=len(act.events), open=act.hold > 0.5)
        return recorded

    def _count(self, *, committed: int = 0, failed: int = 0, open: int = 0) -> None:
        with self._changed:
            self.committed += committed
            self.failed += failed
            self.open += open


def _recorded(connection: Connection, act: Act) -> datetime:
    event = act.events[0]
    found: datetime = connection.execute(_RECORDED, {"topic": event.TOPIC, "subject": event.subject}).scalar_one()
    return found
