"""An agency's own history comes in by a CSV file and a mapping, and raises the alerts that its rows owe in its own zone and calendar."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from rich.console import Console
from sqlalchemy import NullPool, create_engine, text
from typer.testing import CliRunner

from casebus.envelope import Role
from continuum.backtest import run as backtest
from continuum.cli import app
from continuum.importing import import_log
from tests.e2e.conftest import ELSEWHERE, Platform
from tests.oracle.eventlog import RULES, WRITTEN, ZONE, Owed, owed

SEED = 20260302
CASES = 60
END = datetime(2026, 2, 20, 18, tzinfo=ZONE)
NAMES = {"H1": "hill-hospital", "H2": "river-hospital", "S1": "valley-shelter", "S2": "temple-shelter"}
MAP = """\
region: chiang-mai
zone: Asia/Bangkok
time: "%Y-%m-%d %H:%M"
columns: {case: number, activity: what, time: when, agency: office, actor: code}
agencies: {H1: hill-hospital, H2: river-hospital, S1: valley-shelter, S2: temple-shelter}
activities:
  came:
    - {do: receive-case, with: {source: AGENCY, agency_kind: HOSPITAL}}
    - {do: triage-case, with: {priority: MEDIUM, nature: HOUSING}}
    - open-case
  staffed: assign-worker
  visit: {do: record-contact, with: {result: REACHED, channel: VISIT}}
  call: {do: record-contact, with: {result: REFUSED, channel: PHONE}}
  no answer: {do: record-contact, with: {result: NOT_REACHED, channel: PHONE}}
  asked: {do: offer-referral, with: {service_type: shelter}}
  moved in: accept-referral
  full: {do: decline-referral, with: {reason: NO_CAPACITY}}
  moved out: {do: complete-referral, with: {outcome: SERVICES_RECEIVED}}
  closed: {do: close-case, with: {outcome: GOALS_REACHED}}
ignore: [note]
"""
Row = tuple[str, str, datetime, str, str]


def rows_of(number: int, dice: Random) -> Iterator[Row]:
    """One case's life: each row some hours or days after the one before, until the log ends."""
    case, lead = f"CM-{number:04}", dice.choice(["H1", "H2"])
    moment = END - timedelta(minutes=dice.randint(600, 110 * 24 * 60))
    place = ""
    yield case, "came", moment, lead, ""
    while (moment := moment + timedelta(minutes=dice.randint(30, 12 * 24 * 60))) < END:
        if place.startswith("in "):
            what = dice.choice(["visit", "call", "moved out", "note"])
        elif place:
            what = dice.choice(["moved in", "full", "visit", "no answer"])
        else:
            what = dice.choices(["staffed", "visit", "call", "no answer", "asked", "note", "closed"], [3, 4, 2, 3, 4, 1, 1])[0]
        shelter = place.removeprefix("in ") or dice.choice(["S1", "S2"])
        by_shelter = what in {"asked", "moved in", "full", "moved out"} or (place.startswith("in ") and dice.random() < 0.5)
        yield case, what, moment, shelter if by_shelter else lead, f"w{number % 7}" if what == "staffed" else ""
        place = {"asked": shelter, "moved in": f"in {shelter}", "full": "", "moved out": ""}.get(what, place)
        if what == "closed":
            return


def written(path: Path) -> Path:
    """Sorted by time, as such logs are; on the wall of Bangkok."""
    dice = Random(SEED)
    rows = sorted((row for number in range(CASES) for row in rows_of(number, dice)), key=lambda row: row[2])
    with path.open("w", newline="") as file:
        log = csv.writer(file)
        log.writerow(["number", "patient", "what", "when", "office", "code"])
        for case, what, moment, office, code in rows:
            log.writerow([case, "somebody", what, moment.strftime(WRITTEN), office, code])
    return path


def numbers(platform: Platform, path: Path) -> dict[str, str]:
    """The file's number of each case, by our id."""
    with path.open(newline="") as file:
        leads = {row["number"]: NAMES[row["office"]] for row in csv.DictReader(file) if row["what"] == "came"}
    people = {lead: platform.person(lead, region="chiang-mai") for lead in set(leads.values())}
    return {people[lead].ask("intake", f"/cases?reference={case}").json()["case_id"]: case for case, lead in leads.items()}


def raised(platform: Platform, cases: dict[str, str]) -> list[Owed]:
    """Every alert of the region by the rules that are counted, as it was raised."""
    coordinator = platform.person("regional-office", Role.COORDINATOR, region="chiang-mai")
    found: list[Owed] = []
    after = ""
    while True:
        page = coordinator.ask("monitoring", f"/alerts?state=any&limit=500&after={after}").json()
        found.extend(
            Owed(cases[one["case_id"]], one["rule"], one["agency"], datetime.fromisoformat(one["due_at"]).astimezone(UTC))
            for one in page["items"]
            if one["rule"] in RULES and one["case_id"] in cases
        )
        if page["next"] is None:
            return found
        after = page["next"]


def stated(platform: Platform) -> list[int]:
    """How many events of imports each service has stated."""
    found = []
    for url in platform.run.databases.values():
        engine = create_engine(url, poolclass=NullPool)
        with engine.connect() as connection:
            found.append(connection.execute(text("SELECT count(*) FROM own.outbox WHERE attributes ->> 'origin' = 'IMPORT'")).scalar_one())
    return found


def alerts_of_the_region(platform: Platform) -> Counter[tuple[str, str, str]]:
    """Agency, rule and rung of all that was raised."""
    coordinator = platform.person("regional-office", Role.COORDINATOR, region="chiang-mai")
    found = coordinator.ask("monitoring", "/alerts?state=any&limit=500").json()
    assert found["next"] is None
    return Counter((one["agency"], one["rule"], one["rung"]) for one in found["items"])


def bring_in(log: Path, mapping: Path) -> int:
    return import_log(log, mapping, dry_run=False, console=Console(quiet=True), say=print)


@pytest.fixture
def home(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONTINUUM_HOME", str(platform.run.home))
    return platform.run.home


def test_an_imported_log_raises_the_alerts_that_its_rows_owe(platform: Platform, home: Path, tmp_path: Path) -> None:
    log, mapping = written(tmp_path / "log.csv"), tmp_path / "map.yaml"
    mapping.write_text(MAP)
    before = platform.clock.now()
    assert bring_in(log, mapping) == 0
    cases = numbers(platform, log)
    found = raised(platform, cases)
    assert len(cases) == CASES
    assert len(found) == len(set(found)), "an alert was raised twice"
    assert owed(log, NAMES, before) <= set(found) <= owed(log, NAMES, platform.clock.now())
    assert {one.rule for one in found} == RULES, "the history says nothing of some rule: choose another seed"
    counts = stated(platform)
    assert bring_in(log, mapping) == 0
    assert stated(platform) == counts, "sent twice, it changes nothing"


def test_a_case_whose_first_row_has_changed_is_named_by_it_and_stays_as_it_was(
    platform: Platform, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, mapping = tmp_path / "log.csv", tmp_path / "map.yaml"
    mapping.write_text(MAP)

    def imported(*rows: str) -> tuple[int, str]:
        log.write_text("\n".join(["number,what,when,office,code", *rows]) + "\n")
        return bring_in(log, mapping), capsys.readouterr().out

    came, visit = "FR-1,came,2026-02-02 09:00,H1,", "FR-1,visit,2026-02-03 09:00,H1,"
    assert imported(came, visit)[0] == 0
    counts = stated(platform)
    for hour, office in (("08", "H1"), ("09", "H2")):
        refused, said = imported(f"FR-1,visit,2026-02-04 09:00,{office},", f"FR-1,came,2026-02-02 {hour}:00,{office},")
        assert refused == 1
        assert "log.csv:3: intake refused receive-case: 422" in said
        assert "the case came in before by another first row or mapping, and that stays: write this row as it was" in said
        assert "1 cases stay as they were" in said
        assert "their clocks wait" not in said
        assert stated(platform) == counts
    assert imported(came, visit, "FR-1,visit,2026-02-04 09:00,H1,")[0] == 0
    assert stated(platform) != counts, "what is new below it came in"


def test_the_worked_example_comes_in_and_leaves_the_one_that_was_forgotten(platform: Platform, home: Path) -> None:
    folder = Path(__file__).parents[2] / "docs" / "import"
    assert bring_in(folder / "shelter-log.csv", folder / "shelter-map.yaml") == 0
    nurse = platform.person("nakornping-hospital", region="chiang-mai")
    closed, forgotten = (nurse.ask("intake", f"/cases?reference=HN-{number}").json()["case_id"] for number in (4401, 4402))
    assert nurse.ask("monitoring", f"/alerts?case_id={closed}&state=any").json()["items"] == []
    alerts = nurse.ask("monitoring", f"/alerts?case_id={forgotten}&state=any").json()["items"]
    told = sorted((one["rule"], one["agency"]) for one in alerts if one["rule"] in RULES)
    assert told == [
        ("FIRST_CONTACT_OVERDUE", "nakornping-hospital"),
        ("MISSED_FOLLOW_UP", "nakornping-hospital"),
        ("REFERRAL_UNANSWERED", "family-shelter"),
        ("STALLED_CASE", "nakornping-hospital"),
    ]


def test_a_backtest_of_todays_policy_says_what_was_raised_and_one_of_another_what_would_be(
    platform: Platform, home: Path, tmp_path: Path
) -> None:
    folder, quiet = Path(__file__).parents[2] / "docs" / "import", Console(quiet=True)
    assert bring_in(folder / "shelter-log.csv", folder / "shelter-map.yaml") == 0
    counts, raised_there = stated(platform), alerts_of_the_region(platform)
    found = backtest(ELSEWHERE, None, as_told=True, console=quiet)
    said = Counter({(agency, rule, rung): n for (agency, rule), line in found.compared.lines.items() for rung, n in line.today.items()})
    assert raised_there
    assert said == raised_there == alerts_of_the_region(platform)
    assert all(line.today == line.new and not line.differ for line in found.compared.lines.values())
    other = tmp_path / "new.yaml"
    text = ELSEWHERE.read_text().replace('version: "1"', 'version: "2"')
    other.write_text(text.replace("REFERRAL_UNANSWERED: {within: 2bd", "REFERRAL_UNANSWERED: {within: 6mo"))
    row = next(
        row
        for row in json.loads(backtest(other, "2026-01-01", as_told=False, console=quiet).as_json())["rows"]
        if (row["agency"], row["rule"]) == ("family-shelter", "REFERRAL_UNANSWERED")
    )
    assert row["today"]["alerts"] > row["new"]["alerts"] == 0
    assert row["examples"]["gone"]
    assert stated(platform) == counts


def test_the_clocks_of_a_case_explain_themselves_to_who_may_read_it(platform: Platform, home: Path) -> None:
    folder = Path(__file__).parents[2] / "docs" / "import"
    assert bring_in(folder / "shelter-log.csv", folder / "shelter-map.yaml") == 0
    nurse, stranger = (platform.person(agency, region="chiang-mai") for agency in ("nakornping-hospital", "somebody-else"))
    case_id = nurse.ask("intake", "/cases?reference=HN-4402").json()["case_id"]
    asked = CliRunner().invoke(app, ["policy", "explain", case_id, "--token", nurse.token, "--json"])
    assert asked.exit_code == 0, asked.output
    clocks = {one["rule"]: one for one in json.loads(asked.stdout)["items"]}
    assert clocks["UNASSIGNED"]["state"] == "MET"
    assert clocks["UNASSIGNED"]["ended_by"]["type"] == "intake.WorkerAssigned"
    assert clocks["REFERRAL_UNANSWERED"]["state"] == "BREACHED"
    assert clocks["REFERRAL_UNANSWERED"]["told"][0]["agency"] == "family-shelter"
    assert clocks["REFERRAL_UNANSWERED"]["policy_version"].startswith("chiang-mai/1")
    shown = CliRunner().invoke(app, ["policy", "explain", case_id, "--token", nurse.token])
    assert "REFERRAL_UNANSWERED" in shown.stdout
    refused = CliRunner().invoke(app, ["policy", "explain", case_id, "--token", stranger.token])
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "404" in refused.stderr
