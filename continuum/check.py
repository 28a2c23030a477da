"""What `make demo CHECK=1` looks at over HTTP: the page, the alerts against an independent reading of the files, nothing parked."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

import httpx
from sqlalchemy import NullPool, create_engine, text

from casebus.envelope import Role
from continuum.figures import settled_board
from continuum.flow import Flow
from continuum.local.process import LocalFailure
from continuum.sample import REGION, UNTIL, Sample
from continuum.ssda903.plan import handle_of
from continuum.stack import Running, issuer
from tests.oracle import ssda903 as oracle

PATIENCE = 120.0
RECORDED_WITHIN = timedelta(hours=1)
LAG = timedelta(days=3)
"""How much system time may pass, at a day a second, before a step of the ladder is decided and known."""


def reader(run: Running) -> httpx.Client:
    """A coordinator who only reads."""
    token = issuer(run.home).token(actor="checker", role=Role.COORDINATOR, agency="regional-office", region=REGION, reads_only=True)
    return httpx.Client(base_url=run.urls["monitoring"], headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False)


def first_alert(run: Running) -> None:
    """Returns once an alert has been raised. Raises LocalFailure when none was in time."""
    deadline = time.monotonic() + PATIENCE
    with reader(run) as monitoring:
        while time.monotonic() < deadline:
            if monitoring.get("/api/board").json()["alerts"]["raised"]:
                return
            time.sleep(0.1)
    raise LocalFailure(f"no alert within {PATIENCE:.0f} s: see {run.home / 'logs' / 'monitoring.log'}")


def check(run: Running, sample: Sample, flow: Flow) -> dict[str, object]:
    """Wait until all that has happened is decided, and compare. The counts that the demo's last line shows."""
    with reader(run) as monitoring:
        settled_board(monitoring)
        board = monitoring.get("/api/board").json()
        raised = list(_alerts(monitoring, {case_id: handle for handle, case_id in flow.cases().items()}, sample))
    page = httpx.get(run.page, timeout=30, trust_env=False)
    if page.status_code != httpx.codes.OK or str(board["cases"]["total"]) not in page.text:
        raise LocalFailure("the page does not show the board's open cases")
    now = datetime.fromisoformat(board["watermark"])  # time went on while we waited
    expected = oracle.expect(sample.folder, until=UNTIL, now=now, recorded_within=RECORDED_WITHIN)
    found = oracle.compare(expected, raised)
    _check_counts(board, expected, oracle.expect(sample.folder, until=UNTIL, now=now, lag=LAG, recorded_within=RECORDED_WITHIN))
    return {
        "cases": expected.cases,
        "events": _events(run),
        "alerts": len(raised),
        "escalated": board["alerts"]["escalated"],
        "alerts_false": len(found.false) + len(found.doubled),
        "alerts_missing": len(found.missing),
        "parked": board["parked"],
        "quarantined": board["quarantined"],
    }


def _check_counts(board: dict[str, dict[str, int]], expected: oracle.Expected, with_lag: oracle.Expected) -> None:
    """The board's other numbers against the independent reading. Raises LocalFailure naming what differs."""
    done = board["follow_ups"]
    pairs = {
        "open cases": (board["cases"]["total"], expected.open_periods),
        "hand-offs": (board["flow"]["total"], expected.hand_offs.total()),
        "follow-ups done": (done["done"], expected.follow_ups_done),
        "follow-ups missed": (done["missed"], expected.follow_ups_missed),
        "follow-ups made up": (done["made_up"], expected.follow_ups_made_up),
    }
    wrong = [f"{name}: {shown} shown, {counted} counted" for name, (shown, counted) in pairs.items() if shown != counted]
    if board["alerts"]["escalated"] not in with_lag.to_supervisor:
        wrong.append(f"escalated: {board['alerts']['escalated']} shown, {with_lag.to_supervisor} counted")
    if wrong:
        raise LocalFailure("the board and the files disagree: " + "; ".join(wrong))


def _alerts(monitoring: httpx.Client, handles: dict[str, UUID], sample: Sample) -> Iterator[oracle.RaisedAlert]:
    """Every alert that was ever raised, by the child whose case it is about: known on this machine alone."""
    children = {handle_of(one.child): one.child for one in sample.told.histories}
    after: str | None = None
    while True:
        page = monitoring.get("/api/alerts", params={"state": "any", "limit": "500", "after": after or ""}).json()
        for item in page["items"]:
            child = children[handles[item["case_id"]]]
            yield oracle.RaisedAlert(child=child, rule=item["rule"], due=datetime.fromisoformat(item["due_at"]))
        after = page["next"]
        if after is None:
            return


def _events(run: Running) -> int:
    """Events in the services' stores."""
    total = 0
    for url in run.databases.values():
        engine = create_engine(url, poolclass=NullPool)
        with engine.connect() as connection:
            total += connection.execute(text("SELECT count(*) FROM own.outbox")).scalar_one()
    return total
