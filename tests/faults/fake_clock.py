"""libfaketime: the clock on the wall of a process, which jumps while it runs. What counts from its start goes on (as with a real clock)."""

from pathlib import Path

from tests.faults.outcome import NotRun

ENV = "/usr/bin/env"
PLACES = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/local/lib/faketime")


class FakeClock:
    """One for a process and its children, which are started by way of `words`; `jump` moves them all."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.jump("+0")

    @property
    def words(self) -> list[str]:
        """A command that goes before another. Raises NotRun where libfaketime is not installed."""
        library = f"LD_PRELOAD={_library()}"
        return [ENV, library, f"FAKETIME_TIMESTAMP_FILE={self._file}", "FAKETIME_CACHE_DURATION=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"]

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
