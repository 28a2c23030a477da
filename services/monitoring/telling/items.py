"""What somebody is told of, with its alert as it is now: of what waits, and of a message that was written and has not gone out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from services.monitoring.domain.directory import OF_A_REGION
from services.monitoring.domain.message import Message, Told, message_of

_ITEM = """
    SELECT n.id, n.recipient, n.alert_id, n.critical, n.at_once, n.due_at AS tell_at,
      coalesce(a.body ->> 'state' IN ('RAISED', 'ACKNOWLEDGED'), false) AS is_open, a.case_id, a.rule,
      a.rung, a.agency, a.body ->> 'target_agency' AS target, a.body ->> 'also_agency' AS also,
      (a.body ->> 'due_at')::timestamptz AS due_at, n.message_id
    FROM own.notification n LEFT JOIN own.alert a ON a.id = n.alert_id"""
_WAITING = text(f"{_ITEM} WHERE n.recipient = ANY(CAST(:keys AS text[])) AND n.state = 'WAITING' FOR UPDATE OF n")
_SAID = text(f"{_ITEM} WHERE n.message_id = ANY(CAST(:messages AS uuid[]))")


class Item(NamedTuple):
    """What somebody is to be told, with its alert as it is now."""

    id: UUID
    recipient: str
    alert_id: UUID
    critical: bool
    at_once: bool
    tell_at: datetime
    is_open: bool
    case_id: UUID
    rule: str
    rung: str
    agency: str
    target: str
    also: str | None
    due_at: datetime
    message_id: UUID | None

    def told(self) -> Told:
        places = () if self.rung in OF_A_REGION else (self.target, self.also)
        agencies = tuple(dict.fromkeys(each for each in (self.agency, *places) if each))
        return Told(case_id=self.case_id, rule=self.rule, due_at=self.due_at, agencies=agencies, critical=self.critical)


def waiting(connection: Connection, keys: Sequence[str]) -> list[Item]:
    """Of these recipients; nobody else takes them before the transaction ends."""
    return [Item(*row) for row in connection.execute(_WAITING, {"keys": keys})]


def said_in(connection: Connection, messages: Iterable[UUID]) -> Mapping[UUID, list[Item]]:
    """What each of these messages was written about."""
    found: dict[UUID, list[Item]] = defaultdict(list)
    for row in connection.execute(_SAID, {"messages": list(messages)}):
        found[row.message_id].append(Item(*row))
    return found


def written(items: Iterable[Item], now: datetime) -> Message:
    """As a message. An alert that was told of twice is one line."""
    told = sorted(items, key=lambda one: one.critical)
    return message_of({one.alert_id: one.told() for one in told}.values(), now)


def still(message: Message, items: Sequence[Item], now: datetime) -> Message | None:
    """The message without what is over by now, in work or put off; None where nothing is left. The same where nothing is over."""
    left = [one for one in items if one.is_open]
    if not left:
        return None
    return message if len(left) == len(items) else written(left, now)
