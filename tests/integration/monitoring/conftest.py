"""A monitoring of its own for each test, whose database is a copy of one that was migrated once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import make_url

from casebus.migrate import migrate
from continuum.local import postgres
from services.monitoring.telling.carriers import BY_THE_BOARD, Telling
from tests.integration.monitoring.world import World

VERSIONS = Path(__file__).parents[3] / "services" / "monitoring" / "migrations" / "versions"
TEMPLATE = "monitoring_template"


@pytest.fixture(scope="module")
def template(database_server: str) -> Iterator[str]:
    """The URL of the service's role in a database with monitoring's tables."""
    postgres.drop(database_server, TEMPLATE)
    url = postgres.provision(database_server, "monitoring", database=TEMPLATE)
    migrate(_in(database_server, TEMPLATE), VERSIONS, "monitoring")
    yield url
    postgres.drop(database_server, TEMPLATE)


@pytest.fixture
def world(database_server: str, template: str, request: pytest.FixtureRequest) -> Iterator[World]:
    """Given "ahead", its worker prepares what it will say."""
    with own_world(database_server, template, ahead=getattr(request, "param", "") == "ahead") as made:
        yield made


@contextmanager
def own_world(server: str, template: str, telling: Telling = BY_THE_BOARD, *, ahead: bool = False) -> Iterator[World]:
    """A monitoring that tells people so, with a database of its own."""
    name = f"monitoring_{uuid4().hex[:12]}"
    url = make_url(server).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}".encode())
    made = World(_in(template, name), _in(server, name), telling, ahead=ahead)
    yield made
    made.dispose()
    postgres.drop(server, name)


def _in(url: str, name: str) -> str:
    """The same server and role, another database, as SQLAlchemy reads it."""
    return make_url(url).set(drivername="postgresql+psycopg", database=name).render_as_string(hide_password=False)
