"""The databases of a deployment: who may do what in them."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import make_url
from typer.testing import CliRunner

from continuum.cli import app
from continuum.local import postgres

OURS, OTHER = "intake", "planning"
FORBIDDEN = (
    "CREATE TABLE own.mine (id int)",
    "CREATE SCHEMA mine",
    "UPDATE own.timebase SET base = now()",
    "DELETE FROM own.sent",
    "INSERT INTO own.sent VALUES (true, 0)",
)


@pytest.fixture
def admin(database_server: str) -> Iterator[str]:
    for name in (OURS, OTHER):
        postgres.drop(database_server, name)
    yield database_server
    for name in (OURS, OTHER):
        postgres.drop(database_server, name)


def told(*words: str, **environment: str) -> str:
    answer = CliRunner().invoke(app, words, env=environment)
    assert answer.exit_code == 0, answer.output
    return answer.output


def url_of(admin: str, role: str, password: str, database: str = OURS, *, driver: str = "postgresql") -> str:
    url = make_url(admin).set(drivername=driver, username=role, password=password, database=database)
    return url.render_as_string(hide_password=False)


def test_the_owner_makes_the_tables_and_the_service_fills_them(admin: str) -> None:
    for name in (OURS, OTHER, OURS):
        told("provision", name, DATABASE_URL=admin, CONTINUUM_OWNER_PASSWORD=f"{name}-o", CONTINUUM_ROLE_PASSWORD=f"{name}-r")
    owner = url_of(admin, "intake_owner", "intake-o", driver="postgresql+psycopg")
    for _ in range(2):
        assert "newest" in told("migrate", OURS, DATABASE_URL=owner)
    with psycopg.connect(url_of(admin, OURS, "intake-r"), autocommit=True) as service:
        assert service.execute("SELECT count(*) FROM own.outbox").fetchone() == (0,)
        assert service.execute("SHOW transaction_timeout").fetchone() == ("30s",)
        service.execute("CREATE TEMPORARY TABLE taken (id int)")
        for forbidden in FORBIDDEN:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                service.execute(forbidden)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(url_of(admin, OTHER, "planning-r"))


@pytest.mark.parametrize("words", [("provision", "nobody"), ("migrate", "nobody")])
def test_what_is_no_service_is_a_wrong_call(words: tuple[str, str]) -> None:
    assert CliRunner().invoke(app, words).exit_code == 2


def test_a_password_that_is_not_told_is_named() -> None:
    answer = CliRunner().invoke(app, ["provision", OURS], env={"CONTINUUM_OWNER_PASSWORD": None})
    assert (answer.exit_code, "CONTINUUM_OWNER_PASSWORD" in answer.output) == (1, True)
