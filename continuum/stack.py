"""All of continuum on this machine, on 127.0.0.1: PostgreSQL, Kafka, four services, Faust and the console, as our children."""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from cryptography.fernet import Fernet
from sqlalchemy import make_url

from casebus.cluster import Cluster, Protocol
from casebus.envelope import Role
from casebus.identity import DevelopmentIssuer, new_key_pair
from casebus.migrate import migrate
from casebus.settings import read_cluster
from casebus.topic_admin import apply
from casebus.topics import read_topics
from continuum.local import kafka, ports, postgres
from continuum.local.process import Child, LocalFailure, Program, Supervisor, locked
from continuum.replay import SystemClock

CLONE = Path(__file__).parents[1]
SERVICES = ("intake", "planning", "referral", "monitoring")
PAGE = ("console", "stream")
PORTS = {
    "postgres": 8432,
    "kafka": 8492,
    "controller": 8493,
    "console": 8400,
    "intake": 8401,
    "planning": 8402,
    "referral": 8403,
    "monitoring": 8404,
    "stream": 8405,
}
LOOPBACK = "127.0.0.1"
MEGABYTE = 1_000_000
LEAST_STARTING, LEAST_GOING = 300 * MEGABYTE, 40 * MEGABYTE
"""Room on the disk, in bytes: below the first nothing is started; below the second it is why a server ended."""
READY_SECONDS = 180.0
RESTART_SECONDS = 1.0
"""Before a service that died is started again: one that dies at once costs little."""
Step = Callable[[str], None]


def home_folder() -> Path:
    """Where a local run keeps its data: CONTINUUM_HOME, else .continuum in the clone."""
    return Path(os.environ.get("CONTINUUM_HOME") or CLONE / ".continuum").absolute()


def issuer(home: Path) -> DevelopmentIssuer:
    """The development issuer of this home; its key is made on first use. Refuses in production."""
    production = os.environ.get("CONTINUUM_ENV") == "production"
    private, public = home / "dev-issuer.key", home / "dev-issuer.pub"
    if not production and not private.exists():
        home.mkdir(parents=True, exist_ok=True)
        secret, shown = new_key_pair()
        public.write_bytes(shown)
        private.touch(mode=0o600)
        private.write_bytes(secret)
    return DevelopmentIssuer(b"" if production else private.read_bytes(), production=production)


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """Where everything answers. `databases` are the owners' URLs, by service: operators and a stepped system time need them."""

    home: Path
    bootstrap: str
    databases: Mapping[str, str]
    urls: Mapping[str, str]
    services: Supervisor
    programs: Mapping[str, Program]
    children: dict[str, Child] = field(default_factory=dict)
    servers: Supervisor = field(default_factory=Supervisor)

    def start(self, *names: str) -> None:
        """Start these processes, all at once."""
        self.children.update({name: self.services.start(self.programs[name]) for name in names})

    def await_ready(self, *names: str) -> None:
        """Returns once each of them answers. Raises LocalFailure."""
        for name in names:
            _await(self.services, self.children[name], self.urls[name])

    def open_page(self) -> None:
        """Start the console, and the trend's stream, which the page does not wait for."""
        self.start(*PAGE)
        self.await_ready("console")

    def mend(self, seconds: float) -> str | None:
        """Wait for a service that dies, and start it again; its name, None where none did. Raises LocalFailure when a server died."""
        if (server := self.servers.next_crash(0)) is not None:
            _refuse_full_disk(self.home, LEAST_GOING)
            raise server.failure(f"ended with code {server.code}: start continuum again, nothing is lost")
        child = self.services.next_crash(seconds)
        if child is None:
            return None
        time.sleep(RESTART_SECONDS)
        self.children[child.program.name] = self.services.start(child.program)
        return child.program.name

    def child(self, name: str) -> Child:
        """The process of a service, the newest one where it was started again."""
        return self.children[name]

    @property
    def page(self) -> str:
        return self.urls["console"] + "/"


OUR_SESSION_SECONDS = 3.0
"""What our own broker takes (deploy/kafka/server.properties): who takes the place of a killed reader goes on so much sooner."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manner:
    """How a run goes. `region`: whose board the console shows. `page` False: the console and the trend come later, by `open_page`.

    `begin`: a stepped system time, which starts there, or where an earlier run has promised readers to be already.
    `step` hears what is done. `policies`: the folder of the policy files. `session_seconds`: what any broker takes.
    """

    region: str = "north"  # the personas'
    page: bool = True
    begin: datetime | None = None
    watermark_seconds: float = 0.1
    session_seconds: float = 6.0
    step: Step = lambda _: None
    policies: Path = CLONE / "deploy" / "policies"


PLAIN = Manner()


@contextmanager
def running(home: Path, manner: Manner = PLAIN) -> Iterator[Running]:
    """Start everything, wait until it is ready, and end it all with the block. Raises LocalFailure with one clear line."""
    home.mkdir(parents=True, exist_ok=True)
    _refuse_full_disk(home, LEAST_STARTING)
    with locked(home / "run.lock", "another continuum"), Supervisor() as servers:
        chosen = dict(zip(PORTS, ports.choose(*PORTS.values()), strict=True))
        manner.step("Starting PostgreSQL and Kafka")
        with ThreadPoolExecutor(1) as beside:
            broker = beside.submit(_broker, servers, home, chosen)
            databases = prepared_databases(postgres.start(servers, home=home, port=chosen["postgres"]))
            bootstrap = broker.result()
        with services_on(home, bootstrap, databases, chosen, replace(manner, session_seconds=OUR_SESSION_SECONDS)) as run:
            yield replace(run, servers=servers)


@dataclass(frozen=True, slots=True)
class Databases:
    """By service: the URL of whoever owns the tables, and that of the service's own role."""

    owners: Mapping[str, str]
    roles: Mapping[str, str]


def prepared_databases(admin_url: str) -> Databases:
    """A database and a role for each service, with the newest tables."""
    owners = {name: _owner_url(admin_url, name) for name in SERVICES}
    roles = {}
    for name in SERVICES:
        roles[name] = postgres.provision(admin_url, name)
        migrate(owners[name], CLONE / "services" / name / "migrations" / "versions", name)
    return Databases(owners, roles)


def _broker(servers: Supervisor, home: Path, chosen: Mapping[str, int]) -> str:
    bootstrap = kafka.start(servers, home=home, port=chosen["kafka"], controller_port=chosen["controller"])
    apply(Cluster(bootstrap), read_topics())
    return bootstrap


@contextmanager
def services_on(home: Path, bootstrap: str, databases: Databases, chosen: Mapping[str, int], manner: Manner = PLAIN) -> Iterator[Running]:
    """The processes, on servers that run and have topics and tables; `chosen` gives each its port."""
    with Supervisor() as services:
        if manner.begin is not None:
            with SystemClock(databases.owners.values()) as clock:
                clock.begin(manner.begin)
        manner.step("Starting the services")
        urls = {name: f"http://{LOOPBACK}:{chosen[name]}" for name in (*SERVICES, *PAGE)}
        programs = _programs(home, chosen, _environments(home, bootstrap, databases.roles, urls, manner))
        found = Running(home=home, bootstrap=bootstrap, databases=databases.owners, urls=urls, services=services, programs=programs)
        found.start(*SERVICES, *(PAGE if manner.page else ()))
        found.await_ready(*SERVICES, *(("console",) if manner.page else ()))
        _write(home / "run.json", found)
        try:
            yield found
        finally:
            (home / "run.json").unlink(missing_ok=True)


def _refuse_full_disk(home: Path, least: int) -> None:
    free = shutil.disk_usage(home).free
    if free < least:
        raise LocalFailure(f"the disk of {home} is full ({free // MEGABYTE} MB left): make room, and start again; nothing is lost")


def _owner_url(admin_url: str, database: str) -> str:
    return make_url(admin_url).set(drivername="postgresql+psycopg", database=database).render_as_string(hide_password=False)


def _environments(
    home: Path, bootstrap: str, roles: Mapping[str, str], urls: Mapping[str, str], manner: Manner
) -> dict[str, dict[str, str]]:
    """What each process reads from its environment."""
    tokens = issuer(home)
    shared = {
        "CONTINUUM_ENV": "development",
        "KAFKA_BOOTSTRAP": bootstrap,
        "KAFKA_SESSION_SECONDS": str(manner.session_seconds),
        "KAFKA_SECURITY_PROTOCOL": Protocol.PLAINTEXT,
        "CONTINUUM_HOST": LOOPBACK,
        "CONTINUUM_JWT_PUBLIC_KEY": str(home / "dev-issuer.pub"),
        "CONTINUUM_POLICIES": str(manner.policies),
        "CONTINUUM_WATERMARK_SECONDS": str(manner.watermark_seconds),
        "CONTINUUM_TICK_SECONDS": str(min(0.1, manner.watermark_seconds / 2)),
        "CONTINUUM_HOME": str(home),
        "PYTHONPATH": str(CLONE),
        "PYTHONDONTWRITEBYTECODE": "",  # compiled once: a second start takes half the time
    }
    who: dict[str, Any] = {
        "actor": "console",
        "role": Role.COORDINATOR,
        "agency": "regional-office",
        "region": manner.region,
        "hours": 24 * 365,
    }
    token, acting = home / "console.token", home / "console-acting.token"
    for file, reads_only in ((token, True), (acting, False)):
        file.touch(mode=0o600)
        file.write_text(tokens.token(**who, reads_only=reads_only))
    found = {name: shared | {"DATABASE_URL": roles[name]} for name in SERVICES}
    found["monitoring"]["CONTINUUM_SEAL_KEY_FILE"] = str(_seal_key(home))
    found["stream"] = dict(shared)
    found["console"] = shared | {
        "CONTINUUM_MONITORING_URL": urls["monitoring"],
        "CONTINUUM_STREAM_URL": urls["stream"],
        "CONTINUUM_TOKEN_FILE": str(token),
        "CONTINUUM_ACTING_TOKEN_FILE": str(acting),
    }
    return found


def _seal_key(home: Path) -> Path:
    """The key with which contact points are sealed; made on first use."""
    path = home / "seal.key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(Fernet.generate_key())
    return path


def _programs(home: Path, chosen: Mapping[str, int], environments: Mapping[str, Mapping[str, str]]) -> dict[str, Program]:
    return {
        name: Program(
            name=name,
            command=(sys.executable, "-m", *(("services.monitoring.stream", "worker") if name == "stream" else (f"services.{name}.main",))),
            log=home / "logs" / f"{name}.log",
            environment={**environment, "CONTINUUM_PORT": str(chosen[name])},
            folder=CLONE,
        )
        for name, environment in environments.items()
    }


def _await(services: Supervisor, child: Child, url: str) -> None:
    def answers() -> bool:
        try:
            return httpx.get(f"{url}/livez", timeout=2, follow_redirects=True).status_code == 200
        except httpx.HTTPError:
            return False

    services.await_ready(child, answers, seconds=READY_SECONDS)


def _write(path: Path, found: Running) -> None:
    """For commands in another terminal; holds the databases' passwords, so only the owner may read it."""
    path.touch(mode=0o600)
    path.write_text(json.dumps({"bootstrap": found.bootstrap, "databases": dict(found.databases), "urls": dict(found.urls)}))


def last_run(home: Path) -> dict[str, object]:
    """What the newest run wrote. Raises LocalFailure where none did."""
    try:
        found: dict[str, object] = json.loads((home / "run.json").read_text())
    except (OSError, ValueError):
        raise LocalFailure("continuum is not running here: start it by `continuum up` or `make demo`, or set CONTINUUM_HOME") from None
    return found


def chosen_cluster(home: Path, bootstrap: str | None = None) -> Cluster:
    """The cluster that a command is about: that of the environment, else that of the local run. Raises LocalFailure, MissingSetting."""
    given = bootstrap or os.environ.get("KAFKA_BOOTSTRAP")
    return read_cluster(given) if given else Cluster(str(last_run(home)["bootstrap"]))
