"""The directory comes from a CSV file, and the alert's next rung names whom it lists."""

from datetime import timedelta
from pathlib import Path

from casebus.envelope import Role
from continuum.people import read, send
from continuum.stack import issuer
from tests.e2e.conftest import Platform
from tests.e2e.test_a_case_flows import alerts, opened_case
from tests.waiting import until

PEOPLE = """\
person,agency,region,functions,absent_from,absent_until
worker-7,lake-clinic,north,WORKER,,
supervisor-7,lake-clinic,north,SUPERVISOR,2000-01-01,2090-01-01
manager-7,lake-clinic,north,MANAGER,,
somebody else,lake-clinic,north,WORKER,,
"""


def test_people_of_a_file_are_told_and_rows_that_are_wrong_are_named(platform: Platform, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text(PEOPLE)
    token = issuer(platform.run.home).token(actor="people-importer", role=Role.OPERATOR, agency="operations", region="")
    for _ in range(2):
        [refused] = send(read(path), platform.run.urls["monitoring"], token)
        assert refused.startswith("line 5: person: ")
    nurse = platform.person("lake-clinic")
    case_id, _ = opened_case(nurse, priority="CRITICAL")
    until(lambda: nurse.ask("monitoring", f"/cases/{case_id}/timeline").status_code == 200)
    platform.clock.step(platform.clock.now() + timedelta(days=2, minutes=1))
    raised = until(lambda: alerts(nurse, case_id, "MISSED_FOLLOW_UP"))
    assert [(one["rung"], one["targets"]) for one in raised] == [("WORKER", ["worker-7"])]
    platform.clock.step(platform.clock.now() + timedelta(hours=1, minutes=1))
    found = until(lambda: [one for one in alerts(nurse, case_id, "MISSED_FOLLOW_UP") if one["rung"] == "MANAGER"])
    assert found[0]["targets"] == ["manager-7"]
