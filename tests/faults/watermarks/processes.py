"""What runs: a relay of each owner, and monitoring twice; each a process of the product, with duties of seconds."""

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx

from continuum.local import ports
from continuum.local.process import Child, Program, Supervisor
from continuum.stack import CLONE, issuer
from tests.faults.ground import Ground
from tests.waiting import until

OWNERS = ("intake", "planning", "referral", "monitoring")
MONITORS = ("monitoring-a", "monitoring-b")
NAIVE = "naive"


@dataclass(frozen=True)
class Processes:
    """By name: those that run. Each can be killed, and started again; or frozen, and thawed."""

    programs: Mapping[str, Program]
    supervisor: Supervisor
    children: dict[str, Child] = field(default_factory=dict)

    def begin(self, *names: str) -> None:
        """Returns at once."""
        self.children.update({name: self.supervisor.start(self.programs[name]) for name in names})

    def start(self, *names: str) -> None:
        """Returns once they answer."""
        self.begin(*names)
        for name in names:
            url = f"http://127.0.0.1:{self.programs[name].environment['CONTINUUM_PORT']}/livez"
            self.supervisor.await_ready(self.children[name], partial(_answers, url), seconds=90)

    def kill(self, name: str) -> None:
        """kill -9; returns once it has ended by that."""
        child = self.children[name]
        child.stop_asked = True
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait(20)
        assert child.code == -signal.SIGKILL


def processes(ground: Ground, databases: Mapping[str, str], supervisor: Supervisor, watermark_seconds: float = 0.25) -> Processes:
    """None of them runs yet. `databases`: the URL of each owner's, and of the naive reader's."""
    issuer(ground.home)
    shared = {
        "KAFKA_BOOTSTRAP": ground.broker.address,
        "CONTINUUM_JWT_PUBLIC_KEY": str(ground.home / "dev-issuer.pub"),
        "CONTINUUM_POLICIES": str(CLONE / "deploy" / "policies"),
        "CONTINUUM_WATERMARK_SECONDS": str(watermark_seconds),
        "CONTINUUM_TICK_SECONDS": "0.1",
        "PYTHONPATH": str(CLONE),
    }
    commands: dict[str, tuple[str, ...]] = {owner: (f"services.{owner}.main", "--only", "relay") for owner in OWNERS[:3]}
    commands |= dict.fromkeys(MONITORS, ("tests.faults.watermarks.duties",)) | {NAIVE: ("tests.faults.watermarks.naive",)}
    taken = ports.choose(*[0] * len(commands))
    return Processes(
        {
            name: Program(
                name=name,
                command=(sys.executable, "-m", *words),
                log=ground.home / "logs" / f"{name}.log",
                environment={**shared, "DATABASE_URL": databases[name.partition("-")[0]], "CONTINUUM_PORT": str(port)},
                folder=CLONE,
            )
            for (name, words), port in zip(commands.items(), taken, strict=True)
        },
        supervisor,
    )


def freeze(pid: int) -> None:
    """SIGSTOP; returns once the system says that the process is stopped. Raises ProcessLookupError where it has ended."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: state_of(pid) == "T", 5)


def state_of(pid: int) -> str:
    """The letter that Linux gives a process's state. Raises ProcessLookupError."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
