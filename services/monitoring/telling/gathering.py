"""From what people are to be told to messages: one a person, with everything that waits for her then.

What is to be told at once waits some seconds for what comes with it, and while clocks are still being decided after an outage, a
quarter of an hour at most: so a storm is one message. A digest is one a day, whatever comes when; its day is the one it was due on, so that
one that goes after midnight keeps back nothing of the next.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter
from sqlalchemy import Connection, text

from casebus.timebase import system_time
from casebus.watermark import reached
from services.monitoring import metrics
from services.monitoring.domain.message import Message
from services.monitoring.domain.policy import Policy
from services.monitoring.domain.reach import Channel, Manner, PointState, Recipient
from services.monitoring.notices import FORM as RECIPIENT
from services.monitoring.telling.items import Item, waiting, written

MESSAGE = TypeAdapter(Message)
AT_ONE_TIME = 20
"""Recipients in one transaction."""
SETTLES, LONGEST = timedelta(seconds=2), timedelta(minutes=15)
"""In real time: for how long what is told at once waits for more, and at most while a storm goes on."""
STORM = 100
"""Cases that are due and not decided: fewer are no storm, and one that can't be judged holds up nobody."""
_ANY = text("SELECT EXISTS (SELECT FROM own.notification WHERE state = 'WAITING' AND due_at <= :now)")
_DUE = text("""
    SELECT count(*) FROM (
      SELECT FROM unnest(CAST(:parts AS int[]), CAST(:moments AS timestamptz[])) AS w (part, reached) CROSS JOIN LATERAL (
        SELECT FROM copy.watch WHERE watch.part = w.part AND look_at < w.reached
          AND NOT EXISTS (SELECT FROM own.held_case h WHERE h.case_id = watch.case_id) LIMIT :storm) c LIMIT :storm) found""")
_RIPE = text("""
    SELECT recipient FROM own.notification WHERE state = 'WAITING' AND due_at <= :now GROUP BY recipient
    HAVING bool_or(NOT at_once) OR min(made_at) < clock_timestamp() - CAST(:longest AS interval)
      OR (NOT CAST(:storm AS bool) AND max(made_at) < clock_timestamp() - CAST(:settles AS interval))
    ORDER BY min(due_at) LIMIT :limit""")
_CLAIM = text("SELECT CAST(body AS text) FROM own.recipient WHERE key = ANY(CAST(:keys AS text[])) ORDER BY id FOR UPDATE SKIP LOCKED")
_POINTS = text("""
    SELECT recipient, id, body ->> 'channel', state FROM own.contact_point
    WHERE recipient = ANY(CAST(:keys AS text[])) AND state <> 'REMOVED'""")
_MESSAGE = text("""
    INSERT INTO own.message (id, recipient, day, language, content)
    VALUES (:id, :recipient, :day, :language, CAST(:content AS jsonb)) ON CONFLICT (recipient, day) DO NOTHING RETURNING id""")
_DELIVER = text("""
    INSERT INTO own.delivery (id, message_id, point_id, channel)
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:messages AS uuid[]), CAST(:points AS uuid[]), CAST(:channels AS text[]))""")
_MARK = text("UPDATE own.notification SET state = :state, message_id = :message WHERE id = ANY(CAST(:ids AS uuid[]))")
_LATER = text("UPDATE own.notification SET due_at = :due WHERE id = ANY(CAST(:ids AS uuid[]))")


@dataclass(frozen=True, kw_only=True, slots=True)
class Gathered:
    """How many recipients were looked at, how many messages made."""

    recipients: int
    messages: int


class Point(NamedTuple):
    """A contact point that isn't removed."""

    id: UUID
    channel: Channel
    state: PointState


def gather(connection: Connection, policy: Callable[[str, str], Policy]) -> Gathered:
    """One transaction: messages for some of those whose time has come. Several may gather: each takes recipients that no other holds."""
    now = system_time(connection)
    if not connection.execute(_ANY, {"now": now}).scalar_one():
        return Gathered(recipients=0, messages=0)
    known = reached(connection).partitions
    parts = sorted(known)
    due = connection.execute(_DUE, {"parts": parts, "moments": [known[part] for part in parts], "storm": STORM}).scalar_one()
    ripe = {"now": now, "storm": due >= STORM, "settles": SETTLES, "longest": LONGEST, "limit": AT_ONE_TIME}
    keys = list(connection.execute(_RIPE, ripe).scalars())
    if not keys:
        return Gathered(recipients=0, messages=0)
    held = [RECIPIENT.validate_json(body) for body in connection.execute(_CLAIM, {"keys": keys}).scalars()]
    mine = {"keys": [one.key for one in held]}
    items: dict[str, list[Item]] = defaultdict(list)
    for one in waiting(connection, mine["keys"]):
        items[one.recipient].append(one)
    points: dict[str, list[Point]] = defaultdict(list)
    for key, point, channel, state in connection.execute(_POINTS, mine):
        points[key].append(Point(point, Channel(channel), PointState(state)))
    made = 0
    for recipient in held:
        manner = recipient.manner(policy(recipient.region, recipient.agency))
        made += _Desk(connection, recipient, manner, now).settle(items[recipient.key], points[recipient.key])
    return Gathered(recipients=len(held), messages=made)


@dataclass(frozen=True, slots=True)
class _Desk:
    """What is done for one recipient."""

    connection: Connection
    recipient: Recipient
    manner: Manner
    now: datetime

    def settle(self, items: list[Item], points: list[Point]) -> bool:
        """Whether there is a message now. Where every contact point is disabled it waits for the next digest: by then one may not be."""
        self._mark("LEFT_OUT", [one for one in items if not one.is_open])
        left = [one for one in items if one.is_open]
        hurried = any(one.at_once and one.tell_at <= self.now for one in left)
        taken = left if hurried else [one for one in left if one.tell_at <= self.now]
        if not taken:
            return False
        active = [point for point in points if point.state is PointState.ACTIVE]
        if not active:
            metrics.UNREACHABLE.inc(len(taken))
            if points:
                self._put_off(taken)
            else:
                self._mark("UNREACHED", taken)
            return False
        day = None if hurried else max(one.tell_at for one in taken).astimezone(ZoneInfo(self.manner.zone)).date()
        message = self._write(taken, day)
        if message is None:  # the day has its message: what came late is in the next one
            self._put_off(taken)
            return False
        self._mark("TOLD", taken, message)
        self.connection.execute(_DELIVER, _to(message, active))
        return True

    def _put_off(self, items: Iterable[Item]) -> None:
        self.connection.execute(_LATER, {"due": self.manner.digest_after(self.now), "ids": [one.id for one in items]})

    def _write(self, items: Iterable[Item], day: date | None) -> UUID | None:
        """The id is the same whoever writes it: what is delivered twice is known by it."""
        told = list(items)
        said = {
            "id": uuid5(self.recipient.id, str(min(one.id for one in told))),
            "recipient": self.recipient.key,
            "day": day,
            "language": self.manner.language,
            "content": MESSAGE.dump_json(written(told, self.now)).decode(),
        }
        found: UUID | None = self.connection.execute(_MESSAGE, said).scalar()
        return found

    def _mark(self, state: str, items: Iterable[Item], message: UUID | None = None) -> None:
        if ids := [one.id for one in items]:
            self.connection.execute(_MARK, {"state": state, "message": message, "ids": ids})


def _to(message: UUID, points: list[Point]) -> Mapping[str, Any]:
    return {
        "ids": [uuid5(message, str(point.id)) for point in points],
        "messages": [message] * len(points),
        "points": [point.id for point in points],
        "channels": [point.channel for point in points],
    }
