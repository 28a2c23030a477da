"""An event log: what a mapping and a row may say, what is wrong by line and never by value, and the acts that come of a case's rows."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from continuum.acts import CasePlan, beginning, completions
from continuum.eventlog.bring_in import SHOWN, Summary, take_in
from continuum.eventlog.mapping import Mapping, read_mapping
from continuum.eventlog.plan import plan_case
from continuum.eventlog.spool import spool
from continuum.eventlog.table import Faults, Problem, Reading, Row, Table
from continuum.importing import import_log
from continuum.local.process import LocalFailure
from continuum.rounds import Trouble

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HEAD = "case,name,what,when,who,staff,by"
WRITTEN: dict[str, Any] = {
    "region": "north",
    "zone": "America/New_York",
    "time": "%Y-%m-%d %H:%M",
    "columns": {"case": "case", "activity": "what", "time": "when", "agency": "who", "actor": "staff", "due": "by"},
    "agencies": {"H": "city-hospital", "S": "safe-house", "F": "family-house"},
    "activities": {
        "in": [
            {"do": "receive-case", "with": {"source": "AGENCY"}},
            {"do": "triage-case", "with": {"priority": "HIGH", "nature": "HOUSING"}},
            "open-case",
        ],
        "staffed": "assign-worker",
        "goal": {"do": "set-goal", "with": {"horizon": "SHORT", "domain": "HOUSING"}},
        "step": {"do": "plan-step", "with": {"kind": "DIRECT"}},
        "did": {"do": "finish-step", "with": {"result": "ACHIEVED"}},
        "agreed": "agree-plan",
        "urgent": {"do": "change-priority", "with": {"priority": "CRITICAL", "reason": "CRISIS"}},
        "begun": "begin-service",
        "rest": {"do": "suspend-case", "with": {"reason": "OTHER"}},
        "ask": {"do": "offer-referral", "with": {"service_type": "shelter"}},
        "yes": "accept-referral",
        "no": {"do": "decline-referral", "with": {"reason": "NO_CAPACITY"}},
        "left": {"do": "complete-referral", "with": {"outcome": "SERVICES_RECEIVED"}},
        "seen": {"do": "record-contact", "with": {"result": "REACHED", "channel": "VISIT"}},
        "lead?": {"do": "propose-lead", "with": {"to_agency": "safe-house"}},
        "lead!": "accept-lead",
        "back": "resume-case",
        "again": {"do": "reopen-case", "with": {"reason": "NEW_NEED"}},
        "new": {"do": "receive-case", "with": {"source": "AGENCY"}},
        "sorted": {"do": "triage-case", "with": {"priority": "LOW", "nature": "HOUSING"}},
        "off": {"do": "decline-case", "with": {"reason": "DUPLICATE"}},
        "end": {"do": "close-case", "with": {"outcome": "GOALS_REACHED"}},
    },
    "ignore": ["note"],
}
MAPPING = Mapping.model_validate(WRITTEN)


def written(folder: Path, *lines: str, head: str = HEAD) -> Path:
    path = folder / "log.csv"
    path.write_text("\n".join((head, *lines)) + "\n")
    return path


def faults(folder: Path, *lines: str, head: str = HEAD) -> list[tuple[int, str, Problem]]:
    found = summary(written(folder, *lines, head=head)).faults
    return [(one.line, one.column, one.problem) for one in sorted(found.kept)]


def summary(path: Path, mapping: Mapping = MAPPING) -> Summary:
    with spool() as rows:
        return take_in(path, mapping, rows, lambda done, total: None)


def plan(*said: str) -> CasePlan:
    """A case whose rows are written as "what who [staff] [by]", an hour apart."""
    rows = []
    for number, one in enumerate(said):
        what, who, *more = one.split()
        actor = next((each for each in more if each.startswith("w")), None)
        due = next((datetime.fromisoformat(each).date() for each in more if each[0] == "2"), None)
        rows.append(Row(number + 2, "c1", what, datetime(2026, 1, 5, number, tzinfo=UTC), MAPPING.agencies[who], actor, due))
    found = plan_case(rows, MAPPING, "log.csv")
    assert isinstance(found, CasePlan), [str(fault) for fault in found]
    return found


def told(found: CasePlan) -> list[tuple[str, str, str | None]]:
    return [(act.command, act.agency, act.makes or act.about) for act in found.acts]


def test_a_time_is_on_the_wall_of_the_mappings_zone(tmp_path: Path) -> None:
    path = written(tmp_path, "c1,x,in,2026-01-05 09:00,H,,", "c1,x,note,2026-01-06 09:00,,,", "c1,x,seen,2026-04-06 09:00,H,w7,2026-05-01")
    rows = list(Table(path, MAPPING, NOW).rows(Reading(Faults())))
    assert [(row.line, row.at.hour, row.agency, row.actor) for row in rows] == [
        (2, 14, "city-hospital", None),
        (4, 13, "city-hospital", "w7"),
    ]
    assert [str(row.due) for row in rows] == ["None", "2026-05-01"]


def test_a_time_that_clocks_skip_is_refused_and_of_two_the_first_is_meant(tmp_path: Path) -> None:
    skipped, twice, again = "2025-03-09 02:30", "2025-11-02 01:30", "2025-11-02 02:00"
    path = written(tmp_path, *(f"c1,x,in,{at},H,," for at in (skipped, twice, again)))
    reading = Reading(Faults())
    rows = list(Table(path, MAPPING, NOW).rows(reading))
    assert [(row.line, row.at.hour) for row in rows] == [(3, 5), (4, 7)]
    [fault] = reading.faults.kept
    assert str(fault).startswith("line 2: time: clocks were put forward")


@pytest.mark.parametrize("encoding", ["utf-16", "idna", "utf-7"])
def test_a_file_in_another_encoding_than_the_mappings_is_refused(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, "c1,x,in,2026-01-05 09:00,Hôpital,,")
    reading = Reading(Faults())
    list(Table(path, MAPPING.model_copy(update={"encoding": encoding}), NOW).rows(reading))
    assert reading.faults.kept[-1].problem in {Problem.UNREADABLE, Problem.AGENCY, Problem.COLUMN_MISSING}


@pytest.mark.parametrize("encoding", ["rot13", "base64", "undefined", "none"])
def test_an_encoding_that_is_none_of_text_is_refused(encoding: str) -> None:
    with pytest.raises(ValidationError, match="write the file's encoding"):
        Mapping.model_validate(WRITTEN | {"encoding": encoding})


def test_without_a_format_a_time_is_iso_8601_and_may_name_its_own_zone(tmp_path: Path) -> None:
    mapping = MAPPING.model_copy(update={"time": None})
    path = written(tmp_path, "c1,x,in,2026-01-05T09:00:00+07:00,H,,")
    [row] = Table(path, mapping, NOW).rows(Reading(Faults()))
    assert row.at == datetime(2026, 1, 5, 2, tzinfo=UTC)


def test_a_due_time_with_a_zone_of_its_own_is_a_day_in_the_mappings(tmp_path: Path) -> None:
    mapping = MAPPING.model_copy(update={"zone": "Asia/Bangkok"})
    path = written(tmp_path, *(f"c1,x,seen,2026-01-05 09:00,H,,{due}" for due in ("2026-03-09T17:00:00Z", "2026-03-10T23:30:00")))
    assert [str(row.due) for row in Table(path, mapping, NOW).rows(Reading(Faults()))] == ["2026-03-10", "2026-03-10"]


def test_a_file_that_excel_wrote_begins_with_a_mark_before_its_quotes(tmp_path: Path) -> None:
    path = written(tmp_path, '"c1","x","in","2026-01-05 09:00","H","",""', head=",".join(f'"{name}"' for name in HEAD.split(",")))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert summary(path).cases == 1


@pytest.mark.parametrize(
    ("line", "column", "problem"),
    [
        ("Mary Jones,x,in,2026-01-05 09:00,H,,", "case", Problem.CASE),
        ("mary,x,in,2026-01-05 09:00,H,,", "case", Problem.CASE),
        ("c1,x,arrived,2026-01-05 09:00,H,,", "activity", Problem.ACTIVITY),
        ("c1,x,in,05.01.2026,H,,", "time", Problem.TIME),
        ("c1,x,in,1826-01-05 09:00,H,,", "time", Problem.TIME),
        ("c1,x,in,2999-01-05 09:00,H,,", "time", Problem.TIME_TO_COME),
        ("c1,x,in,2026-01-05 09:00,City,,", "agency", Problem.AGENCY),
        ("c1,x,in,2026-01-05 09:00,H,Mary,", "actor", Problem.ACTOR),
        ("c1,x,in,2026-01-05 09:00,H,,soon", "due", Problem.DUE),
        ("c1,x,in", "the row", Problem.ROW_WIDTH),
        ('c1,x,"in,2026-01-05 09:00,H,,', "the file", Problem.UNREADABLE),
        ("c1,x,seen,2026-01-05 09:00,H,,", "activity", Problem.NOT_RECEIVED),
    ],
)
def test_what_is_wrong_is_said_by_line_and_column_and_never_by_value(tmp_path: Path, line: str, column: str, problem: Problem) -> None:
    assert faults(tmp_path, line) == [(2, column, problem)]
    said = "\n".join(summary(tmp_path / "log.csv").lines())
    assert said.startswith("line 2: ")
    assert not any(value in said for value in ("Mary", "mary", "arrived", "05.01", "1826", "2999", "City", "soon"))


def test_every_fault_is_counted_and_the_first_ones_are_printed(tmp_path: Path) -> None:
    found = summary(written(tmp_path, *(f"c{number},x,in,never,nowhere,," for number in range(800))))
    assert found.faults.count == 1600
    *lines, last = found.lines()
    assert (len(lines), last) == (SHOWN, f"and {1600 - SHOWN} more")


def test_a_column_that_is_missing_is_named_by_the_mappings_word(tmp_path: Path) -> None:
    assert faults(tmp_path, "c1,in", head="case,what") == [
        (1, f"columns.{word}", Problem.COLUMN_MISSING) for word in ("actor", "agency", "due", "time")
    ]


@pytest.mark.parametrize(
    ("lines", "column", "problem"),
    [
        (("in,H", "in,H"), "activity", Problem.RECEIVED_TWICE),
        (("in,H", "seen,S"), "agency", Problem.NO_PART),
        (("in,H", "staffed,H"), "actor", Problem.NO_ACTOR),
        (("in,H", "end,S"), "agency", Problem.NOT_THE_LEAD),
        (("in,H", "yes,S"), "activity", Problem.NO_OFFER),
        (("in,H", "ask,S", "left,S"), "activity", Problem.NO_SERVICE),
        (("in,H", "did,H"), "activity", Problem.NO_STEP),
        (("in,H", "goal,H", "step,H", "agreed,H", "rest,H"), "due", Problem.NO_DUE),
        (("new,H", "goal,H"), "activity", Problem.NOT_TRIAGED),
        (("new,H", "sorted,H", "goal,H"), "activity", Problem.NOT_OPENED),
        (("in,H", "agreed,H"), "activity", Problem.NO_PLAN),
        (("in,H", "rest,H"), "activity", Problem.NOT_AGREED),
        (("in,H", "goal,H", "step,H", "agreed,H", "back,H"), "activity", Problem.IS_ACTIVE),
        (("in,H", "sorted,H"), "activity", Problem.NOT_AGREED),
        (("in,H", "end,H", "goal,H"), "activity", Problem.CLOSED),
        (("new,H", "off,H", "sorted,H"), "activity", Problem.LEFT),
        (("in,H", "lead?,H", "lead?,H"), "activity", Problem.PROPOSED),
        (("in,H", "lead!,S"), "activity", Problem.NOT_PROPOSED),
    ],
)
def test_what_cant_be_done_where_it_stands_is_a_fault_of_its_row(
    tmp_path: Path, lines: tuple[str, ...], column: str, problem: Problem
) -> None:
    rows = [f"c1,x,{what},2026-01-{number + 5:02} 09:00,{who},," for number, (what, who) in enumerate(line.split(",") for line in lines)]
    assert faults(tmp_path, *rows) == [(len(lines) + 1, column, problem)]


def test_a_case_rests_for_thirty_days_at_most_and_does_nothing_meanwhile(tmp_path: Path) -> None:
    begun = [f"c1,x,{what},2026-01-0{day} 09:00,H,," for day, what in enumerate(("in", "goal", "step", "agreed"), start=1)]
    assert faults(tmp_path, *begun, "c1,x,rest,2026-01-05 09:00,H,,2026-02-05") == [(6, "due", Problem.LONG_REST)]
    rests = [*begun, "c1,x,rest,2026-01-05 09:00,H,,2026-02-04"]
    assert faults(tmp_path, *rests, "c1,x,step,2026-01-06 09:00,H,,") == [(7, "activity", Problem.RESTS)]
    assert faults(tmp_path, *rests, "c1,x,back,2026-01-06 09:00,H,,", "c1,x,step,2026-01-07 09:00,H,,") == []


def test_what_is_so_already_is_not_told_again() -> None:
    found = told(plan("in H", "urgent H", "urgent H", "ask S", "yes S", "begun S", "begun S", "end H", "again H"))
    assert [command for command, *_ in found].count("change-priority") == 1
    assert [command for command, *_ in found].count("begin-service") == 1
    assert found[-1][0] == "reopen-case"


def test_a_case_is_planned_by_time_whatever_the_order_of_its_lines(tmp_path: Path) -> None:
    rows = [f"c1,x,{what},2026-01-{day} 09:00,{who},," for what, day, who in (("seen", "20", "H"), ("in", "05", "H"), ("ask", "07", "S"))]
    assert summary(written(tmp_path, *rows)).commands == 5
    assert faults(tmp_path, *rows) == []


def test_an_offer_without_an_agency_asks_the_rows_and_the_lead_offers() -> None:
    found = told(plan("in H", "ask S", "yes S", "left S", "ask F", "no F", "end H"))
    assert found[3:] == [
        ("offer-referral", "city-hospital", "referral 0"),
        ("accept-referral", "safe-house", "referral 0"),
        ("complete-referral", "safe-house", "referral 0"),
        ("offer-referral", "city-hospital", "referral 1"),
        ("decline-referral", "family-house", "referral 1"),
        ("close-case", "city-hospital", "case"),
    ]


def test_an_agency_that_does_something_of_its_own_later_joins_before_it_accepts() -> None:
    found = told(plan("in H", "ask S", "yes S", "seen S"))
    assert [command for command, *_ in found[4:]] == ["invite-agency", "join-case", "accept-referral", "record-contact"]
    assert found[-1] == ("record-contact", "safe-house", None)


def test_a_new_lead_does_what_is_the_leads() -> None:
    assert told(plan("in H", "lead? H", "lead! S", "end S"))[-1] == ("close-case", "safe-house", "case")


def test_an_import_is_completed_by_who_leads_the_case_by_then_and_a_further_one_begun_by_who_made_it() -> None:
    found = plan("in H", "lead? H", "lead! S", "end S")
    assert {act.agency for act in completions(found, UUID(int=1), NOW)} == {"safe-house"}
    assert beginning(found, UUID(int=1), NOW).agency == "city-hospital"


def test_a_worker_is_known_by_a_code_that_is_not_told() -> None:
    found = plan("in H", "staffed H w7", "goal H 2026-02-01", "step H 2026-02-02", "did H")
    bodies = {act.command: act.body for act in found.acts}
    assert "w7" not in str(bodies["assign-worker"])
    assert bodies["set-goal"]["target_on"] == "2026-02-01"
    assert bodies["plan-step"]["due_on"] == "2026-02-02"
    assert bodies["finish-step"]["step_id"] == bodies["plan-step"]["step_id"]


def test_keys_are_of_the_facts_so_a_file_that_grew_says_the_others_again() -> None:
    short, long = plan("in H", "seen H"), plan("in H", "seen H", "ask S", "yes S")
    assert {act.key for act in short.acts} < {act.key for act in long.acts}
    assert len({act.key for act in long.acts}) == len(long.acts)


def test_a_case_is_received_by_one_key_so_that_another_first_row_makes_no_second_case() -> None:
    [before, *_], [after, *_] = plan("in H").acts, plan("in S", "seen S").acts
    assert before.agency != after.agency
    assert before.key == after.key


def test_what_a_service_refuses_says_what_to_do_about_it() -> None:
    said = Trouble(spot="log.csv:2", service="intake", command="receive-case", status=409, title="Conflict", detail="Do this.", skipped=3)
    assert str(said) == "log.csv:2: intake refused receive-case: 409 Conflict: Do this. (3 later acts skipped)"


def test_what_begin_says_is_done_with_the_first_row(tmp_path: Path) -> None:
    begun = Mapping.model_validate(WRITTEN | {"begin": WRITTEN["activities"]["in"]})
    row = Row(2, "c1", "seen", datetime(2026, 1, 5, tzinfo=UTC), "city-hospital")
    found = plan_case([row], begun, "log.csv")
    assert isinstance(found, CasePlan)
    assert [act.command for act in found.acts] == ["receive-case", "triage-case", "open-case", "record-contact"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("zone: Asia/Bangkok\n", "line 1: region: write it"),
        ("region: north\nzone: Nowhere\n", "line 2: zone: write a time zone as Asia/Bangkok"),
        ("region: north\ntime: '%H:%M'\n", "line 2: time: write year, month and day"),
        ("region: north\nactivities:\n  a: [open-cas]\n", "line 3: activities.a.0: there is no such command"),
        ("region: north\nignore: note\n", "line 2: ignore: "),
        ("- region\n", "line 1: the file"),
    ],
)
def test_a_mapping_that_is_not_right_is_refused_with_line_field_and_fix(tmp_path: Path, wrong: str, said: str) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(wrong)
    with pytest.raises(LocalFailure) as failure:
        read_mapping(path)
    assert f"map.yaml: {said}" in str(failure.value)


def test_a_dry_run_says_what_would_be_sent_and_needs_no_service(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    folder = Path(__file__).parents[3] / "docs" / "import"
    bad = import_log(folder / "shelter-log.csv", folder / "shelter-map.yaml", dry_run=True, console=Console(quiet=True), say=print)
    shown = capsys.readouterr().out
    assert bad == 0
    assert "2 cases, 25 commands" in shown
    assert shown.count("record-contact") == 3
