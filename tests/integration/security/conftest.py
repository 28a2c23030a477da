"""One guarded broker, with all our topics and who may do what with them, as `continuum topics apply` brings it there."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from continuum.cli import app
from continuum.local import postgres
from continuum.local.process import Supervisor
from continuum.stack import SERVICES
from tests.integration.security import broker, database
from tests.integration.security.authority import Authority, authority
from tests.waiting import until

STRANGER = "stranger"


@pytest.fixture(scope="package")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("authority") / "ca.pem")


@pytest.fixture(scope="package")
def guarded(tmp_path_factory: pytest.TempPathFactory, signer: Authority) -> Iterator[broker.Guarded]:
    """The broker with a user for each service, and a stranger; no topic yet."""
    with Supervisor() as supervisor:
        made = broker.start(supervisor, tmp_path_factory.mktemp("broker"), signer)
        made.add([*SERVICES, STRANGER])
        yield made


@dataclass(frozen=True)
class Applied:
    """What the command line said as the operator, one after the other."""

    before: Result
    first: Result
    again: Result


@pytest.fixture(scope="package")
def applied(guarded: broker.Guarded, tmp_path_factory: pytest.TempPathFactory) -> Applied:
    environment = broker.environment(guarded.operator, tmp_path_factory.mktemp("operator"))

    def run(command: str) -> Result:
        return CliRunner().invoke(app, ["topics", command], env=environment)

    before, first = run("diff"), run("apply")
    until(lambda: run("diff").exit_code == 0)
    return Applied(before, first, run("apply"))


@pytest.fixture(scope="package")
def secured(guarded: broker.Guarded, applied: Applied) -> broker.Guarded:
    """The broker with our topics, which only those may use who are declared."""
    assert applied.first.exit_code == 0, applied.first.output
    return guarded


@pytest.fixture(scope="package")
def tls_database(signer: Authority) -> Iterator[str]:
    """The administrator's URL of a server that takes nobody without TLS."""
    if sys.platform != "linux" or not database.LOCK.exists():
        pytest.skip("there is no PostgreSQL with TLS for this machine")
    home = Path(tempfile.mkdtemp(prefix="continuum-test-"))
    home.chmod(0o755)  # the account that the server runs as reaches it
    with Supervisor() as supervisor:
        yield database.start(supervisor, home, signer)
    postgres.erase(home)
    shutil.rmtree(home)
