"""deploy/policies/schema.json is what the classes say, and takes and refuses what reading a file does."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tools.policy_schema import SCHEMA, main, schema

FILES = sorted(SCHEMA.parent.glob("*.yaml"))
CHECK = Draft202012Validator(json.loads(SCHEMA.read_text()))
NAMES = {"policy": "p", "version": "1", "region": "north"}


def test_it_is_up_to_date_and_a_schema() -> None:
    assert main(["--check"]) == 0
    Draft202012Validator.check_schema(schema())


def test_one_that_is_stale_fails_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("tools.policy_schema.SCHEMA", tmp_path / "schema.json")
    assert main(["--check"]) == 1
    assert "make policies" in capsys.readouterr().err
    assert main([]) == main(["--check"]) == 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_our_files_are_right_by_it_and_name_it(path: Path) -> None:
    assert path.read_text().startswith("# yaml-language-server: $schema=schema.json\n")
    assert list(CHECK.iter_errors(yaml.safe_load(path.read_text()))) == []


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"agency": "clinic", "calendar": {"zone": "Asia/Bangkok", "country": "TH", "hours": ["09:00-12:00", "18:00-24:00"]}},
        {"duties": {"UNASSIGNED": False, "STALLED_CASE": {"within": "8bh", "grace": {"CRITICAL": "0h"}}}},
    ],
)
def test_a_file_needs_only_what_differs(more: dict[str, Any]) -> None:
    assert CHECK.is_valid(NAMES | more)


@pytest.mark.parametrize(
    "wrong",
    [
        {"region": "*"},
        {"agency": "City"},
        {"calendar": {"zone": "Asia/Bangkok", "country": "TH", "hours": ["09:00-24:01"]}},
        {"duties": {"STALLED_CASE": {"within": "8 hours", "grace": "0h"}}},
        {"duties": {"STALLED_CASE": {"within": "8bh"}}},
        {"ladder": {"WORKER": "1d", "BOSS": "1d"}},
        {"ladder": {"WORKER": "0h", "SUPERVISOR": "1d"}},
        {"follow_up": {"intervals": ["14d", "0d"], "grace": "0h"}},
        {"progress": []},
        {"based_on": []},
        {"snooze": {"times": 99, "longest": "1d"}},
    ],
)
def test_an_editor_sees_what_reading_would_refuse(wrong: dict[str, Any]) -> None:
    assert not CHECK.is_valid(NAMES | wrong)
