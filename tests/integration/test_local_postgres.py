"""The database server: really started, killed and started again."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from continuum.local import ports, postgres
from continuum.local.process import LocalFailure, Supervisor


def connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def answer(url: str, query: str) -> object:
    with connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home below a folder of ours alone, with a database in it that was stopped."""
    home = tmp_path_factory.mktemp("private") / "home"
    with Supervisor() as supervisor:
        postgres.start(supervisor, home=home, port=ports.choose(0)[0])
    yield home
    postgres.erase(home)


def test_a_service_gets_its_own_database_and_the_same_url_every_time(database_server: str) -> None:
    url = postgres.provision(database_server, "sample_one")
    assert postgres.provision(database_server, "sample_one") == url
    assert answer(url, "SHOW transaction_timeout") == "30s"
    assert answer(url, "SELECT current_user || ' ' || current_database()") == "sample_one sample_one"
    with connect(url) as connection:
        connection.execute("CREATE TABLE mine (number int)")
    postgres.drop(database_server, "sample_one")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        connect(url)


def test_a_service_cannot_open_the_database_of_another(database_server: str) -> None:
    first, second = (postgres.provision(database_server, service) for service in ("sample_one", "sample_two"))
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        connect(first.removesuffix("/sample_one") + "/sample_two")
    assert answer(second, "SELECT 1") == 1


def test_one_service_may_have_a_database_of_another_name(database_server: str) -> None:
    url = postgres.provision(database_server, "sample_one", database="sample_other")
    assert answer(url, "SELECT current_user || ' ' || current_database()") == "sample_one sample_other"


def test_the_server_takes_no_one_without_the_password(database_server: str) -> None:
    host = database_server.rpartition("@")[2]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(f"postgresql://postgres:guessed@{host}")


def test_the_password_is_for_our_eyes_only(made: Path) -> None:
    assert (made / "postgres" / "password").stat().st_mode & 0o077 == 0


def test_a_second_start_finds_what_the_first_one_kept_even_on_another_port(made: Path) -> None:
    with Supervisor() as supervisor:
        admin = postgres.start(supervisor, home=made, port=ports.choose(0)[0])
        assert answer(admin, "SHOW fsync") == "on"
        with connect(postgres.provision(admin, "keeper")) as connection:
            connection.execute("CREATE TABLE kept (number int)")
    with Supervisor() as supervisor:
        admin = postgres.start(supervisor, home=made, port=ports.choose(0)[0])
        assert answer(postgres.provision(admin, "keeper"), "SELECT to_regclass('kept')::text") == "kept"


def test_a_server_that_was_killed_starts_again_at_once(made: Path) -> None:
    with Supervisor() as supervisor:
        postgres.start(supervisor, home=made, port=ports.choose(0)[0])
        pid = int((made / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, 9)
        crashed = supervisor.next_crash(10)
        assert crashed is not None
        assert crashed.code == -9
    with Supervisor() as supervisor:
        assert answer(postgres.start(supervisor, home=made, port=ports.choose(0)[0]), "SELECT 1") == 1


def test_two_runs_cannot_share_a_home(made: Path) -> None:
    with Supervisor() as first, Supervisor() as second:
        postgres.start(first, home=made, port=ports.choose(0)[0])
        with pytest.raises(LocalFailure, match="belongs to another run"):
            postgres.start(second, home=made, port=ports.choose(0)[0])


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("data/PG_VERSION", "17\n", "not a whole database of PostgreSQL 18"),
        ("data/PG_VERSION", None, "not a whole database of PostgreSQL 18"),
        ("data/global/pg_control", None, "ended with code"),
        ("password", None, "password is missing"),
        ("password", "another", "does not let us in"),
    ],
)
def test_a_broken_folder_is_refused_in_one_line(made: Path, file: str, content: str | None, message: str) -> None:
    with broken(made / "postgres" / file, content), Supervisor() as supervisor, pytest.raises(LocalFailure, match=message):
        postgres.start(supervisor, home=made, port=ports.choose(0)[0])


@contextmanager
def broken(file: Path, content: str | None) -> Iterator[None]:
    """The file with other content, or gone; whole again afterwards."""
    whole = file.rename(file.with_suffix(".whole"))
    if content is not None:
        file.write_text(content)
    yield
    file.unlink(missing_ok=True)
    whole.rename(file)


def test_a_home_that_was_removed_by_hand_starts_afresh(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for _ in range(2):
        with Supervisor() as supervisor:
            admin = postgres.start(supervisor, home=home, port=ports.choose(0)[0], durable=False)
            assert answer(admin, "SELECT count(*) FROM pg_database WHERE datname = 'sample'") == 0
            postgres.provision(admin, "sample")
        (home / "postgres").unlink() if (home / "postgres").is_symlink() else shutil.rmtree(home / "postgres")
    postgres.erase(home)
