"""What a measurement stands on: one broker and one PostgreSQL of the run's own, databases and topics that are new for each."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

import httpx
import psycopg
from sqlalchemy import Engine, make_url, text

from casebus import database
from casebus.cluster import Cluster
from casebus.codec import Codec
from casebus.identity import DevelopmentIssuer
from casebus.kafka import BrokerFailure, Log
from casebus.migrate import migrate
from casebus.schemas import LockedIds
from casebus.topic_admin import apply
from casebus.topics import read_topics
from continuum.local import kafka, ports, postgres
from continuum.local.process import Child, Program, Supervisor
from continuum.stack import CLONE, OUR_SESSION_SECONDS, issuer
from tests.conftest import delete_topics
from tests.waiting import until


@dataclass(frozen=True, kw_only=True)
class Store:
    """A service's database: `engine` is its role's, `admin` the owner's, who may make tables beside it."""

    service: str
    url: str
    owner_url: str
    engine: Engine
    admin: Engine

    def do(self, *statements: str, **values: object) -> None:
        """As the owner, in one transaction."""
        with self.admin.begin() as connection:
            for statement in statements:
                connection.execute(text(statement), values)

    def one(self, query: str, **values: object) -> int:
        with self.admin.begin() as connection:
            found: int = connection.execute(text(query), values).scalar_one()
            return found

    def settled(self) -> None:
        """As after a while at rest: statistics are there, what is dirty is written. So no measurement pays for the one before."""
        with psycopg.connect(self.owner_url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The two servers, and what is started on them."""

    home: Path
    bootstrap: str
    admin_url: str
    codec: Codec = field(default_factory=lambda: Codec(LockedIds()))
    numbers: Iterator[int] = field(default_factory=count)

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.bootstrap)

    @property
    def issuer(self) -> DevelopmentIssuer:
        return issuer(self.home)

    def afresh(self) -> None:
        """Topics that hold nothing."""
        delete_topics(self.bootstrap)
        apply(self.cluster, read_topics())
        log = Log(self.cluster)
        until(lambda: all(_is_known(log, topic.name) for topic in read_topics()))
        log.close()

    @contextmanager
    def store(self, service: str) -> Iterator[Store]:
        """An empty database of the service, with its newest tables; dropped with the block."""
        name = f"bench_{next(self.numbers)}_{service}"
        url = postgres.provision(self.admin_url, service, database=name)
        owner_url = make_url(self.admin_url).set(drivername="postgresql+psycopg", database=name).render_as_string(hide_password=False)
        migrate(owner_url, CLONE / "services" / service / "migrations" / "versions", service)
        made = Store(service=service, url=url, owner_url=owner_url, engine=database.connect(url), admin=database.connect(owner_url))
        try:
            yield made
        finally:
            made.engine.dispose()
            made.admin.dispose()
            postgres.drop(self.admin_url, name)

    @contextmanager
    def process(self, store: Store, *module: str, **settings: str) -> Iterator[tuple[Child, str]]:
        """A service's process on its database, once it answers; the child, and its address."""
        (port,) = ports.choose(0)
        self.issuer  # noqa: B018  # makes the keys
        environment = {
            "CONTINUUM_ENV": "development",
            "KAFKA_BOOTSTRAP": self.bootstrap,
            "KAFKA_SESSION_SECONDS": str(OUR_SESSION_SECONDS),
            "DATABASE_URL": store.url,
            "CONTINUUM_PORT": str(port),
            "CONTINUUM_JWT_PUBLIC_KEY": str(self.home / "dev-issuer.pub"),
            "CONTINUUM_POLICIES": str(CLONE / "deploy" / "policies"),
            "PYTHONPATH": str(CLONE),
            **settings,
        }
        program = Program(
            name=f"{store.service}-{port}",
            command=(sys.executable, "-m", *(module or (f"services.{store.service}.main",))),
            log=self.home / "logs" / f"{store.service}-{port}.log",
            environment=environment,
            folder=CLONE,
        )
        with Supervisor() as services:
            child = services.start(program)
            services.await_ready(child, partial(_answers, f"http://127.0.0.1:{port}"), seconds=60)
            yield child, f"http://127.0.0.1:{port}"


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez", timeout=2, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _is_known(log: Log, topic: str) -> bool:
    """A topic that was made a moment ago is not known to every part of the broker."""
    try:
        return bool(log.topic_ids([topic])) and bool(log.ends(topic))
    except BrokerFailure:
        return False


def _roomy() -> Mapping[str, str]:
    """What whoever keeps ten million cases gives PostgreSQL: memory (others here need theirs), and minutes between checkpoints."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return {"shared_buffers": f"{memory // 12}MB", "max_wal_size": "8GB", "checkpoint_timeout": "15min"}


@contextmanager
def ground(settings: Mapping[str, str] | None = None) -> Iterator[Ground]:
    """The servers, for as long as the block. PostgreSQL is durable (fsync), and notes when a transaction was committed."""
    home = Path(tempfile.mkdtemp(prefix="continuum-bench-", dir=os.environ.get("CONTINUUM_BENCH_FOLDER")))
    home.chmod(0o755)
    (port, broker_port, controller_port) = ports.choose(0, 0, 0)
    try:
        with Supervisor() as first:
            url = postgres.start(first, home=home, port=port)
            with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
                for name, value in {"track_commit_timestamp": "on", **_roomy(), **(settings or {})}.items():
                    connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
        with Supervisor() as servers:
            url = postgres.start(servers, home=home, port=port)
            bootstrap = kafka.start(servers, home=home, port=broker_port, controller_port=controller_port)
            yield Ground(home=home, bootstrap=bootstrap, admin_url=url)
    finally:
        postgres.erase(home)
        shutil.rmtree(home)
