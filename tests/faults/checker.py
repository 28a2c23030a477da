"""After the fault: everything heals and drains, and what was acknowledged is compared with what there is, everywhere."""

import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import text

from casebus.envelope import InvalidEnvelope, Role, from_headers
from casebus.kafka import Record
from casebus.topics import Kind, read_topics
from casebus.watermark import reached
from tests.faults import alerts, store, topic_log
from tests.faults.driver import Ledger
from tests.faults.ground import Platform
from tests.faults.outcome import Outcome
from tests.faults.store import Row
from tests.waiting import until

DRAIN_SECONDS = 180.0
LATER = timedelta(days=3)
"""Beyond every due time of the stories' first clocks."""


@dataclass
class Findings:
    """What is not as it must be. Each complaint is printed once, with what it is about."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, what: str, number: int = 1) -> None:
        if number:
            self.counts[kind] += number
            print(f"  {kind}: {number} × {what}", file=sys.stderr)

    def outcome(self, fault: str, *, struck: int, ledger: Ledger) -> Outcome:
        return Outcome(fault=fault, struck=struck, acknowledged=len(ledger.said), **self.counts)


def check(platform: Platform, ledger: Ledger, *, forged: Collection[str] = ()) -> Findings:
    """Wait until all is drained, let every duty come due, wait again, and compare. AssertionError where it doesn't drain.

    `forged`: the ids of events that a fault put into the topics and nobody stated.
    """
    drain(platform)
    moment = platform.clock.now() + LATER
    platform.clock.step(moment)
    settle(platform, moment)
    found = Findings()
    rows = {name: store.outbox(engine) for name, engine in platform.engines.items()}
    _acknowledged_is_there(rows, ledger, found)
    for topic in read_topics():
        if topic.kind in (Kind.CASE, Kind.WATCH):
            ours = [row for row in rows[topic.owner] if row.topic == topic.name]
            records = list(topic_log.records(platform.run.bootstrap, topic.name))
            known = ours + [row for row in store.outbox(platform.engines[topic.owner]) if row.topic == topic.name]
            _topic_holds(ours, known, records, topic.name, forged, found)
    _facts_are_kept(platform, rows, found)
    _board_counts(platform, ledger, found)
    _alerts_are_right(rows, moment, found)
    return found


def drain(platform: Platform) -> None:
    """Returns once everything that is stated is sent, and applied by everybody who reads it."""
    until(lambda: _is_drained(platform), DRAIN_SECONDS)


def _is_drained(platform: Platform) -> bool:
    return store.unsent(platform) == 0 and store.set_aside(platform) == 0 and store.behind(platform, store.heads(platform)) == 0


def settle(platform: Platform, moment: datetime) -> None:
    """Returns once monitoring knows everything up to that moment and has decided what that decides."""
    late = "SELECT count(*) FROM copy.watch WHERE look_at < :moment"

    def settled() -> bool:
        with platform.engines["monitoring"].connect() as connection:
            known = reached(connection).least
            waiting = connection.execute(text(late), {"moment": moment}).scalar_one()
        return known is not None and known > moment and not waiting and _is_drained(platform)

    until(settled, DRAIN_SECONDS)


def _acknowledged_is_there(rows: dict[str, list[Row]], ledger: Ledger, found: Findings) -> None:
    """Each 2xx has its event, and no command has two."""
    places = {(row.topic, row.subject, row.seq) for told in rows.values() for row in told}
    lacking = [a for a in ledger.said if (f"{a.owner}.case.v1", a.case, a.seq) not in places]
    found.add("lost", "acknowledged, and not in the outbox", len(lacking))
    promised = Counter((a.case, a.type) for a in ledger.said)
    kinds = {kind for _, kind in promised}
    done = Counter((row.subject, row.type) for told in rows.values() for row in told if row.commanded and row.type in kinds)
    found.add("lost", "event of a command", (promised - done).total())
    found.add("duplicated", "event that no answer stands for", (done - promised).total())


def _topic_holds(
    rows: list[Row], known: list[Row], records: Iterable[Record], topic: str, forged: Collection[str], found: Findings
) -> None:
    """Each event of the outbox is in the topic, as itself, and for the first time after the one before it. `known`: with what was stated
    while the topic was read, as that the time has jumped."""
    ours = {(row.subject, row.seq) for row in rows}
    ids = {(row.subject, row.seq): row.event_id for row in known}
    there: set[tuple[UUID, int]] = set()
    last: dict[UUID, int] = defaultdict(int)
    for record in records:
        try:
            envelope = from_headers(record.headers, topic=topic, key=record.key)
        except InvalidEnvelope:
            continue
        place = envelope.subject, envelope.case_seq
        if str(envelope.event_id) in forged:
            continue
        if ids.get(place) != str(envelope.event_id):
            found.add("duplicated", f"{topic}: {place[0]} {place[1]} is another event than in the outbox")
        elif place not in there:
            there.add(place)
            found.add("out_of_order", f"{topic}: {place[0]} {place[1]} after {last[place[0]]}", int(place[1] != last[place[0]] + 1))
            last[place[0]] = place[1]
    found.add("lost", f"event that is not in {topic}", len(ours - there))


def _facts_are_kept(platform: Platform, rows: dict[str, list[Row]], found: Findings) -> None:
    """Monitoring keeps each event of each case as one fact; planning has one plan for each case that was opened."""
    with platform.engines["monitoring"].connect() as connection:
        kept = {(owner, case, seq) for owner, case, seq in connection.execute(text("SELECT owner, case_id, case_seq FROM copy.fact"))}
    told = {(owner, row.subject, row.seq) for owner, each in rows.items() for row in each if row.topic == f"{owner}.case.v1"}
    found.add("lost", "event that is no fact of monitoring", len(told - kept))
    found.add("duplicated", "fact that nobody stated", len(kept - told))
    drafted = Counter(row.subject for row in rows["planning"] if row.type == "planning.PlanDrafted")
    opened = Counter(row.subject for row in rows["intake"] if row.type == "intake.CaseOpened")
    found.add("lost", "plan of an opened case", (opened - drafted).total())
    found.add("duplicated", "plan of one case", (drafted - opened).total())


def _board_counts(platform: Platform, ledger: Ledger, found: Findings) -> None:
    board = board_of(platform)
    flow = Counter({(cell["from"], cell["to"]): cell["count"] for cell in board["flow"]["cells"]})
    stock: Counter[str] = Counter()
    for cell in board["cases"]["cells"]:
        stock[cell["holder"]] += cell["count"]
    found.add("lost", "hand-off on the board", (ledger.flow() - flow).total())
    found.add("duplicated", "hand-off on the board", (flow - ledger.flow()).total())
    found.add("lost", "open case on the board", (ledger.stock() - stock).total())
    found.add("duplicated", "open case on the board", (stock - ledger.stock()).total())


def board_of(platform: Platform) -> dict[str, Any]:
    """The coordinator's board."""
    token = platform.token("regional-office", Role.COORDINATOR)
    url = f"{platform.run.urls['monitoring']}/api/board"
    answer = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False).raise_for_status()
    board: dict[str, Any] = answer.json()
    return board


def _alerts_are_right(rows: dict[str, list[Row]], moment: datetime, found: Findings) -> None:
    """The alerts that were raised are those that the oracle reads from the committed rows; none early, none twice."""
    events = [event for owner, told in rows.items() for event in store.stated([row for row in told if row.topic == f"{owner}.case.v1"])]
    wanted = {due for due in alerts.breaches(events) if due.at < moment}
    raised = [event for event in events if event.type == "monitoring.AlertRaised"]
    told = Counter(alerts.Due(rule=e.says["rule"], subject=e.says["subject_id"], at=e.says["due_at"]) for e in raised)
    found.add("duplicated", "alert raised twice", told.total() - len(told))
    found.add("missing_alerts", "duty that nobody answered", len(wanted - told.keys()))
    found.add("false_alerts", "alert without a breach", len(told.keys() - wanted))
    found.add("false_alerts", "alert before its time", sum(event.at <= event.says["due_at"] for event in raised))
