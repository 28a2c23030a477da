"""Back up and restore with pg_dump: copies catch up from Kafka; an owner that was restored to an earlier time is refused (runbook.md)."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event as Signal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import make_url

from casebus import database
from casebus.errors import LogBroken
from continuum.local import postgres
from continuum.local.place import packaged
from tests.integration.bus.sample import ROLE, Sample, make, new_owner
from tests.integration.bus.tools import consumer_of, in_thread, log_of, publish, relay_loop
from tests.waiting import until

CASES = 6


class Backups:
    """Dumps of databases of the test's server, and databases made from them."""

    def __init__(self, server: str, folder: Path) -> None:
        self._server, self._folder = make_url(server), folder
        self.made: list[Sample] = []

    def dump(self, sample: Sample) -> Path:
        file = self._folder / f"{uuid4()}.dump"
        self._run("pg_dump", f"bus_{sample.owner}", "--format=custom", f"--file={file}")
        return file

    def restore(self, file: Path, like: Sample) -> Sample:
        """A fresh database from the dump; whoever uses it is the same service as before."""
        name = f"bus_{new_owner()}"
        url = postgres.provision(self._url("postgresql+psycopg", "postgres"), ROLE, database=name)
        self._run("pg_restore", name, "--exit-on-error", str(file))
        engine, admin = database.connect(url, pool=8), database.connect(self._url("postgresql+psycopg", name), pool=2)
        self.made.append(replace(like, engine=engine, admin=admin))
        return self.made[-1]

    def _run(self, program: str, name: str, *options: str) -> None:
        command = [str(packaged() / "bin" / program), f"--dbname={self._url('postgresql', name)}", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr

    def _url(self, driver: str, name: str) -> str:
        return self._server.set(drivername=driver, database=name).render_as_string(hide_password=False)


@pytest.fixture
def backups(database_server: str, tmp_path: Path) -> Iterator[Backups]:
    made = Backups(database_server, tmp_path)
    yield made
    for sample in made.made:
        name = str(sample.value("SELECT current_database()"))
        sample.engine.dispose()
        sample.admin.dispose()
        postgres.drop(database_server, name)


@pytest.fixture
def reader(sample: Sample, database_server: str, template: str) -> Iterator[Sample]:
    """Another service, with a database of its own, that keeps copies of what the sample service states."""
    made = make(database_server, template, sample.bootstrap, new_owner())
    yield replace(made, codec=sample.codec, event=sample.event)
    made.engine.dispose()
    made.admin.dispose()
    postgres.drop(database_server, f"bus_{made.owner}")


def test_a_service_restored_from_an_older_dump_catches_up_from_kafka(sample: Sample, reader: Sample, backups: Backups) -> None:
    cases, told = [uuid4() for _ in range(CASES)], [0]

    def tell(stop: Signal) -> None:
        while not stop.wait(0.02):
            told[0] += 1
            for case in cases:
                sample.note(case, told[0])

    with in_thread(relay_loop(sample).run):
        with in_thread(tell), in_thread(consumer_of(reader, sample.track()).run):
            until(lambda: _heard(reader, cases))
            file = backups.dump(reader)  # while events arrive
            at_dump = _heard(reader, cases)
            until(lambda: _heard(reader, cases) > at_dump)
        restored = backups.restore(file, reader)
        assert 0 < _heard(restored, cases) < told[0] * CASES, "the dump is older"
        with in_thread(consumer_of(restored, sample.track()).run):
            until(lambda: _heard(restored, cases) == told[0] * CASES)
        with in_thread(consumer_of(reader, sample.track()).run):
            until(lambda: _heard(reader, cases) == told[0] * CASES)
    assert restored.state() == reader.state()
    assert restored.value("SELECT count(*) FROM copy.parked") == 0


def test_an_owner_restored_to_an_earlier_time_states_nothing_more(sample: Sample, backups: Backups) -> None:
    """Readers have heard the second event of the case: another second one would pass for a duplicate, and be lost."""
    case = uuid4()
    sample.note(case, 1)
    publish(sample)
    file = backups.dump(sample)
    sample.note(case, 2)
    publish(sample)
    restored = backups.restore(file, sample)
    restored.note(case, 3)
    with pytest.raises(LogBroken, match="restored to an earlier time"):
        publish(restored)
    loop = relay_loop(restored)
    with in_thread(loop.run):
        assert "restored to an earlier time" in until(lambda: loop.stopped_because or "")
    assert len(log_of(sample)) == 2, "nothing was sent"


def test_an_owner_restored_with_everything_that_it_stated_goes_on(sample: Sample, backups: Backups) -> None:
    """Also where the dump has not marked what was sent: it is sent again, and dropped as a duplicate."""
    case = uuid4()
    sample.note(case, 1)
    publish(sample)
    sample.note(case, 2)
    file = backups.dump(sample)
    publish(sample)
    restored = backups.restore(file, sample)
    restored.note(case, 3)
    assert publish(restored) == 2
    with in_thread(consumer_of(restored).run):
        until(lambda: restored.numbers(case) == [1, 2, 3])


def _heard(reader: Sample, cases: list[UUID]) -> int:
    return sum(len(reader.numbers(case)) for case in cases)
