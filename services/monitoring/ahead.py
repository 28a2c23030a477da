"""Looks ahead: what a case will state at its moment is decided and written down before, so that firing is a few statements for many cases.

`foresee` says what is decided from a moment on, and until when that holds (domain/decision.py). Here it is kept as the rows and events that
the clock worker would write, made by the same code (clocks.apply), and stated when the watermark has passed the moment. It counts only if
the watermark is not yet past `until`, no fact of the case has come (copies.py takes `ahead` back) and no policy or entry of the directory
was stated (`stamp`). Otherwise the clock worker looks at the case as ever. What was prepared may be lost at any time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from casebus import telemetry, tracing
from casebus.codec import Codec
from casebus.contracts.intake import Priority
from casebus.contracts.monitoring import AlertRaised, FollowUpMissed, PersonListed, PolicyAdopted
from casebus.database import planned_once
from casebus.timebase import system_time
from casebus.watermark import Reached, reached
from services.monitoring import metrics
from services.monitoring.clocks import apply, cause_of, miss, rule_of
from services.monitoring.domain.decision import Foresight, foresee
from services.monitoring.domain.directory import NOBODY, Directory
from services.monitoring.domain.fact import Fact
from services.monitoring.domain.regime import Regimes
from services.monitoring.kept import AS_NUMBER, facts_of
from services.monitoring.policies import Rulebook
from services.monitoring.rules import RULES
from services.monitoring.storage import Work

CROWD, GATHERED, LAST = 10_000, timedelta(seconds=1), 100
"""Where so many are due in this time before the watermark and after it, the first of them wait for the others, but for the last hundred:
what was stated of the first has to be read before more is known to be due, and to read it takes longer than to state the others."""
FIRED_AT_ONCE, PREPARED_AT_ONCE = 200, 10
"""Cases of a partition in one transaction. The second is small: there is time, and others wait for this process."""
SOON, FAR = timedelta(seconds=1), timedelta(minutes=10)
"""What is due between these is prepared. Sooner, it is either new or comes too late; farther, it would change too often, and lie around."""
SAID_AHEAD = (AlertRaised, FollowUpMissed)
"""What can be said ahead: what changes an alert depends on what people do to it meanwhile."""
_KNOWN = f"""unnest({planned_once("parts", "int[]")}, {planned_once("moments", "timestamptz[]")}) AS w (part, reached)"""
_COME = """copy.watch WHERE watch.part = w.part AND look_at < w.reached AND ahead
        AND NOT EXISTS (SELECT FROM own.held_case h WHERE h.case_id = watch.case_id) ORDER BY look_at"""
"""In the partitions of `_KNOWN`."""
_FIRST = text(f"SELECT min(c.look_at) FROM {_KNOWN} CROSS JOIN LATERAL (SELECT look_at FROM {_COME} LIMIT 1) c")
_AMONG = text("""
    SELECT count(*) FROM (SELECT FROM copy.watch WHERE part = ANY(CAST(:parts AS int[])) AND ahead
      AND look_at BETWEEN :since AND :gathered LIMIT :most) found""")
_COMING = text("""
    SELECT c.case_id, c.look_at FROM unnest(CAST(:parts AS int[])) AS w (part) CROSS JOIN LATERAL (
      SELECT case_id, look_at FROM copy.watch WHERE watch.part = w.part AND look_at > :soon AND look_at < :far AND NOT ahead
        AND NOT EXISTS (SELECT FROM own.held_case h WHERE h.case_id = watch.case_id)
      ORDER BY look_at LIMIT :limit FOR UPDATE OF watch SKIP LOCKED) c""")
_STAMP = text("""
    SELECT coalesce(string_agg(said, ' ' ORDER BY said), ''), max(newest) FROM (
      SELECT concat_ws(':', topic, count(*), sum(seq)) AS said, max(recorded_at) AS newest
      FROM own.head WHERE topic = ANY(:topics) GROUP BY topic) t""")
_DUE = text(f"""
    WITH due AS MATERIALIZED (
      SELECT w.reached, c.* FROM {_KNOWN} CROSS JOIN LATERAL (
        SELECT case_id, look_at, ctid AS place FROM {_COME} LIMIT {FIRED_AT_ONCE} FOR UPDATE OF watch SKIP LOCKED) c)
    SELECT p.labels, p.keys, p.missed, array_agg(d.look_at), CAST(array_agg(d.case_id) AS text), CAST(array_agg(d.reached) AS text),
      CAST(array_agg(d.place) AS text)
    FROM due d LEFT JOIN LATERAL (
      SELECT labels, keys, follow_ups <> '{{}}' AS missed FROM own.prepared p WHERE p.case_id = d.case_id AND p.look_at = d.look_at
        AND p.stamp = :stamp AND (p.until IS NULL OR d.reached <= p.until) LIMIT 1) p ON true -- the limit has each looked up by its key
    GROUP BY 1, 2, 3""")
_MISSED = text("SELECT unnest(follow_ups), unnest(missed) FROM own.prepared WHERE case_id = ANY(CAST(:cases AS uuid[]))")
_REACHABLE = text("SELECT key FROM own.recipient WHERE key = ANY(CAST(:keys AS text[]))")
_TOLD = text("""
    SELECT unnest(ids), priority FROM own.prepared
    WHERE case_id = ANY(CAST(:cases AS uuid[])) AND keys && CAST(:keys AS text[])""")
_STATE = text("""
    WITH p AS (
      DELETE FROM own.prepared
      USING (SELECT * FROM unnest(CAST(:cases AS uuid[]), CAST(:watermarks AS timestamptz[]), CAST(:places AS tid[]))
        AS d (case_id, watermark, place) ORDER BY 1) d -- what is written in the order of its keys finds most pages at hand
      WHERE prepared.case_id = d.case_id RETURNING prepared.*, d.watermark, d.place
    ), known AS (
      SELECT watermark,
        jsonb_build_object('raised_at', CAST(:now AS text), 'told_at', CAST(:now AS text), 'decided_below', watermark) AS said
      FROM (SELECT DISTINCT watermark FROM p) w
    ), decided AS (
      INSERT INTO own.decision (id) SELECT unnest(decisions) AS id FROM p ORDER BY id
    ), raised AS (
      INSERT INTO own.alert (id, version, body) SELECT a.id, 1, a.body || known.said
      FROM p JOIN known USING (watermark) CROSS JOIN LATERAL unnest(p.ids, p.bodies) AS a (id, body) ORDER BY a.id
    ), seen AS (
      UPDATE copy.watch SET look_at = p.until, ahead = false FROM p WHERE watch.ctid = p.place
    )
    SELECT count(*) FROM (
      SELECT array_agg(e.topic) AS topics, array_agg(p.case_id) AS subjects, array_agg(e.content) AS contents,
        array_agg(e.attributes) AS attributes, array_agg(CAST(NULL AS timestamptz)) AS occurred, array_agg(e.cause) AS causes
      FROM p CROSS JOIN LATERAL unnest(p.topics, p.contents, p.attributes, p.causes) AS e (topic, content, attributes, cause)) e,
      own.emit(e.topics, e.subjects, e.contents, e.attributes, e.occurred, e.causes)""")
_AHEAD = text("UPDATE copy.watch SET ahead = :ahead WHERE case_id = ANY(CAST(:cases AS uuid[]))")
_FORGET = text("DELETE FROM own.prepared WHERE case_id = ANY(CAST(:cases AS uuid[]))")
_KEEP = text("""
    INSERT INTO own.prepared VALUES (:case_id, :look_at, :until, :stamp, CAST(:decisions AS uuid[]), CAST(:labels AS text[]),
      CAST(:follow_ups AS uuid[]), CAST(:missed AS timestamptz[]), CAST(:keys AS text[]), :priority,
      CAST(:tables AS text[]), CAST(:ids AS uuid[]), CAST(:bodies AS jsonb[]),
      CAST(:topics AS text[]), CAST(:values AS bytea[]), CAST(:attributes AS jsonb[]), CAST(:after AS timestamptz[]))""")
_MADE = text("SELECT id FROM own.decision WHERE id = ANY(CAST(:ids AS uuid[]))")

log = telemetry.logger(__name__)


class Alike(NamedTuple):
    """Cases that were looked ahead at, whose moments have come, and of which the same was prepared and is true; their rows are locked.

    What is decided, who is told, if follow-ups are missed; None where nothing holds. The last three are the cases, the watermarks that
    have passed their moments and the places of their rows, as PostgreSQL writes arrays: they are only handed on.
    """

    labels: list[str] | None
    keys: list[str]
    missed: bool
    moments: list[datetime]
    cases: str
    watermarks: str
    places: str


@dataclass(slots=True)
class _Waiting:
    """For a crowd. It ends where the watermark stands still: an owner that states nothing must not hold what is known to be due."""

    least: datetime | None = None
    since: float = 0.0

    def may_go_on(self, least: datetime) -> bool:
        if self.least is None or least > self.least:
            self.least, self.since = least, monotonic()
        return monotonic() < self.since + GATHERED.total_seconds()


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """Of the clock worker. Several may work at once: each takes cases that no other holds."""

    engine: Engine
    codec: Codec
    policies: Rulebook
    wake: Callable[[], None]
    directory: Callable[[Connection, Codec], Directory] = lambda *_: NOBODY
    far: timedelta = FAR
    known: Callable[[Connection], Reached] = reached
    waiting: _Waiting = field(default_factory=_Waiting)

    def fire(self) -> int:
        """State what was prepared and is due, in one transaction; how many cases. What holds no more is left to the worker's look."""
        due: list[Alike] = []
        try:
            with self.engine.begin() as connection:
                known = self.known(connection)
                first = _first(connection, known)
                if first is None or _gather(connection, known, first, self.waiting):
                    return 0
                due = _due(connection, known)
                _leave(connection, [each for each in due if each.labels is None])
                if holding := [each for each in due if each.labels is not None]:
                    self._state(connection, holding)
        except IntegrityError as error:  # one was made already: that can't be, and must not stop the others
            log.error("what was prepared is looked at anew", cases=_count(due), error=type(error).__name__)
            with self.engine.begin() as connection:
                _leave(connection, due)
        if due:
            self.wake()
        return _count(due)

    def _state(self, connection: Connection, due: list[Alike]) -> None:
        """What was prepared of these, as it would be saved now."""
        work = Work(connection, self.codec, self.policies)
        cases, watermarks, places = (_joined(arrays) for arrays in zip(*((d.cases, d.watermarks, d.places) for d in due), strict=True))
        values = {"cases": cases, "watermarks": watermarks, "places": places, "now": work.now.isoformat()}
        with tracing.span("fire clocks", about={"continuum.cases": _count(due)}):
            if any(each.missed for each in due):
                missed: list[tuple[UUID, datetime]] = [(one, at) for one, at in connection.execute(_MISSED, values)]
                work.follow_ups.load_ids(one for one, _ in missed)
                for one, at in missed:
                    miss(work, one, at)
            told = _told(connection, due, values)
            connection.execute(_STATE, values)
            work.alerts.load_ids(told)
            for one, priority in told.items():
                if (alert := work.alerts.get(one)) is not None:
                    work.tell(one, alert, Priority(priority))
            work.save()
        for each in due:
            for label in each.labels or ():
                metrics.DECISIONS.labels(*label.split()).inc(len(each.moments))
            for moment in each.moments:
                metrics.LATENESS.observe((work.now - moment).total_seconds())

    def prepare(self) -> int:
        """Look ahead at some cases that are due soon, in one transaction; how many."""
        with self.engine.begin() as connection:
            coming = self._coming(connection)
            if not coming:
                return 0
            stamp, newest = _stamp(connection)
            regimes, directory = self.policies.known(connection, self.codec), self.directory(connection, self.codec)
            seen: dict[UUID, Foresight] = {}
            for case_id, facts in facts_of(connection, self.codec, coming).items():
                if newest is None or newest < coming[case_id]:
                    found = _foresee(case_id, facts, coming[case_id], regimes, directory)
                    if found is not None:
                        seen[case_id] = found
            cases = sorted(coming, key=AS_NUMBER)
            self.forget(connection, cases)
            made = _made(connection, seen.values())
            rows = [self._row(connection, coming[one], found, made) for one, found in seen.items()]
            if kept := [row | {"stamp": stamp} for row in rows if row is not None]:
                connection.execute(_KEEP, kept)
            connection.execute(_AHEAD, {"cases": cases, "ahead": True})
        return len(coming)

    def forget(self, connection: Connection, cases: list[UUID]) -> None:
        """These were looked at anew."""
        connection.execute(_FORGET, {"cases": cases})

    def _coming(self, connection: Connection) -> dict[UUID, datetime]:
        now, known = system_time(connection), reached(connection)
        values = {"parts": sorted(known.partitions), "soon": now + SOON, "far": now + self.far, "limit": PREPARED_AT_ONCE}
        rows: dict[UUID, datetime] = dict(iter(connection.execute(_COMING, values)))  # as pairs
        return rows

    def _row(self, connection: Connection, look_at: datetime, found: Foresight, made: set[UUID]) -> dict[str, Any] | None:
        """What the case will state, as a row; None where nothing is new or where it can't be said ahead."""
        new = [one for one in found.decisions if one.id not in made]
        if not new or not all(isinstance(one.event, SAID_AHEAD) and not one.history for one in new):
            return None
        work = Work(connection, self.codec, self.policies)
        work.now = look_at
        for one in new:
            work.cause = cause_of(one)
            apply(one, found.history, work, look_at)
            work.emit(one.event)
        missed = [one.event for one in new if isinstance(one.event, FollowUpMissed)]
        rows, events = work.unsaved()
        assert all(each.table == "own.alert" for each in rows)  # of what can be said ahead nothing else is put
        return events | {
            "case_id": found.history.case_id,
            "look_at": look_at,
            "until": found.until,
            "decisions": [one.id for one in new],
            "labels": [f"{rule_of(one)} {type(one.event).__name__}" for one in new],
            "follow_ups": [one.follow_up_id for one in missed],
            "missed": [one.missed_at for one in missed],
            "keys": sorted({key for notice in work.notices for key in notice.recipients()}),
            "priority": found.history.priority,
            "tables": [each.table for each in rows for _ in each.ids],  # a worker of the version before asks for them
            "ids": [one for each in rows for one in each.ids],
            "bodies": [body for each in rows for body in each.bodies],
        }


def _foresee(case_id: UUID, facts: list[Fact], moment: datetime, regimes: Regimes, directory: Directory) -> Foresight | None:
    try:
        return foresee(case_id, facts, moment, regimes, RULES, directory)
    except Exception as error:  # noqa: BLE001  # it costs itself alone; the worker tries again when it is due
        log.error("a case can't be judged", case_id=str(case_id), error=type(error).__name__)
        return None


def _first(connection: Connection, known: Reached) -> datetime | None:
    """The earliest moment that has come of those that were looked ahead at."""
    found: datetime | None = connection.execute(_FIRST, _passed(known)).scalar() if known.partitions else None
    return found


def _due(connection: Connection, known: Reached) -> list[Alike]:
    """What has come, and that nobody else holds. Its rows are locked: nothing that would change what was prepared is on its way."""
    return [Alike(*row) for row in connection.execute(_DUE, _passed(known) | {"stamp": _stamp(connection)[0]})]


def _passed(known: Reached) -> dict[str, list[Any]]:
    parts = sorted(known.partitions)
    return {"parts": parts, "moments": [known.partitions[part] for part in parts]}


def _gather(connection: Connection, known: Reached, first: datetime, waiting: _Waiting) -> bool:
    """Whether what is due is to wait for the rest of its crowd. By the watermark none waits for longer than `GATHERED`, nor beside one that
    stands still."""
    if known.least is None or first < known.least - GATHERED:
        return False
    values = {"parts": sorted(known.partitions), "gathered": known.least + GATHERED}

    def are_there(most: int, since: datetime) -> bool:
        found: int = connection.execute(_AMONG, {**values, "since": since, "most": most}).scalar_one()
        return found == most

    return are_there(LAST, known.least) and are_there(CROWD, first) and waiting.may_go_on(known.least)


def _count(due: Iterable[Alike]) -> int:
    return sum(len(each.moments) for each in due)


def _joined(arrays: Iterable[str]) -> str:
    """Arrays as PostgreSQL writes them, as one."""
    return f"{{{','.join(each[1:-1] for each in arrays)}}}"


def _told(connection: Connection, due: Sequence[Alike], values: Mapping[str, Any]) -> dict[UUID, str]:
    """The alerts that will be raised of which somebody can be told, by what is in force now, and the priorities of their cases."""
    keys = sorted({key for each in due for key in each.keys})
    reachable = set(connection.execute(_REACHABLE, {"keys": keys}).scalars()) if keys else set()
    metrics.UNREACHABLE.inc(sum(len(each.moments) * len(each.keys) for each in due if reachable.isdisjoint(each.keys)))
    return dict(iter(connection.execute(_TOLD, {**values, "keys": sorted(reachable)}))) if reachable else {}  # as pairs


def _leave(connection: Connection, due: Sequence[Alike]) -> None:
    """To the worker's look."""
    if due:
        connection.execute(_AHEAD, {"cases": _joined(each.cases for each in due), "ahead": False})


def _stamp(connection: Connection) -> tuple[str, datetime | None]:
    """Which policies and entries of the directory there are, and when the newest was stated."""
    said, newest = connection.execute(_STAMP, {"topics": [PolicyAdopted.TOPIC, PersonListed.TOPIC]}).one()
    return said, newest


def _made(connection: Connection, seen: Iterable[Foresight]) -> set[UUID]:
    ids = sorted({one.id for found in seen for one in found.decisions})
    return set(connection.execute(_MADE, {"ids": ids}).scalars())
