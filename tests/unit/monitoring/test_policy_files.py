"""Policy files: what one takes of another, and how one that can't be used is refused: by file, line, field and fix."""

from pathlib import Path

import pytest
import yaml

from casebus.contracts.intake import Priority
from casebus.contracts.monitoring import Rung
from services.monitoring.domain.regime import Adoption, adopted
from services.monitoring.policies import BadPolicy, Policies, read_policies
from services.monitoring.rules import RULES
from tests.unit.monitoring.story import day

DEPLOYED = Path(__file__).parents[3] / "deploy" / "policies"
GOOD = (DEPLOYED / "default.yaml").read_text("utf-8")
VERSION = next(line for line in GOOD.splitlines() if line.startswith("version: "))
DEFAULT = f"default/{VERSION.split(chr(34))[1]}"
PROGRESS = GOOD[GOOD.index("progress:") : GOOD.index("ladder:")]
BAD = [
    ("policy: default", "policy: [", "the file", "this is not YAML"),
    ("policy: default", "policy: a@b", "policy", "letters, digits, dots"),
    (VERSION, "version: 2", "version", "in quotes"),
    ("Europe/London", "Nowhere/Land", "calendar.zone", "Europe/London"),
    ("Europe/London", "../../etc", "calendar.zone", "Europe/London"),
    ("country: GB", "country: ZZ", "calendar.country", "as GB"),
    ('hours: ["09:00-17:00"]', "closed: [2026-13-24]", "calendar.closed.0", "2026-11-22"),
    ('hours: ["09:00-17:00"]', 'hours: ["22:00-06:00"]', "calendar.hours", "over midnight"),
    ("PING_PONG: 3", "PING_PONG: on", "counts.PING_PONG", "a number"),
    ("PING_PONG: 3", "PING_PONG: true", "counts.PING_PONG", "a number"),
    ("PING_PONG: 3", "PING_PONG: 2.5", "counts.PING_PONG", "write a whole number"),
    ("times: 2", "times: true", "snooze.times", "a number"),
    ("between_agencies: 1.5", "between_agencies: true", "between_agencies", "a number"),
    ("subdivision: ENG", "subdivision: ZZ", "calendar.subdivision", "as ENG"),
    ('hours: ["09:00-17:00"]', "hours: [9-17]", "calendar.hours.0", "09:00-17:00"),
    ('hours: ["09:00-17:00"]', 'hours: ["13:00-17:00", "09:00-12:00"]', "calendar.hours", "one after the other"),
    ('hours: ["09:00-17:00"]', 'hours: ["24:00-24:00"]', "calendar.hours.0", "24:00 is the end of the day"),
    ('hours: ["09:00-17:00"]', 'hours: ["09:00-24:00", "22:00-23:00"]', "calendar.hours", "22:00-24:00"),
    ('hours: ["09:00-17:00"]', 'hours: ["09:00-09:10"]', "calendar.hours", "an hour a day"),
    ('hours: ["09:00-17:00"]', "workdays: [Someday]", "calendar.workdays.0", "MONDAY"),
    ("[2d]", "[]", "follow_up.intervals.CRITICAL", "at least 1"),
    ("[7d]", "[7 days]", "follow_up.intervals.HIGH.0", "4h, 8bh, 14d, 2bd or 6mo"),
    ("[7d]", "[0d]", "follow_up.intervals.HIGH.0", "above 0"),
    ("[14d]", "[14d, 00bd]", "follow_up.intervals.MEDIUM.1", "above 0"),
    ("  WORKER: {CRITICAL: 1h", "  WORKER: {CRITICAL: 0h", "ladder.WORKER.CRITICAL", "above 0"),
    ("    LOW: [30d]\n", "", "follow_up.intervals", "LOW"),
    ("within: {CRITICAL: 4h, ", "within: {", "duties.REFERRAL_UNANSWERED.within", "CRITICAL"),
    ("grace: 0h", "grace: soon", "duties.INTAKE_OVERDUE.grace", "4h, 8bh, 14d, 2bd or 6mo"),
    ("grace: 0h", "within: 0h", "within", "written twice"),
    ("planning.StepDone", "planning.StepDon", "progress", "planning.StepDon"),
    ("progress:", "progresses:", "progress", "write it"),
    (PROGRESS, "progress: []\n", "progress", "at least 1 event"),
    ("  SUPERVISOR: {CRITICAL: 1h, HIGH: 8h, MEDIUM: 1bd, LOW: 3bd}\n", "", "ladder", "SUPERVISOR"),
    ("  COORDINATOR: {CRITICAL: 1h}", "  DUTY_AUTHORITY: 1h", "ladder", "leave out DUTY_AUTHORITY"),
    ("  SUPERVISOR: {CRITICAL: 1h, ", "  SUPERVISOR: {", "ladder", "CRITICAL"),
    ("ladder:", "ladders: {STALLED_CASE: {WORKER: 1d}}\nladder:", "ladders.STALLED_CASE", "SUPERVISOR"),
    ("ladder:", "based_on: []\nladder:", "based_on", "leave it out"),
    ("ladder:", "laddder: 1\nladder:", "laddder", "there is no such field"),
    ("between_agencies: 1.5", "between_agencies: 0.5", "between_agencies", "1 or more"),
    ("running: EARLIER", "running: LATER", "running", "one of: EARLIER, FOLLOWS"),
    ("times: 2", "times: 99", "snooze.times", "9 or less"),
]


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.yaml").write_text(text)


def refused(folder: Path) -> list[str]:
    with pytest.raises(BadPolicy) as refusal:
        read_policies(folder)
    return str(refusal.value).splitlines()


@pytest.mark.parametrize(("right", "wrong", "field", "fix"), BAD, ids=[f"{wrong.strip()} [{field}]" for _, wrong, field, _ in BAD])
def test_a_file_that_is_not_right_is_refused_by_file_line_field_and_fix(
    tmp_path: Path, right: str, wrong: str, field: str, fix: str
) -> None:
    assert right in GOOD
    write(tmp_path, "mine", GOOD.replace(right, wrong, 1))
    complaint, *others = refused(tmp_path)
    assert [other.split(": ")[2] for other in others] == (["progresses"] if "progresses" in wrong else [])
    file, line, named, said = complaint.split(": ", 3)
    assert (file, line[:5], named) == ("mine.yaml", "line ", field)
    assert fix in said


@pytest.mark.parametrize(
    ("right", "wrong"), [("Europe/London", "Nowhere/Land"), ("[7d]", "[7 days]"), ("laddder", "laddder"), ("times: 2", "times: 99")]
)
def test_the_line_is_that_of_the_mistake(tmp_path: Path, right: str, wrong: str) -> None:
    text = GOOD.replace(right, wrong, 1) if right in GOOD else GOOD + "laddder: 1\n"
    write(tmp_path, "mine", text)
    assert refused(tmp_path)[0].startswith(f"mine.yaml: line {line_of(text, wrong)}: ")


def test_every_mistake_of_a_file_is_told_once(tmp_path: Path) -> None:
    write(tmp_path, "mine", GOOD.replace("[7d]", "[7 days]").replace("grace: 0h", "grace: soon", 1).replace("times: 2", "times: 99"))
    assert [complaint.split(": ")[2] for complaint in refused(tmp_path)] == [
        "follow_up.intervals.HIGH.0",
        "duties.INTAKE_OVERDUE.grace",
        "snooze.times",
    ]


def test_what_was_written_is_not_repeated(tmp_path: Path) -> None:
    write(tmp_path, "mine", GOOD.replace("Europe/London", "Secret/Place"))
    assert "Secret" not in refused(tmp_path)[0]


def test_words_are_read_as_they_are_written(tmp_path: Path) -> None:
    """The older YAML makes false of NO, true of ON, a number of 18:00, and no text of a day."""
    write(tmp_path, "default", GOOD)
    write(
        tmp_path, "a", 'policy: a\nversion: 2026-01-01\nregion: oslo\ncalendar: {zone: Europe/Oslo, country: NO, hours: ["09:00-17:00"]}\n'
    )
    write(tmp_path, "b", 'policy: b\nversion: "1"\nregion: toronto\ncalendar: {zone: America/Toronto, country: CA, subdivision: ON}\n')
    write(tmp_path, "c", 'policy: c\nversion: "1"\nregion: here\ndigest: {at: 18:00, at_once: [CRITICAL]}\nduties: {PLAN_OVERDUE: off}\n')
    policies = read_policies(tmp_path)
    assert (policies.of("oslo").calendar.country, policies.of("oslo").version) == ("NO", "2026-01-01")
    assert policies.of("toronto").calendar.subdivision == "ON"
    digest = policies.of("here").digest
    assert digest is not None
    assert digest.at == "18:00"
    assert not policies.of("here").watches("PLAN_OVERDUE")


def test_two_policies_for_one_region_or_none_for_everywhere_are_refused(tmp_path: Path) -> None:
    assert 'no policy for region "*"' in refused(tmp_path)[0]
    for name in ("a", "b"):
        write(tmp_path, name, GOOD)
    [complaint] = refused(tmp_path)
    assert complaint.startswith(f"b.yaml: line {line_of(GOOD, 'region:')}: region: ")


def test_a_file_that_is_empty_or_no_text_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "mine", "")
    assert refused(tmp_path)[0].startswith("mine.yaml: line 1: the file")
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe")
    assert "UTF-8" in refused(tmp_path)[0]


def read(folder: Path, **files: str) -> Policies:
    write(folder, "default", GOOD)
    for name, text in files.items():
        write(folder, name, text)
    return read_policies(folder)


NORTH = 'policy: north\nversion: "3"\nregion: north\nduties:\n  STALLED_CASE: {within: 9d, grace: 0h}\n  UNASSIGNED: off\n'
SCHOOL = 'policy: school\nversion: "1"\nregion: north\nagency: river-school\ncalendar: {zone: Asia/Bangkok, country: TH}\n'
CLINIC = 'policy: clinic\nversion: "1"\nregion: "*"\nagency: clinic\nladder: {WORKER: 1h, SUPERVISOR: 2h}\n'


def test_an_agencys_policy_goes_before_its_regions_and_that_before_the_one_for_everywhere(tmp_path: Path) -> None:
    policies = read(tmp_path, north=NORTH, school=SCHOOL, clinic=CLINIC)
    assert policies.of("south").stamp == DEFAULT
    assert policies.of("north").stamp == policies.of("north", "city-hospital").stamp == f"north/3+{DEFAULT}"
    assert policies.of("north", "river-school").stamp == f"school/1+north/3+{DEFAULT}"
    assert policies.of("south", "river-school").stamp == DEFAULT
    assert policies.of("south", "clinic").stamp == policies.of("east", "clinic").stamp == f"clinic/1+{DEFAULT}"


def test_a_file_takes_what_it_leaves_out(tmp_path: Path) -> None:
    policies = read(tmp_path, north=NORTH, school=SCHOOL)
    school, everywhere = policies.of("north", "river-school"), policies.of("*")
    assert school.calendar.zone == "Asia/Bangkok"
    assert school.ladder == everywhere.ladder
    assert school.duties["REFERRAL_UNANSWERED"] == everywhere.duties["REFERRAL_UNANSWERED"]
    assert school.duties["STALLED_CASE"] != everywhere.duties["STALLED_CASE"]


def test_a_duty_that_is_off_is_not_watched(tmp_path: Path) -> None:
    north = read(tmp_path, north=NORTH).of("north")
    assert (north.watches("UNASSIGNED"), north.watches("STALLED_CASE"), north.watches("NEVER_HEARD_OF")) == (False, True, False)


@pytest.mark.parametrize(("rule", "key"), [("PLAN_OVERDUE", "duties"), ("PING_PONG", "counts")])
def test_of_every_rule_a_policy_says_what_it_needs_or_that_it_is_off(tmp_path: Path, rule: str, key: str) -> None:
    read_policies(DEPLOYED).must_cover(RULES)
    write(
        tmp_path,
        "default",
        GOOD.replace("PLAN_OVERDUE:\n    within: {CRITICAL: 5d, HIGH: 14d, MEDIUM: 30d, LOW: 45d}\n    grace: 0h", "PLAN_OVERDUE: off"),
    )
    policies = read_policies(tmp_path)
    policies.must_cover(RULES)
    text = (tmp_path / "default.yaml").read_text()
    write(tmp_path, "default", "".join(line for line in text.splitlines(keepends=True) if not line.startswith(f"  {rule}:")))
    with pytest.raises(BadPolicy, match=f"{key}: write {rule}, or `{rule}: off`"):
        read_policies(tmp_path).must_cover(RULES)
    write(tmp_path, "default", text.replace("PING_PONG: 3", "PING_PONG: off"))
    policies = read_policies(tmp_path)
    policies.must_cover(RULES)
    assert {"PLAN_OVERDUE", "PING_PONG"}.isdisjoint(each.name for each in RULES if each.is_watched(policies.of("north")))


@pytest.mark.parametrize(
    ("wrong", "field", "fix"),
    [
        ("duties:\n  STALED_CASE: {within: 1d, grace: 0h}\n", "duties.STALED_CASE", "write STALLED_CASE"),
        ("duties:\n  PING_PONG: {within: 1d, grace: 0h}\n", "duties.PING_PONG", "no rule asks for it here"),
        ("duties:\n  MISSED_FOLLOW_UP: {within: 1d, grace: 0h}\n", "duties.MISSED_FOLLOW_UP", "write `off`"),
        ("counts:\n  PINGPONG: 4\n", "counts.PINGPONG", "write PING_PONG"),
        ("ladders:\n  MISSED: {WORKER: 1d, SUPERVISOR: 1d}\n", "ladders.MISSED", "write MISSED_FOLLOW_UP"),
        ("duties:\n  STALLED_CASE: {within: 0d, grace: 1d}\n", "duties.STALLED_CASE.within", "above 0"),
        (
            "duties:\n  STALLED_CASE: {within: {CRITICAL: 2d, HIGH: 0h, MEDIUM: 1d, LOW: 1d}, grace: 0h}\n",
            "duties.STALLED_CASE.within.HIGH",
            "or `off`",
        ),
    ],
)
def test_what_no_rule_asks_for_is_refused_and_a_duty_without_time(tmp_path: Path, wrong: str, field: str, fix: str) -> None:
    head = 'policy: north\nversion: "3"\nregion: north\n'
    policies = read(tmp_path, north=head + wrong)
    with pytest.raises(BadPolicy) as refusal:
        policies.must_cover(RULES)
    file, line, named, said = str(refusal.value).split(": ", 3)
    assert (file, line, named) == ("north.yaml", "line 5", field)
    assert fix in said


@pytest.mark.parametrize("rule", ["STEP_OVERDUE", "CONSENT_EXPIRING", "DUPLICATE_SERVICE"])
def test_what_counts_from_a_named_day_or_is_wrong_at_once_may_take_no_time(tmp_path: Path, rule: str) -> None:
    read(tmp_path, north=f'policy: north\nversion: "3"\nregion: north\nduties: {{{rule}: {{within: 0h, grace: 0h}}}}\n').must_cover(RULES)


def test_what_was_adopted_is_taken_as_it_was_though_no_file_may_say_it_any_more() -> None:
    never = yaml.safe_load(GOOD) | {"version": "1", "progress": [], "follow_up": {"intervals": ["0d"], "grace": "0h"}}
    held = adopted([Adoption(since=None, written=never)]).of("north").newest
    assert (held.progress, held.follow_up_due(day(3), Priority.LOW, 1)) == (frozenset(), day(3))


def test_a_follow_up_or_a_ladder_of_its_own_may_be_written(tmp_path: Path) -> None:
    head = 'policy: north\nversion: "3"\nregion: north\n'
    more = "duties: {MISSED_FOLLOW_UP: off}\nladders: {MISSED_FOLLOW_UP: {WORKER: 1d, SUPERVISOR: 1d}}\n"
    read(tmp_path, north=head + more).must_cover(RULES)


def test_an_agency_is_written_as_everywhere_else(tmp_path: Path) -> None:
    write(tmp_path, "default", GOOD)
    write(tmp_path, "school", SCHOOL.replace("river-school", "River School"))
    assert refused(tmp_path)[0].startswith("school.yaml: line 4: agency: ")


def test_business_hours_need_a_calendar_that_has_some(tmp_path: Path) -> None:
    north = NORTH.replace("9d", "9bh")
    assert read(tmp_path, north=north).of("north").watches("STALLED_CASE")
    write(tmp_path, "north", north + "calendar: {zone: Europe/London, country: GB}\n")
    assert "calendar.hours" in refused(tmp_path)[0]


def test_a_ladder_may_differ_by_rule(tmp_path: Path) -> None:
    north = read(tmp_path, north=NORTH + "ladders: {STALLED_CASE: {WORKER: 5d, SUPERVISOR: 1d}}\n").of("north")
    assert north.climbs_at(day(0), Rung.WORKER, Priority.LOW, "STALLED_CASE") == day(5)
    assert north.climbs_at(day(0), Rung.WORKER, Priority.HIGH, "MISSED_FOLLOW_UP") == day(1 / 3)


def test_names_that_no_envelope_could_hold_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "default", GOOD.replace("policy: default", f"policy: {'d' * 60}"))
    write(tmp_path, "north", NORTH.replace("policy: north", f"policy: {'n' * 60}").replace('"3"', f'"{"3" * 60}"'))
    assert "shorter names" in refused(tmp_path)[0]
