"""The job that tells people: gathers messages and has them delivered, each in a thread of its own, so that nobody slow holds up the others.

Several may run, in this process and in others, and each may be killed at any moment.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from random import random
from threading import Event as Signal
from threading import Semaphore, Thread
from time import monotonic

from sqlalchemy import Connection, Engine

from casebus import telemetry
from services.monitoring import metrics
from services.monitoring.domain.reach import Channel
from services.monitoring.sealing import Seal
from services.monitoring.storage import Work
from services.monitoring.telling import delivery
from services.monitoring.telling.delivery import Taken
from services.monitoring.telling.gathering import gather
from services.monitoring.telling.parcel import Carrier, NotDelivered

AT_ONCE = 4
"""Deliveries of one channel at the same time."""
TICK = 0.5
FORGETS = 60.0
"""Seconds between two looks for what is old."""
KEPT = timedelta(days=90)
ENDING = 1.2
"""Seconds for what is under way when the process ends; the rest is delivered again by the next."""

log = telemetry.logger(__name__)


@dataclass(kw_only=True)
class Teller:
    """A job of monitoring. Without carriers it does nothing: nobody is told but by the board."""

    engine: Engine
    make_work: Callable[[Connection], Work]
    carriers: Mapping[Channel, Carrier]
    seal: Seal | None
    tick: float = TICK
    chance: Callable[[], float] = random
    holds: Callable[[Connection], bool] = lambda _: False
    """Whether the time can't be trusted: then nothing is due, and nothing is forgotten."""
    _forgets: float = field(default_factory=monotonic, init=False)
    _free: dict[Channel, Semaphore] = field(init=False)

    def __post_init__(self) -> None:
        self._free = {channel: Semaphore(AT_ONCE) for channel in self.carriers}
        for channel in self.carriers:  # they begin at 0, so that the first of each is seen as an increase
            for outcome in metrics.OUTCOMES:
                metrics.DELIVERIES.labels(channel, outcome)

    def run(self, stop: Signal) -> None:
        while not stop.is_set():
            busy = False
            try:
                busy = self.turn() > 0
            except Exception as error:  # noqa: BLE001  # a database that is away: begin again until it is back
                log.warning("telling begins again", error=type(error).__name__)
            stop.wait(0.01 if busy else self.tick)
        end = monotonic() + ENDING
        for free in self._free.values():
            for _ in range(AT_ONCE):
                free.acquire(timeout=max(0.0, end - monotonic()))

    def turn(self) -> int:
        """Gather, begin to deliver and forget, unless the time has jumped; how much there was to do."""
        if self.carriers and self._is_held():
            return 0
        done = self.gather() + self.deliver()
        if monotonic() >= self._forgets:
            self._forgets = monotonic() + FORGETS
            self.forget()
        return done

    def _is_held(self) -> bool:
        with self.engine.begin() as connection:
            return self.holds(connection)

    def gather(self) -> int:
        """Make messages for some people; how many people were looked at."""
        if not self.carriers:
            return 0
        with self.engine.begin() as connection:
            return gather(connection, self.make_work(connection).policy).recipients

    def deliver(self) -> int:
        """Begin to deliver what there is room for; how many were begun."""
        begun = 0
        for channel, carrier in self.carriers.items():
            for one in self._take(channel):
                Thread(target=self._carry, args=(carrier, one), name=f"tell-{channel}", daemon=True).start()
                begun += 1
        return begun

    def forget(self) -> None:
        with self.engine.begin() as connection:
            delivery.forget(connection, KEPT)

    def _take(self, channel: Channel) -> list[Taken]:
        """As many as there are places free; each keeps one until it is settled."""
        free = self._free[channel]
        places = sum(free.acquire(blocking=False) for _ in range(AT_ONCE))
        if not places:
            return []
        taken: list[Taken] = []
        try:
            with self.engine.begin() as connection:
                found = delivery.take(self.make_work(connection), channel, places, self.seal)
            taken = found  # not before the commit: without it nobody carries them, and nobody would give their places back
        finally:
            for _ in range(places - len(taken)):
                free.release()
        return taken

    def _carry(self, carrier: Carrier, one: Taken) -> None:
        try:
            error = _attempt(carrier, one)
            with self.engine.begin() as connection:
                work = self.make_work(connection)
                if one.parcel is None:
                    delivery.dropped(work, one)
                elif error is None:
                    delivery.sent(work, one)
                else:
                    delivery.failed(work, one, error, self.chance)
                work.save()
        except Exception as error:  # noqa: BLE001  # a database that is away: its time runs out, and it is taken again
            log.warning("a delivery isn't settled", delivery=str(one.id), error=type(error).__name__)
        finally:
            self._free[one.channel].release()


def _attempt(carrier: Carrier, one: Taken) -> NotDelivered | None:
    if one.parcel is None:
        return None
    try:
        carrier.carry(one.parcel)
    except NotDelivered as error:
        log.warning("not delivered", delivery=str(one.id), channel=one.channel, attempt=one.attempt, because=error.because)
        return error
    except Exception as error:  # noqa: BLE001  # what a library raises: an attempt that failed, and no word of what it said
        log.error("not delivered", delivery=str(one.id), channel=one.channel, attempt=one.attempt, because=type(error).__name__)
        return NotDelivered("OUR_MISTAKE")
    return None
