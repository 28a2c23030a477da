"""`continuum schemas publish`, against Apicurio itself."""

from functools import partial
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from casebus.registry import Refused, Registry, RegistryAway, RegistryIds, publish, schema_ids
from casebus.schemas import LockedIds, UnknownSchema, read_lock
from continuum.cli import app
from tests.conftest import LocalRegistry
from tests.integration.bus.sample import new_owner
from tests.integration.registry.folders import colour, folder_of, noted

NOBODY = "http://127.0.0.1:1"


def versions(url: str, subject: str) -> list[int]:
    found: list[int] = httpx.get(f"{url}/subjects/{subject}/versions", trust_env=False).json()
    return found


def test_an_empty_registry_gives_every_version_the_id_of_the_lock(local_registry: LocalRegistry) -> None:
    assert [(one.type, one.version, one.id) for one in local_registry.first] == [(x.type, x.version, x.id) for x in read_lock()]
    assert all(one.new for one in local_registry.first)


def test_published_again_nothing_changes(registry: str) -> None:
    before = {line.type: versions(registry, line.type) for line in read_lock()}

    assert not any(one.new for one in publish(Registry(registry)))
    assert {line.type: versions(registry, line.type) for line in read_lock()} == before


def test_further_versions_follow_in_order_and_docs_may_be_mended(registry: str, tmp_path: Path) -> None:
    owner = new_owner()
    first = noted(owner, colour("RED", "BLUE"))
    second = noted(owner, colour("RED", "BLUE", "GREEN"), {"name": "more", "type": "int", "default": 0})
    publish(Registry(registry), folder_of(tmp_path / "a", first))

    mended = first | {"doc": "Said in better words."}
    done = publish(Registry(registry), folder_of(tmp_path / "b", mended, second))

    assert [(one.version, one.new) for one in done] == [(1, False), (2, True)]
    assert versions(registry, f"{owner}.Noted") == [1, 2]
    ids = RegistryIds(Registry(registry), tmp_path / "b")
    assert ids.schema_of(ids.id_of(f"{owner}.Noted", 2))["fields"] == second["fields"]


def test_the_registry_itself_refuses_an_incompatible_version(registry: str, tmp_path: Path) -> None:
    owner = new_owner()
    narrow = noted(owner)
    publish(Registry(registry), folder_of(tmp_path / "a", narrow))
    wide = narrow | {"fields": [narrow["fields"][0], {"name": "number", "type": "string"}]}

    with pytest.raises(Refused, match=f"{owner}.Noted version 2 is refused by .*") as refused:
        publish(Registry(registry), folder_of(tmp_path / "b", narrow, wide))
    assert "\n" not in str(refused.value)
    assert versions(registry, f"{owner}.Noted") == [1]


def test_the_command_says_in_one_line_what_was_refused(registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = new_owner()
    narrow = noted(owner)
    wide = narrow | {"fields": [narrow["fields"][0], {"name": "number", "type": "string"}]}
    monkeypatch.setattr("continuum.cli.publish", partial(publish, folder=folder_of(tmp_path, narrow, wide)))

    refused = CliRunner().invoke(app, ["schemas", "publish", "--registry", registry])

    assert refused.exit_code == 1
    [line] = refused.stderr.splitlines()
    assert line.startswith(f"continuum: {owner}.Noted version 2 is refused by")
    assert versions(registry, f"{owner}.Noted") == [1]


def test_another_schema_under_our_name_is_not_taken_for_ours(registry: str, tmp_path: Path) -> None:
    owner = new_owner()
    publish(Registry(registry), folder_of(tmp_path / "a", noted(owner)))
    other = folder_of(tmp_path / "b", noted(owner, {"name": "more", "type": "int", "default": 0}))

    with pytest.raises(Refused, match=f"{owner}.Noted version 1"):
        publish(Registry(registry), other)
    with pytest.raises(UnknownSchema, match="continuum schemas publish"):
        RegistryIds(Registry(registry), other)


def test_where_ids_differ_the_registry_reads_its_own_and_those_of_the_lock(registry: str, tmp_path: Path) -> None:
    """The lock's id is somebody else's in this registry: what was written before there was a registry is still read."""
    owner = new_owner()
    folder = folder_of(tmp_path, noted(owner))
    [published] = publish(Registry(registry), folder)
    ids, lock = RegistryIds(Registry(registry), folder), LockedIds(folder)

    assert published.id != published.locked == lock.id_of(f"{owner}.Noted", 1)
    assert ids.id_of(f"{owner}.Noted", 1) == published.id
    assert ids.schema_of(published.id) == ids.schema_of(published.locked) == lock.schema_of(published.locked)


def test_an_id_that_nobody_gave_is_unknown_and_a_registry_that_is_away_is_not_that(registry: str) -> None:
    with pytest.raises(UnknownSchema):
        schema_ids(registry).schema_of(2_000_000_000)
    with pytest.raises(RegistryAway, match=r"127\.0\.0\.1 does not answer"):
        schema_ids(NOBODY)
    with pytest.raises(RegistryAway, match="answers 404"):
        schema_ids(registry + "/elsewhere")


def test_no_registry_means_the_lock() -> None:
    assert isinstance(schema_ids(None), LockedIds)


def test_the_command_says_what_it_did_and_in_one_line_why_it_could_not(registry: str) -> None:
    done = CliRunner().invoke(app, ["schemas", "publish", "--registry", registry])
    away = CliRunner().invoke(app, ["schemas", "publish"], env={"SCHEMA_REGISTRY_URL": NOBODY})
    wrong = CliRunner().invoke(app, ["schemas", "publish"], env={"SCHEMA_REGISTRY_URL": ""})

    assert (done.exit_code, away.exit_code, wrong.exit_code) == (0, 1, 2)
    assert f"{len(read_lock())} versions are there, 0 of them new" in done.output
    assert away.stderr.splitlines() == ["continuum: the registry at 127.0.0.1 does not answer (ConnectError)"]
