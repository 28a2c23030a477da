"""Waiting for a condition, with a bound."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(met: Callable[[], T], seconds: float = 30.0, every: float = 0.05) -> T:
    """What `met` returns once that is true; it is asked `every` so many seconds. AssertionError when it isn't in time."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not (found := met()):
        assert time.monotonic() < deadline, f"not met within {seconds:.0f} s"
        pause.wait(every)
    return found
