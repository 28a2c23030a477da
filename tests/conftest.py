"""What tests ask for by name: one broker and one database server a run, started only if a test wants them."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from sqlalchemy import NullPool, create_engine, text

from casebus.registry import Outcome, Registry, publish
from casebus.topics import read_topics
from continuum.local import kafka, ports, postgres
from continuum.local import registry as local
from continuum.local.process import Child, Supervisor
from continuum.stack import SERVICES
from tests import containers
from tests.waiting import until


@pytest.fixture(scope="session")
def local_home() -> Iterator[Path]:
    """A folder for servers: short-lived, and reachable by the account that the database runs as."""
    home = Path(tempfile.mkdtemp(prefix="continuum-test-"))
    home.chmod(0o755)
    yield home
    postgres.erase(home)
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def broker(local_home: Path) -> Iterator[str]:
    """The bootstrap address of a Kafka broker: that of KAFKA_BOOTSTRAP, without a topic of ours, else one of our own for this run.

    It is a container where CONTINUUM_TEST_CONTAINERS=1 (tests/containers.py), else a process; the database server likewise.
    """
    if given := os.environ.get("KAFKA_BOOTSTRAP"):
        if topics_of_ours(AdminClient({"bootstrap.servers": given})):
            pytest.exit("KAFKA_BOOTSTRAP: the broker has topics of continuum, which tests delete: give them one of their own", 2)
        yield given
        delete_topics(given)
        return
    if containers.asked():
        with containers.kafka_container() as address:
            yield address
        return
    port, controller_port = ports.choose(0, 0)
    with Supervisor() as supervisor:
        yield kafka.start(supervisor, home=local_home, port=port, controller_port=controller_port)


@pytest.fixture(scope="session")
def database_server(local_home: Path) -> Iterator[str]:
    """The administrator's URL of a PostgreSQL server: that of DATABASE_URL, without a service's database, else one of our own."""
    if given := os.environ.get("DATABASE_URL"):
        with create_engine(given, poolclass=NullPool).connect() as server:
            there = server.execute(text("SELECT 1 FROM pg_database WHERE datname = ANY(:names)"), {"names": list(SERVICES)}).all()
        if there:
            pytest.exit("DATABASE_URL: the server has databases of continuum, which tests drop: give them one of their own", 2)
        yield given
        for name in SERVICES:
            postgres.drop(given, name)
        return
    if containers.asked():
        with containers.postgres_container() as url:
            yield url
        return
    with Supervisor() as supervisor:
        yield postgres.start(supervisor, home=local_home, port=ports.choose(0)[0], durable=False)


@dataclass(frozen=True)
class LocalRegistry:
    """A registry of our own, which tests may stop for a moment. `first` says what it did with all our schemas when it was empty."""

    url: str
    child: Child
    first: list[Outcome]


@pytest.fixture(scope="session")
def local_registry(local_home: Path) -> Iterator[LocalRegistry]:
    with Supervisor() as supervisor:
        url, child = local.start(supervisor, home=local_home, port=ports.choose(0)[0])
        yield LocalRegistry(url, child, publish(Registry(url)))


@pytest.fixture(scope="session")
def registry(request: pytest.FixtureRequest) -> str:
    """The address of a schema registry that has all our schemas: that of SCHEMA_REGISTRY_URL, else our own. Tests add subjects to it."""
    if given := os.environ.get("SCHEMA_REGISTRY_URL"):
        publish(Registry(given))
        return given
    own: LocalRegistry = request.getfixturevalue("local_registry")
    return own.url


@pytest.fixture(scope="package")
def empty_broker(broker: str) -> str:
    """The broker without a topic of ours: for tests that use the topics' real names."""
    delete_topics(broker)
    return broker


def topics_of_ours(admin: AdminClient) -> set[str]:
    """The topics of the broker that schemas/topics declares."""
    return {topic.name for topic in read_topics()} & set(admin.list_topics(timeout=30).topics)


def delete_topics(bootstrap: str) -> None:
    """Returns once none of ours is there."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    ours = sorted(topics_of_ours(admin))
    for gone in admin.delete_topics(ours, operation_timeout=30).values() if ours else ():
        gone.result()
    until(lambda: not topics_of_ours(admin))
