"""What tests ask for by name: one broker and one database server a run, started only if a test wants them."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from continuum.local import kafka, ports, postgres
from continuum.local.process import Supervisor


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
    """The bootstrap address of a Kafka broker: that of KAFKA_BOOTSTRAP, else one of our own for this run."""
    if given := os.environ.get("KAFKA_BOOTSTRAP"):
        yield given
        return
    port, controller_port = ports.choose(0, 0)
    with Supervisor() as supervisor:
        yield kafka.start(supervisor, home=local_home, port=port, controller_port=controller_port)


@pytest.fixture(scope="session")
def database_server(local_home: Path) -> Iterator[str]:
    """The administrator's URL of a PostgreSQL server: that of DATABASE_URL, else one of our own for this run, without fsync."""
    if given := os.environ.get("DATABASE_URL"):
        yield given
        return
    with Supervisor() as supervisor:
        yield postgres.start(supervisor, home=local_home, port=ports.choose(0)[0], durable=False)


@pytest.fixture(scope="package")
def empty_broker(broker: str) -> str:
    """The broker without a topic of ours: for tests that use the topics' real names."""
    admin = AdminClient({"bootstrap.servers": broker})
    ours = [name for name in admin.list_topics(timeout=30).topics if not name.startswith("__")]
    for gone in admin.delete_topics(ours, operation_timeout=30).values() if ours else ():
        gone.result()
    deadline = time.monotonic() + 30
    while set(ours) & set(admin.list_topics(timeout=30).topics):
        assert time.monotonic() < deadline, "the broker keeps topics that were deleted"
    return broker
