"""The outbox of what people are told: written with the decision that tells them, one row a person, as a set (telling/ sends it)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from pydantic import TypeAdapter
from sqlalchemy import Connection, text

from casebus.contracts.intake import Priority
from services.monitoring import metrics
from services.monitoring.domain.alert import Alert
from services.monitoring.domain.policy import Policy
from services.monitoring.domain.reach import Recipient, all_told

FORM = TypeAdapter(Recipient)
_REACHABLE = text("""
    SELECT CAST(r.body AS text) FROM own.recipient r WHERE r.key = ANY(CAST(:keys AS text[]))
      AND EXISTS (SELECT FROM own.contact_point p WHERE p.recipient = r.key AND p.state <> 'REMOVED')""")
_QUEUE = text("""
    INSERT INTO own.notification (id, recipient, alert_id, critical, at_once, due_at)
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:recipients AS text[]), CAST(:alerts AS uuid[]), CAST(:critical AS bool[]),
      CAST(:at_once AS bool[]), CAST(:due AS timestamptz[])) ON CONFLICT DO NOTHING""")


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """An alert that a decision brought to a rung: who is there is told."""

    decision: UUID
    alert: Alert
    priority: Priority

    def recipients(self) -> list[str]:
        return all_told(self.alert.rung, self.alert.target_agency, self.alert.also_agency, self.alert.targets)


def queue(connection: Connection, notices: Iterable[Notice], policy: Callable[[str, str], Policy], now: datetime) -> None:
    """A row for each that can be reached; whoever has no contact point reads the board."""
    told = [(notice, key) for notice in notices for key in notice.recipients()]
    if not told:
        return
    rows = connection.execute(_REACHABLE, {"keys": sorted({key for _, key in told})}).scalars()
    known: Mapping[str, Recipient] = {one.key: one for one in map(FORM.validate_json, rows)}
    reached = [(notice, known[key]) for notice, key in told if key in known]
    metrics.UNREACHABLE.inc(len(told) - len(reached))
    if not reached:
        return
    when = [one.manner(policy(one.region, one.agency)).when(now, notice.priority) for notice, one in reached]
    connection.execute(
        _QUEUE,
        {
            "ids": [uuid5(notice.decision, one.key) for notice, one in reached],
            "recipients": [one.key for _, one in reached],
            "alerts": [notice.alert.id for notice, _ in reached],
            "critical": [notice.priority is Priority.CRITICAL for notice, _ in reached],
            "at_once": [each.at_once for each in when],
            "due": [each.moment for each in when],
        },
    )
