"""Fault 9, the second half: the disk of PostgreSQL is full (a small tmpfs, filled to its last byte under load).

Commands are answered by 503 with Retry-After and change nothing. PostgreSQL may end when it can't write its log: then it is started again
once there is room, as whoever runs it does. All goes on by itself; no service is started again, and none ends.
"""

import errno
import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from continuum.stack import SERVICES
from tests.faults import checker
from tests.faults.driver import Load
from tests.faults.ground import Ground, Platform
from tests.faults.outcome import NotRun, Outcome
from tests.waiting import until

ROOM = "500m"
ROUNDS, ROUNDS_SHORT = 3, 1
PIECE = 1 << 20


def disk_full(ground: Ground, seed: int, short: bool) -> Outcome:  # noqa: FBT001  # the signature of every fault
    struck, random_bytes = 0, random.Random(seed).randbytes(PIECE)
    with _small_disk(ground) as disk, ground.platform() as platform:
        pids = {name: platform.run.child(name).pid for name in SERVICES}
        with Load(platform, seed).running() as load:
            for _ in range(ROUNDS_SHORT if short else ROUNDS):
                load.goes_on(50)
                _fill_until_refused(disk, load, random_bytes)
                struck += 1
                _make_room(ground, platform, disk)
            load.goes_on(50)
        found = checker.check(platform, load.ledger)
        assert pids == {name: platform.run.child(name).pid for name in SERVICES}
        assert all(platform.run.child(name).code is None for name in SERVICES), "a service ended"
        found.add("lost", "request without an answer, though its service ran", load.ledger.refusals[0])
    return found.outcome("disk-full", struck=struck, ledger=load.ledger)


@contextmanager
def _small_disk(ground: Ground) -> Iterator[Path]:
    """The database's folder is a file system of its own, of ROOM. Raises NotRun where we may not mount one."""
    folder = ground.home / "postgres"
    folder.mkdir()
    words = ("mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=755", "tmpfs", str(folder))
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode:
        raise NotRun("it mounts a small tmpfs: run as root, where that is allowed")
    try:
        yield folder
    finally:
        ground.database.close()
        subprocess.run(("umount", "--lazy", str(folder)), check=True)


def _fill_until_refused(disk: Path, load: Load, piece: bytes) -> None:
    """Not a byte is left, again and again where PostgreSQL makes room itself, until commands are refused for it."""
    refused = load.ledger.refusals[503]

    def full_and_refused() -> bool:
        with (disk / "ballast").open("ab", buffering=0) as ballast:
            for size in (PIECE, 4096, 1):
                try:
                    while ballast.write(piece[:size]):
                        pass
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
        return load.ledger.refusals[503] >= refused + 20

    until(full_and_refused, 120)


def _make_room(ground: Ground, platform: Platform, disk: Path) -> None:
    (disk / "ballast").unlink()
    if not _answers(platform):
        ground.database.close()
        ground.database.start()


def _answers(platform: Platform) -> bool:
    """Whether the server runs; one that begins again after it ended says so itself."""
    try:
        psycopg.connect(platform.databases.owners["intake"].replace("+psycopg", ""), connect_timeout=5).close()
    except psycopg.OperationalError as error:
        return "starting up" in str(error) or "recovery" in str(error)
    return True
