"""From a POST in one service to the alert of another, by the spans that a collector gets."""

import re
from datetime import timedelta
from typing import get_args

from casebus import tracing
from tests.e2e.conftest import Platform
from tests.e2e.test_a_case_flows import alerts
from tests.otlp import Collector, Got
from tests.waiting import until

ASKED = f"00-{'c0ffee' * 5}42-{'ab' * 8}-01"
TRACE = ASKED[3:35]


def names(spans: list[Got]) -> set[tuple[str, str]]:
    return {(span.service, span.name) for span in spans}


def test_the_trace_of_a_request_leads_to_the_alert_of_what_was_missed(platform: Platform, collector: Collector) -> None:
    nurse = platform.person("trace-hospital")
    case = nurse.tell("intake", "/cases", {"region": "north", "source": "CLIENT", "agency_kind": "HOSPITAL"}).json()["id"]
    nurse.tell("intake", f"/cases/{case}/triage", {"priority": "CRITICAL", "nature": "SAFETY"}, version=1)
    opening = nurse.tell("intake", f"/cases/{case}/opening", {}, version=2, traceparent=ASKED)
    assert opening.status_code == 200, opening.text
    until(lambda: nurse.ask("monitoring", f"/cases/{case}/timeline", **{"Case-Seen": opening.headers["Case-Seen"]}).status_code == 200)
    platform.clock.step(platform.clock.now() + timedelta(days=3))
    until(lambda: alerts(nurse, case, "MISSED_FOLLOW_UP"))

    [post] = until(lambda: collector.named("POST /api/cases/{id}/opening", TRACE))
    assert (post.service, post.parent) == ("continuum-intake", ASKED[36:52])
    [raised] = until(lambda: [s for s in collector.named("decide AlertRaised", TRACE) if s.about["continuum.rule"] == "MISSED_FOLLOW_UP"])
    assert (raised.service, raised.parent) == ("continuum-monitoring", post.id), "the alert lies below the request that armed its clock"

    sent = {("continuum-intake", "send intake.case.v1"), ("continuum-monitoring", "send monitoring.case.v1")}
    read = {(f"continuum-{name}", f"process {name}.copies") for name in ("planning", "referral", "monitoring")}
    decided = {("continuum-monitoring", "look at clocks"), ("continuum-monitoring", "process monitoring.reactions")}
    until(lambda: sent | read | decided <= names(collector.linking_to(post)))
    assert all(span.trace != TRACE for span in collector.linking_to(post)), "a batch is a trace of its own"


def test_no_span_says_more_than_what_is_allowed(platform: Platform, collector: Collector) -> None:
    nurse = platform.person("quiet-hospital")
    answer = nurse.tell("intake", "/cases", {"region": "north", "source": "CLIENT", "agency_kind": "HOSPITAL"}, traceparent=ASKED)
    nurse.ask("intake", "/cases/Ann-Smith-1980")
    until(lambda: collector.named("POST /api/cases", TRACE) and collector.named("GET /api/cases/{id}"))
    allowed = set(get_args(tracing.Name))
    said = " ".join(f"{span.name} {' '.join(span.about.values())}" for span in collector.all())
    assert all(span.about.keys() <= allowed and span.events == 0 for span in collector.all())
    for secret in (answer.json()["id"], "quiet-hospital", "Ann-Smith", "CLIENT"):
        assert secret not in said
    assert not re.search("[0-9a-f]{8}-[0-9a-f]{4}-", said), "no id of a case or a person"
