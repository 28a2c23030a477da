"""What a fault stands on: a folder, a broker and a database server of its own, and the platform's services on them."""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path

import httpx
from sqlalchemy import Engine, NullPool, create_engine

from casebus.cluster import Cluster
from casebus.envelope import Role
from casebus.topic_admin import apply
from casebus.topics import read_topics
from continuum.local import kafka, ports, postgres
from continuum.local.process import Child, Program, Supervisor
from continuum.replay import SystemClock
from continuum.stack import PORTS, SERVICES, Databases, Manner, Running, issuer, prepared_databases, services_on
from tests.waiting import until

BEGIN = datetime(2026, 3, 2, 8, tzinfo=UTC)
REGION = "north"
QUICK = Manner(region=REGION, page=False, begin=BEGIN, watermark_seconds=0.25)
"""Four services, in a system time that the fault steps."""


class Through(Supervisor):
    """Starts programs by way of another one, as `env` is."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__()
        self._words = tuple(words)

    def start(self, program: Program) -> Child:
        return super().start(replace(program, command=(*self._words, *program.command)))


@dataclass
class Server:
    """A broker or a database server, which can be frozen, killed, and started again at the same address."""

    launch: Callable[[Supervisor], str]
    pid_file: Path
    through: Sequence[str] = ()
    """Words before its command."""
    _supervisor: Supervisor = field(default_factory=Supervisor)

    @cached_property
    def address(self) -> str:
        """Where it answers; started when first asked for."""
        return self.start()

    @property
    def pid(self) -> int:
        return int(self.pid_file.read_text().split("\n", 1)[0])

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """kill -9; returns once it has ended."""
        os.kill(self.pid, signal.SIGKILL)
        self.close()

    def start(self) -> str:
        """Also once more, where it was, after `kill`."""
        self._supervisor = Through(self.through)
        return self.launch(self._supervisor)

    def close(self) -> None:
        self._supervisor.close()


@dataclass(frozen=True)
class Clock:
    """The system time of all services; its connections live as long as a question, since their server may be struck."""

    databases: Databases

    def now(self) -> datetime:
        with SystemClock(self.databases.owners.values()) as clock:
            return clock.now()

    def step(self, moment: datetime) -> None:
        with SystemClock(self.databases.owners.values()) as clock:
            clock.step(moment)


@dataclass(frozen=True)
class Platform:
    """The four services, where they answer, and their system time."""

    run: Running
    clock: Clock
    databases: Databases

    def token(self, agency: str, role: Role = Role.WORKER) -> str:
        return issuer(self.run.home).token(actor=f"{agency}-{role.lower()}", role=role, agency=agency, region=REGION, hours=24 * 365)

    @cached_property
    def engines(self) -> dict[str, Engine]:
        """Each service's database, as its owner."""
        return {name: create_engine(url, poolclass=NullPool) for name, url in self.databases.owners.items()}

    def answers(self, name: str) -> bool:
        return _answers(self.run.urls[name])

    def start(self, name: str, *words: str, through: str = "", **environment: str) -> Child:
        """`launch`, and wait until it answers."""
        child = self.launch(name, *words, through=through, **environment)
        self.run.await_ready(name)
        return child

    def launch(self, name: str, *words: str, through: str = "", **environment: str) -> Child:
        """Start a service anew, in the place of the process that ended, with these words on its command line (`--only api`).

        `through` names a module that runs the service's own, after what it changes; `environment` is added to the service's.
        """
        child = self.run.services.start(_changed(self.run.programs[name], words, through, environment))
        self.run.children[name] = child
        return child

    def also(self, name: str, part: str, *, through: str = "", **environment: str) -> Child:
        """A further process of the service, with that part alone (`--only`), a port and a log of its own; returns once it answers."""
        port, another = ports.choose(0)[0], f"{name}-{part}-{len(self.run.children)}"
        program = _changed(self.run.programs[name], ("--only", part), through, {"CONTINUUM_PORT": str(port), **environment})
        child = self.run.services.start(replace(program, name=another, log=program.log.with_name(f"{another}.log")))
        self.run.children[another] = child
        self.run.services.await_ready(child, partial(_answers, f"http://127.0.0.1:{port}"), seconds=180)
        return child

    def end(self, child: Child) -> None:
        """kill -9 of a process of ours; returns once it is over."""
        child.stop_asked = True
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait(20)


def _changed(program: Program, words: Sequence[str], through: str, environment: Mapping[str, str]) -> Program:
    python, dash, *module = program.command
    command = (python, dash, *((through,) if through else ()), *module, *words)
    return replace(program, command=command, environment={**program.environment, **environment})


class Ground:
    """Servers are started when first asked for, and everything ends with the block that `ground()` opens."""

    def __init__(self, home: Path) -> None:
        self.home = home
        port, controller = ports.choose(0, 0)
        self.broker = Server(
            lambda s: kafka.start(s, home=home, port=port, controller_port=controller),
            home / "kafka" / "pid",
        )
        database_port = ports.choose(0)[0]
        self.database = Server(
            lambda s: postgres.start(s, home=home, port=database_port),
            home / "postgres" / "data" / "postmaster.pid",
        )

    @contextmanager
    def platform(self, manner: Manner = QUICK) -> Iterator[Platform]:
        """The four services on these servers, ready; with topics, and a system time that starts where `manner` says."""
        databases = prepared_databases(self.database.address)
        apply(Cluster(self.broker.address), read_topics())
        chosen = dict(zip(PORTS, ports.choose(*[0] * len(PORTS)), strict=True))
        with services_on(self.home, self.broker.address, databases, chosen, manner) as run:
            platform = Platform(run, Clock(databases), databases)
            until(lambda: all(_is_ready(run.urls[name]) for name in SERVICES), 180)
            yield platform


@contextmanager
def ground() -> Iterator[Ground]:
    """A ground in a folder of its own, which goes with it when all went well and stays, with its logs, when not."""
    home = Path(tempfile.mkdtemp(prefix="continuum-fault-"))
    home.chmod(0o755)
    made = Ground(home)
    with ExitStack() as ends:
        ends.callback(made.broker.close)
        ends.callback(made.database.close)
        yield made
    postgres.erase(home)
    shutil.rmtree(home)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez", timeout=2, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
