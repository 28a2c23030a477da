"""From an event in Kafka to a mailbox and to an agency's own system: a missed follow-up of a critical case is told at once."""

import json
from datetime import timedelta

from standardwebhooks import Webhook

from casebus.envelope import Role
from tests.e2e.conftest import Platform
from tests.e2e.test_a_case_flows import alerts, opened_case
from tests.receivers import MailBox, http_receiver
from tests.waiting import until

AGENCY, ADDRESS = "told-clinic", "supervisor@example.org"
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"


def test_a_missed_follow_up_reaches_a_mailbox_and_a_webhook(platform: Platform, box: MailBox) -> None:
    nurse, operator = platform.person(AGENCY), platform.person("operations", Role.OPERATOR)
    entry = {"person": f"{AGENCY}-worker", "agency": AGENCY, "region": "north", "functions": ["WORKER"]}
    assert operator.tell("monitoring", "/people", entry).status_code == 201
    with http_receiver() as receiver:
        for point in (
            {"channel": "EMAIL", "address": ADDRESS},
            {"channel": "WEBHOOK", "address": f"{receiver.url}/continuum", "secret": SECRET},
        ):
            answer = nurse.tell("monitoring", "/contact-points", point)
            assert answer.status_code == 201, answer.text
        case_id, _ = opened_case(nurse, priority="CRITICAL")
        until(lambda: nurse.ask("monitoring", f"/cases/{case_id}/timeline").status_code == 200)
        platform.clock.step(platform.clock.now() + timedelta(days=2, minutes=1))
        until(lambda: alerts(nurse, case_id, "MISSED_FOLLOW_UP"))
        line = {"case": case_id[-8:], "rule": "MISSED_FOLLOW_UP", "agencies": [AGENCY]}

        def posted() -> bool:
            """Each of them is signed by us."""
            said = [Webhook(SECRET).verify(post.body, dict(post.headers))["data"] for post in list(receiver.posts)]
            return any(line.items() <= alert.items() for data in said for alert in data["alerts"])

        until(posted)
        until(lambda: any(f"Case {case_id[-8:]}: follow-up missed, for " in mail.get_content() for mail in box.to(ADDRESS)))
    everything = json.dumps([post.body.decode() for post in receiver.posts])
    assert case_id not in everything


def test_what_became_of_it_is_read_without_the_address(platform: Platform, box: MailBox) -> None:
    nurse = platform.person(AGENCY)
    [*_, first] = until(lambda: nurse.ask("monitoring", "/notifications").json()["items"])
    assert {(each["channel"], each["state"]) for each in first["deliveries"]} == {("EMAIL", "SENT"), ("WEBHOOK", "SENT")}
    assert ADDRESS not in json.dumps(first)
    assert box.to(ADDRESS)
