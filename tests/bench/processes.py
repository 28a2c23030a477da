"""What the processes below this one take: processor time, memory, threads."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Size:
    """Of one process: resident memory in MB, of which nothing is shared with others, and threads."""

    memory: float
    threads: int


@dataclass(slots=True)
class Spent:
    """Processor seconds of this process, of PostgreSQL and of Kafka, while a block ran."""

    ours: float = 0.0
    database: float = 0.0
    broker: float = 0.0

    def each(self, count: int) -> str:
        """For a note: of one of so many, in µs."""
        parts = ((self.ours, "ours"), (self.database, "PostgreSQL's"), (self.broker, "Kafka's"))
        return "processor time each: " + ", ".join(f"{seconds / count * 1e6:.0f} µs {whose}" for seconds, whose in parts)


@contextmanager
def spending() -> Iterator[Spent]:
    spent, before = Spent(), _seconds()
    try:
        yield spent
    finally:
        after = _seconds()
        spent.ours, spent.database, spent.broker = (after[name] - before[name] for name in ("python", "postgres", "java"))


def _seconds() -> dict[str, float]:
    """By program. A backend that has ended is in its postmaster's sum."""
    found = {"python": 0.0, "postgres": 0.0, "java": 0.0}
    for pid in (os.getpid(), *below(os.getpid())):
        try:
            name, times = _stat(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
        found[name if name in found else "python"] += sum(int(t) for t in times) / TICK
    return found


def _stat(pid: int) -> tuple[str, list[str]]:
    before, _, after = (PROC / str(pid) / "stat").read_text().rpartition(")")
    fields, own = after.split(), before.partition("(")[2]
    return own, fields[11:15] if own == "postgres" else fields[11:13]


def below(pid: int) -> list[int]:
    """Every process that descends from it."""
    parents: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    found, look = [], [pid]
    while look:
        children = parents.get(look.pop(), [])
        found += children
        look += children
    return found


def sizes(pids: Mapping[str, int]) -> dict[str, Size]:
    """Of each named process, with what it started itself: of PostgreSQL the backends. Memory that is shared is counted where it is used."""
    return {name: _size(pid) for name, pid in pids.items()}


def _size(pid: int) -> Size:
    memory, threads = 0.0, 0
    for each in (pid, *below(pid)):
        try:
            threads += int(_field(each, "status", "Threads"))
            memory += int(_field(each, "smaps_rollup", "Pss").split()[0]) / 1000
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return Size(memory, threads)


def _field(pid: int, file: str, name: str) -> str:
    lines = (PROC / str(pid) / file).read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:")), "0")
