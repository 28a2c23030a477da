"""What the figures were measured on."""

import os
import platform
import shutil
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from continuum.stack import CLONE

SYNCS = 200


def described() -> str:
    """The machine, what else it did, the disk's time for one durable write, and the commit, in one line. Asked before the run begins."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    disk = shutil.disk_usage(tempfile.gettempdir()).total / 1e9
    return ", ".join(
        (
            f"{os.cpu_count()} cores ({_processor()}), which do {_together():.1f} times as much as one",
            f"{memory:.0f} GiB of memory",
            f"a disk of {disk:.0f} GB that keeps 8 KB durably in {_sync_seconds() * 1e3:.2f} ms",
            f"a load of {os.getloadavg()[0]:.1f} from others",
            f"{platform.system()} {platform.release()}",
            f"Python {platform.python_version()}",
            f"{datetime.now(UTC):%Y-%m-%d}",
            f"commit {commit()}",
        )
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _together() -> float:
    """How much all cores get done at once, of what one gets done alone: less than their number where they share what makes them fast."""
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores) as pool:
        list(pool.map(_work_seconds, range(cores)))  # they are there
        alone = min(pool.submit(_work_seconds, 0).result() for _ in range(3))
        beside = min(max(pool.map(_work_seconds, range(cores))) for _ in range(3))
    return cores * alone / beside


def _work_seconds(_: int) -> float:
    begin, found = perf_counter(), {}
    for number in range(1_000_000):
        found[number % 5_000] = str(number)
    return perf_counter() - begin


def _sync_seconds() -> float:
    """The median time of writing 8 KB and waiting until the disk has it: what one commit costs at least."""
    took = []
    with tempfile.NamedTemporaryFile(buffering=0) as file:
        for _ in range(SYNCS):
            begin = perf_counter()
            file.write(bytes(8192))
            os.fdatasync(file.fileno())
            took.append(perf_counter() - begin)
    return sorted(took)[SYNCS // 2]


def commit() -> str:
    """The commit that is checked out, with a + where files differ from it; "unknown" outside of a clone."""
    try:
        name = _git("rev-parse", "--short", "HEAD")
        return name + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    return subprocess.run(("git", "-C", str(CLONE), *words), capture_output=True, text=True, check=True).stdout.strip()
