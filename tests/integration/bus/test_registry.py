"""A service with a registry: what it knows it goes on with; what it doesn't know waits for the registry, and is not called unknown."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from casebus.codec import Codec
from casebus.envelope import to_headers
from casebus.identity import new_key_pair
from casebus.registry import Registry, RegistryAway, RegistryIds, publish
from casebus.schema_checks.examples import written
from casebus.schemas import Document, read_schemas
from continuum.local.process import Program, Supervisor
from tests.conftest import LocalRegistry
from tests.integration.bus.office import CLONE
from tests.integration.bus.sample import Sample
from tests.integration.bus.tools import consumer_of, envelope_of, in_thread, produce
from tests.integration.registry.folders import folder_of, noted
from tests.waiting import until

PATIENCE = 0.5


class Watched(RegistryIds):
    """The ids, and how often the registry did not answer."""

    unanswered = 0

    def schema_of(self, id: int, /) -> Document:
        try:
            return super().schema_of(id)
        except RegistryAway:
            self.unanswered += 1
            raise


@contextmanager
def frozen(registry: LocalRegistry) -> Iterator[None]:
    """The registry takes connections and answers nothing."""
    os.kill(registry.child.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(registry.child.pid, signal.SIGCONT)


@pytest.fixture
def ids(sample: Sample, local_registry: LocalRegistry, tmp_path: Path) -> Watched:
    """Those of a release that knows the first version, at its start; since then a second one was published."""
    old, more = noted(sample.owner), {"name": "more", "type": "string", "default": ""}
    publish(Registry(local_registry.url), folder_of(tmp_path / "old", old))
    known = Watched(Registry(local_registry.url, seconds=PATIENCE), tmp_path / "old")
    publish(Registry(local_registry.url), folder_of(tmp_path / "new", old, noted(sample.owner, more)))
    return known


def newer(sample: Sample, registry: LocalRegistry, folder: Path, case: UUID) -> bytes:
    """An event in the second version, as a newer release writes it."""
    schema = read_schemas(folder)[-1]
    id = RegistryIds(Registry(registry.url), folder).id_of(schema.type, schema.version)
    return b"\0" + id.to_bytes(4, "big") + written(schema, {"case_id": case, "number": 2, "more": "words"})


def test_an_event_of_a_newer_release_waits_for_the_registry_and_is_not_quarantined(
    sample: Sample, local_registry: LocalRegistry, ids: Watched, tmp_path: Path
) -> None:
    sample = replace(sample, codec=Codec(ids, {sample.event.TYPE: sample.event}))
    case, behind = uuid4(), uuid4()
    first, last = (sample.event(case_id=each, number=1) for each in (case, behind))
    second = sample.event(case_id=case, number=2)
    value = newer(sample, local_registry, tmp_path / "new", case)
    key = str(case).encode()
    with in_thread(consumer_of(sample).run):
        with frozen(local_registry):
            produce(sample, [(key, sample.codec.encode(first), to_headers(envelope_of(first, 1)))])
            until(lambda: sample.numbers(case) == [1])  # what it knows it goes on with
            produce(sample, [(key, value, to_headers(envelope_of(second, 2)))])
            produce(sample, [(str(behind).encode(), sample.codec.encode(last), to_headers(envelope_of(last, 1)))])
            until(lambda: ids.unanswered > 2)
            assert sample.numbers(case) == [1]
        until(lambda: sample.numbers(case) == [1, 2])
        until(lambda: sample.numbers(behind) == [1])
    assert sample.value("SELECT count(*) FROM copy.quarantine") == 0


def test_an_id_that_the_registry_does_not_know_is_quarantined(sample: Sample, ids: Watched) -> None:
    sample = replace(sample, codec=Codec(ids, {sample.event.TYPE: sample.event}))
    event = sample.event(case_id=uuid4(), number=1)
    value = b"\0" + (2_000_000_000).to_bytes(4, "big") + sample.codec.encode(event)[5:]
    with in_thread(consumer_of(sample).run):
        produce(sample, [(str(event.case_id).encode(), value, to_headers(envelope_of(event, 1)))])
        until(lambda: sample.value("SELECT count(*) FROM copy.quarantine") == 1)
    assert sample.value("SELECT reason FROM copy.quarantine") == "the value names a schema that nobody has published"


def test_a_service_without_its_registry_says_so_and_does_not_start(database_server: str, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(new_key_pair()[1])
    environment = {
        "KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "DATABASE_URL": database_server,
        "CONTINUUM_PORT": "1",
        "CONTINUUM_JWT_PUBLIC_KEY": str(tmp_path / "key.pem"),
        "SCHEMA_REGISTRY_URL": "http://somebody:open-sesame@127.0.0.1:1",
    }
    command = sys.executable, "-m", "services.intake.main"
    with Supervisor() as supervisor:
        child = supervisor.start(
            Program(name="intake", command=command, log=tmp_path / "intake.log", environment=environment, folder=CLONE)
        )
        assert child.wait(120)
        assert child.code == 1
        assert child.log_tail() == "the registry at 127.0.0.1 does not answer (ConnectError)"
