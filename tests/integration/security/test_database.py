"""TLS to PostgreSQL, and a role for each service that can't look into another's database."""

from pathlib import Path

import pytest
from sqlalchemy import URL, make_url, text

from casebus import database
from continuum.databases import provision
from tests.integration.security.authority import authority
from tests.integration.security.broker import password_of
from tests.integration.security.database import refused

SECRET = password_of("intake-role")


@pytest.fixture(scope="module")
def role(tls_database: str) -> URL:
    """How intake's own role signs in, with the server's name and certificate checked."""
    for name in ("intake", "planning"):
        provision(tls_database, name, owner_password=f"owner-of-{name}", password=password_of(f"{name}-role"))
    return make_url(tls_database).set(username="intake", password=SECRET, database="intake")


def shown(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def test_a_service_reaches_its_database_over_tls_and_checks_whose_it_is(role: URL) -> None:
    engine = database.connect(shown(role))
    with engine.connect() as connection:
        encrypted = connection.execute(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")).scalar_one()
    engine.dispose()
    assert role.query["sslmode"] == "verify-full"
    assert encrypted


def test_whoever_can_not_prove_what_he_says_is_refused(role: URL, tmp_path: Path) -> None:
    other = authority(tmp_path / "other.pem").file
    told = {
        "another authority": refused(shown(role.update_query_dict({"sslrootcert": str(other)}))),
        "another name": refused(shown(role.set(host="localhost"))),
        "no TLS": refused(shown(role.update_query_dict({"sslmode": "disable"}))),
        "another password": refused(shown(role.set(password="guessed"))),
    }
    for case, words in {
        "another authority": "certificate verify failed",
        "another name": "does not match host name",
        "no TLS": "no encryption",
        "another password": "password authentication failed",
    }.items():
        said = told[case]
        assert said is not None, case
        assert words in said
        assert SECRET not in said


def test_a_services_role_opens_no_other_database(role: URL) -> None:
    assert refused(shown(role)) is None
    assert "permission denied for database" in str(refused(shown(role.set(database="planning"))))
