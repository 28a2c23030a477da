"""Runs a service under libfaketime: `python -m tests.faults.shifted services.intake.main`.

With a true monotonic clock libfaketime refuses the system call that `time.sleep` makes, so here sleeping is done by another one.
"""

import runpy
import select
import sys
import time
from typing import SupportsIndex


def sleep(seconds: float | SupportsIndex) -> None:
    select.select([], [], [], float(seconds))


if __name__ == "__main__":
    time.sleep = sleep
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
