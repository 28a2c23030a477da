"""A monitoring of its own for each test, whose database is a copy of one that was migrated once."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import make_url

from casebus.migrate import migrate
from continuum.local import postgres
from services.monitoring.addresses import Offer
from services.monitoring.domain.reach import Channel
from services.monitoring.listings import Listings
from services.monitoring.sealing import Seal
from services.monitoring.telling import gathering
from services.monitoring.telling.carriers import BY_THE_BOARD, Telling
from tests.integration.monitoring.world import World
from tests.receivers import MailBox, mail_server

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


@pytest.fixture
def box() -> MailBox:
    return MailBox()


@pytest.fixture
def telling_world(database_server: str, template: str, box: MailBox, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Where mail goes out, and nothing waits for what may come with it."""
    monkeypatch.setattr(gathering, "SETTLES", timedelta())
    offer = Offer(channels=frozenset(Channel), seal=Seal((Fernet.generate_key().decode(),)), private=True)
    with mail_server(box) as mail, own_world(database_server, template, Telling(offer=offer, mail=mail)) as made:
        made.worker.__dict__["directory"] = Listings().known
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
