"""docs/import/mapping.schema.json is what the classes say, and takes and refuses what reading a mapping does."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import ValidationError

from continuum.eventlog.mapping import Mapping, read_mapping
from tools.mapping_schema import SCHEMA, main, schema

EXAMPLE = SCHEMA.parent / "shelter-map.yaml"
CHECK = Draft202012Validator(json.loads(SCHEMA.read_text()))
LEAST: dict[str, Any] = {
    "region": "north",
    "zone": "Asia/Bangkok",
    "columns": {"case": "c", "activity": "a", "time": "t", "agency": "o"},
    "agencies": {"A": "city-hospital"},
    "begin": [{"do": "receive-case", "with": {"source": "AGENCY"}}],
    "activities": {"opened": "open-case"},
}


def test_it_is_up_to_date_and_a_schema() -> None:
    assert main(["--check"]) == 0
    Draft202012Validator.check_schema(schema())


def test_one_that_is_stale_fails_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("tools.mapping_schema.SCHEMA", tmp_path / "schema.json")
    assert main(["--check"]) == 1
    assert "make mappings" in capsys.readouterr().err
    assert main([]) == main(["--check"]) == 0


def test_the_example_is_right_by_it_and_names_it() -> None:
    assert EXAMPLE.read_text().startswith("# yaml-language-server: $schema=mapping.schema.json\n")
    assert list(CHECK.iter_errors(yaml.safe_load(EXAMPLE.read_text()))) == []
    assert read_mapping(EXAMPLE).zone == "Asia/Bangkok"


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"activities": {"met": ["open-case", {"do": "record-contact", "with": {"result": "REACHED", "channel": "VISIT"}}]}},
        {"activities": {"ended": {"do": "close-case", "by": "lead", "with": {"outcome": "MOVED"}}}, "ignore": ["note"]},
        {"activities": {"no": {"do": "decline-case", "with": {"reason": "OUT_OF_SCOPE"}}}, "encoding": "cp874", "delimiter": ";"},
    ],
)
def test_both_take_what_is_right(more: dict[str, Any]) -> None:
    assert list(CHECK.iter_errors(LEAST | more)) == []
    Mapping.model_validate(LEAST | more)


@pytest.mark.parametrize(
    "wrong",
    [
        {"region": "North"},
        {"agencies": {}},
        {"activities": {"opened": "open-cas"}},
        {"activities": {"triaged": "triage-case"}},
        {"activities": {"triaged": {"do": "triage-case", "with": {"priority": "HUGE", "nature": "HOUSING"}}}},
        {"activities": {"offered": {"do": "offer-referral", "with": {"service_type": "shelter", "case_id": "1"}}}},
        {"activities": {"declined": {"do": "decline-referral", "with": {"reason": "NOT_A_REASON"}}}},
        {"columns": {"case": "c", "activity": "a", "time": "t"}},
        {"delimiter": "/"},
        {"name": "somebody"},
    ],
)
def test_both_refuse_what_is_wrong(wrong: dict[str, Any]) -> None:
    assert not CHECK.is_valid(LEAST | wrong)
    with pytest.raises(ValidationError):
        Mapping.model_validate(LEAST | wrong)
