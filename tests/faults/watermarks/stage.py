"""The databases, topics and processes that the storm needs, on the ground's servers."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql
from sqlalchemy import Engine, make_url

from casebus import database
from casebus.cluster import Cluster
from casebus.migrate import migrate
from casebus.topic_admin import apply
from casebus.topics import read_topics
from continuum.local import postgres
from continuum.local.process import Supervisor
from continuum.stack import CLONE, prepared_databases
from tests.faults.ground import Ground
from tests.faults.watermarks.load import WRITERS
from tests.faults.watermarks.processes import MONITORS, NAIVE, OWNERS, Processes, processes

TEMPLATE = "monitoring_template"


@dataclass(frozen=True)
class Stage:
    """`writers`: by owner, its database as its service's role; `admins`: as its owner, the naive reader's too."""

    server: str
    processes: Processes
    writers: Mapping[str, Engine]
    admins: Mapping[str, Engine]

    @contextmanager
    def empty_monitoring(self, name: str) -> Iterator[Engine]:
        """A database with monitoring's tables and nothing in them, which goes with the block."""
        engine = database.connect(_copy_of_template(self.server, name), pool=2)
        try:
            yield engine
        finally:
            engine.dispose()
            postgres.drop(self.server, name)


@contextmanager
def stage(ground: Ground) -> Iterator[Stage]:
    """Everything runs during the block: a relay of each owner, monitoring twice, and the naive reader."""
    server = ground.database.address
    databases = prepared_databases(server)
    postgres.provision(server, "monitoring", database=TEMPLATE)
    migrate(_at(server, TEMPLATE), CLONE / "services" / "monitoring" / "migrations" / "versions", "monitoring")
    naive = _copy_of_template(server, NAIVE)
    apply(Cluster(ground.broker.address), read_topics())
    with ExitStack() as ends:
        running = processes(ground, {**databases.roles, NAIVE: naive}, ends.enter_context(Supervisor()))
        writers = {owner: database.connect(databases.roles[owner], pool=WRITERS) for owner in OWNERS}
        admins = {name: database.connect(url, pool=2) for name, url in {**databases.owners, NAIVE: naive}.items()}
        for engine in (*writers.values(), *admins.values()):
            ends.callback(engine.dispose)
        running.start(*OWNERS[:3], *MONITORS)
        running.begin(NAIVE)
        yield Stage(server, running, writers, admins)


def _copy_of_template(server: str, name: str) -> str:
    plain = make_url(server).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(TEMPLATE)))
        connection.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(sql.Identifier(name)))  # nobody cuts its power
    return _at(server, name)


def _at(server: str, name: str) -> str:
    """That database, as the server's administrator."""
    return make_url(server).set(drivername="postgresql+psycopg", database=name).render_as_string(hide_password=False)
