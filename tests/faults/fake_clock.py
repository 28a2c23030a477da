"""libfaketime: the clock on the wall of a process, which jumps while it runs. What counts from its start goes on (as with a real clock)."""

import shutil
import subprocess
from functools import cached_property
from pathlib import Path

from tests.faults.outcome import NotRun

ENV = "/usr/bin/env"
PLACES = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/local/lib/faketime")


class FakeClock:
    """One for processes that are started by way of `words`, or with this `environment`; `jump` moves them all.

    Raises NotRun where libfaketime or a C compiler is not installed.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.jump("+0")

    @property
    def words(self) -> list[str]:
        """A command that goes before another."""
        return [ENV, *(f"{name}={value}" for name, value in self.environment.items())]

    @cached_property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": f"{_real_waits(self._file.parent)}:{_library()}",
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def jump(self, offset: str) -> None:
        """From now on the clock is so far from the right time: "+1h", "-1d"."""
        new = self._file.with_suffix(".new")
        new.write_text(offset + "\n")
        new.chmod(0o644)
        new.replace(self._file)


def _library() -> Path:
    root = Path("/")
    found = [path for place in PLACES for path in sorted(root.glob(f"{place[1:]}/libfaketime.so.1"))]
    if not found:
        raise NotRun("it needs libfaketime: `apt-get install faketime`")
    return found[0]


def _real_waits(folder: Path) -> Path:
    """The waits of real_waits.c, made for this machine."""
    compiler, made = shutil.which("cc"), folder / "real_waits.so"
    if compiler is None:
        raise NotRun("it needs a C compiler: `apt-get install gcc libc6-dev`")
    source = Path(__file__).with_name("real_waits.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", made, source, "-ldl"], check=True)
    return made
