"""Whether system time passes as time does. Where it jumps ahead nothing is known until the time that it told has really come.

System time may only stand still or go on (own.timebase). If the servers' clocks jump ahead, everything would seem due. So the worker holds
it against a clock that nobody sets: as long as it is ahead of where that clock puts it, no watermark counts. It goes on by itself when time
has caught up, or the clocks were set right; at once after a restart, which takes time as it is, and after a step by the databases' owner.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from casebus import telemetry
from casebus.watermark import Reached, reached

LIMIT = timedelta(seconds=30)
"""Between two looks system time and the other clock never differ by so much, unless one of them was set."""
SLEW = 0.001
"""By what part of the time that passes two clocks that run may drift apart."""
NOTHING = Reached({}, {}, unknown=True)
_TIME = text("SELECT base, since, own.system_time() FROM own.timebase")

log = telemetry.logger(__name__)


def unset_clock() -> float:
    """Seconds that passed, also while the machine slept; nobody sets it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(slots=True)
class _Expected:
    """The system time that it should be at a moment of the other clock, since somebody stepped it last."""

    step: tuple[datetime, datetime]
    system: datetime
    at: float


@dataclass(kw_only=True)
class Steadiness:
    """Of one process, since it looked first. `clock` is the one that nobody sets."""

    clock: Callable[[], float] = unset_clock
    limit: timedelta = LIMIT
    held: bool = False
    """Whether system time was ahead at the last look."""
    _expected: _Expected | None = field(default=None, repr=False)

    def known(self, connection: Connection) -> Reached:
        """What is known by the watermarks; nothing while system time is ahead."""
        found = reached(connection)
        return NOTHING if self.is_ahead(connection) else found

    def is_ahead(self, connection: Connection) -> bool:
        """Look, and say so when it changes."""
        ahead = self._ahead(connection)
        held = ahead > self.limit
        if held and not self.held:
            log.error("system time has jumped: nothing is decided or told until it is right", ahead_seconds=int(ahead.total_seconds()))
        elif self.held and not held:
            log.warning("system time is right again")
        self.held = held
        return held

    def _ahead(self, connection: Connection) -> timedelta:
        base, since, now = connection.execute(_TIME).one()
        at = self.clock()  # read later, so that what the question took doesn't count as a jump
        expected = self._expected
        if expected is None or expected.step != (base, since):
            self._expected = _Expected((base, since), now, at)
            return timedelta(0)
        passed = timedelta(seconds=max(at - expected.at, 0.0))
        ahead: timedelta = now - (expected.system + passed)
        drift = max(-SLEW * passed, min(SLEW * passed, ahead))
        self._expected = _Expected((base, since), expected.system + passed + drift, at)
        return ahead
