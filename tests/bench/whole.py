"""The whole platform as it runs here: memory and threads of each process, at rest and under load."""

import os
import threading
from itertools import count

from continuum.local import ports
from continuum.stack import PORTS, SERVICES, Running, prepared_databases, services_on
from tests.bench import load
from tests.bench.commands import CONNECTIONS, cases, token
from tests.bench.figure import Figure
from tests.bench.ground import Ground
from tests.bench.processes import PROC, Size, below, sizes

LOOK_SECONDS = 0.5


def sized(ground: Ground, seed: int, *, quick: bool) -> list[Figure]:
    """Every process of the platform: at rest, once it is up, and the most while 32 connections load intake."""
    ground.afresh()
    databases = prepared_databases(ground.admin_url)
    chosen = dict(zip(PORTS, ports.choose(*[0] * len(PORTS)), strict=True))
    with services_on(ground.home, ground.bootstrap, databases, chosen) as run:
        pids = _pids(run)
        rest = sizes(pids)
        most = _loaded(ground, run, pids, 5.0 if quick else 20.0)
    return [
        Figure(
            name=f"memory, {name}",
            value=most[name].memory,
            unit="MB",
            less_is_better=True,
            note=f"{rest[name].memory:.0f} MB and {rest[name].threads} threads at rest, {most[name].threads} threads under load",
        )
        for name in pids
    ]


def _pids(run: Running) -> dict[str, int]:
    found = {name: run.child(name).pid for name in (*SERVICES, "console", "stream")}
    for pid in below(os.getpid()):
        name = (PROC / str(pid) / "comm").read_text().strip()
        parent = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1]
        if name == "java":
            found["kafka"] = pid
        elif name == "postgres" and int(parent) == os.getpid():
            found["postgres, all its backends"] = pid
    return found


def _loaded(ground: Ground, run: Running, pids: dict[str, int], seconds: float) -> dict[str, Size]:
    """The most of each, while the load goes on."""
    most, over = sizes(pids), threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            for name, now in sizes(pids).items():
                most[name] = Size(max(most[name].memory, now.memory), max(most[name].threads, now.threads))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        numbers = count()
        load.run(run.urls["intake"], [cases(token(ground), numbers) for _ in range(CONNECTIONS)], seconds).must_be_done()
    finally:
        over.set()
        watcher.join()
    return most
