"""`continuum pass`: time that is let pass where one tries the platform out. Every clock and ladder sees each hour of it."""

import re
import time
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, NullPool, create_engine

from casebus.watermark import reached
from continuum.local.process import LocalFailure
from continuum.progress import Watch
from continuum.replay import HOUR, SystemClock
from continuum.stack import last_run

HOURS = {"h": 1, "d": 24}
LONGEST_DAYS = 60
"""What is let pass at once: that takes minutes."""
PATIENCE, LOOK_SECONDS = 60.0, 0.05
"""For how long monitoring may not come after, and how often it is asked."""


def read_span(written: str) -> timedelta:
    """Raises LocalFailure for what is no `4h` or `14d`, or more than LONGEST_DAYS."""
    found = re.fullmatch(r"([1-9]\d{0,3})([hd])", written)
    hours = int(found[1]) * HOURS[found[2]] if found else 0
    if not 0 < hours <= LONGEST_DAYS * HOURS["d"]:
        raise LocalFailure(f"write how much time is to pass as 4h or 14d, {LONGEST_DAYS}d at most")
    return timedelta(hours=hours)


def in_the_local_run(home: Path, span: timedelta, watch: Watch) -> datetime:
    """Let so much time pass in all services of the local run; what time it is then. Raises LocalFailure where none runs."""
    databases = last_run(home)["databases"]
    assert isinstance(databases, dict)  # stack._write wrote it
    with SystemClock(databases.values()) as clock:
        return let_pass(clock, create_engine(databases["monitoring"], poolclass=NullPool), span, watch)


def let_pass(clock: SystemClock, monitoring: Engine, span: timedelta, watch: Watch) -> datetime:
    """An hour after the other, each once monitoring knows all that was recorded before it."""
    moment = clock.now()
    end = moment + span
    while moment < end:
        moment = min(clock.now() + HOUR, end)
        clock.step(moment)
        _await(monitoring, moment)
        watch((moment - end + span) / HOUR, span / HOUR)
    return end


def _await(monitoring: Engine, moment: datetime) -> None:
    """Raises LocalFailure where it takes long."""
    late = time.monotonic() + PATIENCE
    while not _knows(monitoring, moment):
        if time.monotonic() > late:
            raise LocalFailure("monitoring does not come after: see on its board for whom it is blind, or in its log; then run it again")
        time.sleep(LOOK_SECONDS)


def _knows(monitoring: Engine, moment: datetime) -> bool:
    with monitoring.begin() as connection:
        least = reached(connection).least
    return least is not None and least >= moment
