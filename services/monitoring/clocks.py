"""The clock worker: looks at the cases whose moment lies below the watermark, decides, and states what it decided.

It alone writes MISSED, MADE_UP and what becomes of an alert by itself; people acknowledge and resolve (api.py). Several may run: each
takes cases that no other holds (SKIP LOCKED), and the key of a decision lets it be made once.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Event as Signal
from time import monotonic
from typing import NamedTuple, Protocol
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from casebus import telemetry, tracing
from casebus.cause import Cause
from casebus.codec import Codec
from casebus.contracts.monitoring import (
    AlertAutoCleared,
    AlertEscalated,
    AlertRaised,
    AlertResolved,
    AlertReturned,
    FollowUpMadeUp,
    FollowUpMissed,
)
from casebus.database import planned_once
from casebus.envelope import Origin, Role
from casebus.event import Event
from casebus.watermark import Reached, reached
from services.monitoring import metrics
from services.monitoring.domain.alert import Alert, AlertState, raised
from services.monitoring.domain.decision import Decision, decide
from services.monitoring.domain.directory import NOBODY, Directory
from services.monitoring.domain.fact import Fact, History
from services.monitoring.domain.regime import Regimes
from services.monitoring.kept import AS_NUMBER, facts_of
from services.monitoring.policies import Rulebook
from services.monitoring.rules import RULES
from services.monitoring.rules.stalled_case import waits
from services.monitoring.storage import Work

BATCH = 50
"""Cases of a partition in one transaction: few enough that neither a reader of their facts nor the API waits for it for long."""
REST_SECONDS = 1.0
"""After a time at which nothing was to be prepared."""
MARKED = 20
"""How many events of a kind get, in one turn, a span of their own in the trace of their cause: all but after an outage, when it would cost
time. Many alerts that climb hide none that is raised."""
BEGINS = AlertRaised | FollowUpMissed
"""What a look links to first: what climbs is heard of again, and after a leap of the time it is most of what is decided."""
OF_AN_ALERT = AlertEscalated | AlertReturned | AlertResolved | AlertAutoCleared
"""What the worker says of an alert that is there."""
_DUE = text(f"""
    SELECT w.reached, c.case_id, c.look_at
    FROM unnest({planned_once("parts", "int[]")}, {planned_once("moments", "timestamptz[]")}) AS w (part, reached) CROSS JOIN LATERAL (
      SELECT case_id, look_at FROM copy.watch WHERE watch.part = w.part AND look_at < w.reached AND NOT ahead
        AND NOT EXISTS (SELECT FROM own.held_case h WHERE h.case_id = watch.case_id)
      ORDER BY look_at LIMIT {BATCH} FOR UPDATE OF watch SKIP LOCKED) c""")
_LOOK_AGAIN = text("""
    UPDATE copy.watch w SET look_at = n.look_at FROM unnest(CAST(:cases AS uuid[]), CAST(:looks AS timestamptz[])) AS n (case_id, look_at)
    WHERE w.case_id = n.case_id""")

log = telemetry.logger(__name__)


class LooksAhead(Protocol):
    """What prepares decisions before their moment, and states those whose moment has come (ahead.py)."""

    def fire(self) -> int: ...
    def prepare(self) -> int: ...
    def forget(self, connection: Connection, cases: list[UUID]) -> None: ...


class Due(NamedTuple):
    """A case whose moment has come: `since` then it was to be looked at, all of it below `watermark` is known."""

    watermark: datetime
    since: datetime


@dataclass(frozen=True, kw_only=True)
class ClockWorker:
    """A job of monitoring. It looks when `told` is set, by whoever hears of a watermark in this process, and each `tick` seconds."""

    engine: Engine
    codec: Codec
    policies: Rulebook
    wake: Callable[[], None]
    tick: float
    told: Signal = field(default_factory=Signal)
    busy: Signal = field(default_factory=Signal)
    """Set while much is prepared and due: who can wait, waits."""
    directory: Callable[[Connection, Codec], Directory] = lambda *_: NOBODY
    ahead: LooksAhead | None = None
    known: Callable[[Connection], Reached] = reached
    """What counts as known: nothing, while the time can't be trusted."""

    def run(self, stop: Signal) -> None:
        rests_until = 0.0
        while not stop.is_set():
            try:
                if self.turn() >= BATCH:
                    continue
                if self.ahead is not None and monotonic() >= rests_until and not self.ahead.prepare():
                    rests_until = monotonic() + REST_SECONDS
            except Exception as error:  # noqa: BLE001  # a database that is away: begin again until it is back
                log.warning("clocks begin again", error=type(error).__name__)
                self.busy.clear()
                stop.wait(0.5)
            self.told.wait(self.tick)
            self.told.clear()

    def turn(self) -> int:
        """State what was prepared and is due, then look at other cases that are due: a transaction each; returns how many these were.

        Where much is prepared and due it goes first: a look costs as much as many of these, and most looks only follow what was stated.
        While the copies give way no watermark comes, so it has an end.
        """
        fired = self.ahead.fire() if self.ahead is not None else 0
        if fired >= BATCH:
            self.busy.set()
            return fired
        self.busy.clear()
        return fired + self._look()

    def _look(self) -> int:
        with self.engine.begin() as connection:
            due = _due(connection, self.known(connection))
            if due:
                with tracing.span("look at clocks", about={"continuum.cases": len(due)}) as running:
                    self._settle(connection, due, running)
        if due:
            self.wake()
        return len(due)

    def _settle(self, connection: Connection, due: dict[UUID, Due], running: tracing.Running) -> None:
        looks: dict[UUID, datetime | None] = {}
        decided: list[tuple[Decision, History]] = []
        regimes, directory = self.policies.known(connection, self.codec), self.directory(connection, self.codec)
        for case_id, facts in facts_of(connection, self.codec, due).items():
            try:
                found, looks[case_id] = _look_at(case_id, facts, due[case_id].watermark, regimes, directory)
            except Exception as error:  # noqa: BLE001  # a case that can't be judged costs itself alone; it is tried with each watermark
                log.error("a case can't be judged", case_id=str(case_id), error=type(error).__name__)
                found, looks[case_id] = [], due[case_id].watermark
            decided.extend(found)
        self._state(connection, decided, due, running)
        order = sorted(looks, key=AS_NUMBER)
        connection.execute(_LOOK_AGAIN, {"cases": order, "looks": [looks[case_id] for case_id in order]})
        if self.ahead is not None:
            self.ahead.forget(connection, order)

    def _state(
        self, connection: Connection, decided: list[tuple[Decision, History]], due: dict[UUID, Due], running: tracing.Running
    ) -> None:
        """Make the decisions that were not made before."""
        if not decided:
            return
        work = Work(connection, self.codec, self.policies)
        new = work.undecided(one.id for one, _ in decided)
        fresh = [(one, history) for one, history in decided if one.id in new]
        if changed := _follow_ups(fresh):
            work.follow_ups.load_ids(changed)
        if changed := _alerts(fresh):
            work.alerts.load_ids(changed)
        running.tell({"continuum.decisions": len(fresh)})
        begun = [one for one, _ in fresh if isinstance(one.event, BEGINS)]
        running.link(one.because.traceparent for one in tracing.some(begun or [one for one, _ in fresh]))
        marked: Counter[type[Event]] = Counter()
        for one, history in fresh:
            work.cause = cause_of(one)
            if apply(one, history, work, due[history.case_id].watermark):
                marked[type(one.event)] += 1
                if marked[type(one.event)] <= MARKED:
                    work.cause = replace(work.cause, traceparent=_mark(one))
                work.emit(one.event)
                metrics.DECISIONS.labels(rule_of(one), type(one.event).__name__).inc()
                if not one.history:
                    metrics.LATENESS.observe((work.now - due[history.case_id].since).total_seconds())
        work.save()


def _look_at(
    case_id: UUID, facts: list[Fact], watermark: datetime, regimes: Regimes, directory: Directory
) -> tuple[list[tuple[Decision, History]], datetime | None]:
    """What is decided of a case, and when to look again."""
    history = History.below(case_id, facts, watermark)
    decisions, look = decide(history, watermark, regimes, RULES, directory)
    later = min((fact.recorded_at for fact in facts if fact.recorded_at >= watermark), default=None)
    moments = [moment for moment in (look, later) if moment is not None]
    return [(one, history) for one in decisions], min(moments, default=None)


def _due(connection: Connection, known: Reached) -> dict[UUID, Due]:
    if not known.partitions:
        return {}
    parts = sorted(known.partitions)
    rows = connection.execute(_DUE, {"parts": parts, "moments": [known.partitions[p] for p in parts]})
    return {case_id: Due(watermark, since) for watermark, case_id, since in rows}


def _follow_ups(decided: list[tuple[Decision, History]]) -> set[UUID]:
    """Those that the decisions mark."""
    return {one.event.follow_up_id for one, _ in decided if isinstance(one.event, FollowUpMissed | FollowUpMadeUp)}


def _alerts(decided: list[tuple[Decision, History]]) -> set[UUID]:
    """Those that the decisions change; one that is raised is not there yet, for its id is its decision's."""
    return {one.event.alert_id for one, _ in decided if isinstance(one.event, OF_AN_ALERT)}


def apply(decision: Decision, history: History, work: Work, watermark: datetime) -> bool:
    """Change what the decision is about. False where somebody has closed the alert meanwhile: then there is nothing to say."""
    event = decision.event
    match event:
        case FollowUpMissed() | FollowUpMadeUp():
            _mark_follow_up(event, work)
        case AlertRaised():
            stamp = decision.policy_version
            made = raised(event, region=history.region, at=work.now, policy_version=stamp, watermark=watermark)
            work.alerts.put(replace(made, has_waited=waits(decision.because)))
            work.tell(decision.id, made, history.priority)
        case AlertEscalated() | AlertReturned() | AlertResolved() | AlertAutoCleared():
            alert = work.alerts.get(event.alert_id)
            changed = _changed(alert, event, work.now) if alert is not None and alert.is_open else None
            if changed is None:
                return False
            work.alerts.put(changed)
            if isinstance(event, AlertEscalated | AlertReturned):
                work.tell(decision.id, changed, history.priority)
    return True


def _changed(alert: Alert, event: OF_AN_ALERT, now: datetime) -> Alert | None:
    """The alert afterwards; None where somebody did something about it that leaves nothing to say."""
    match event:
        case AlertEscalated():
            return alert.climb(event, now)
        case AlertReturned():
            return alert.come_back(event)
        case AlertResolved():
            return alert.close(AlertState.RESOLVED)
        case AlertAutoCleared():
            return alert.close(AlertState.AUTO_CLEARED)


def _mark_follow_up(event: FollowUpMissed | FollowUpMadeUp, work: Work) -> None:
    if isinstance(event, FollowUpMissed):
        miss(work, event.follow_up_id, event.missed_at)
    elif (found := work.follow_ups.get(event.follow_up_id)) is not None:
        work.follow_ups.put(found.made_up(event.made_up_at))


def miss(work: Work, follow_up_id: UUID, at: datetime) -> None:
    found = work.follow_ups.get(follow_up_id)
    if found is not None:
        work.follow_ups.put(found.missed(at))


def rule_of(decision: Decision) -> str:
    """Of what the decision is, for the metrics: its rule, or a follow-up."""
    return getattr(decision.event, "rule", "FOLLOW_UP")


def _mark(decision: Decision) -> str | None:
    """The decision in the trace of what it follows from, so that who opens the request's trace sees the alert."""
    event, parent = decision.event, decision.because.traceparent
    about: tracing.About = {
        "messaging.system": "kafka",
        "messaging.operation.type": "create",
        "messaging.destination.name": event.TOPIC,
        "continuum.event.type": event.TYPE,
        "continuum.rule": rule_of(decision),
    }
    return tracing.mark(f"decide {type(event).__name__}", kind=tracing.Kind.PRODUCER, parent=parent, about=about)


def cause_of(decision: Decision) -> Cause:
    """The worker's own act, because of a fact; of imported history, part of that import at the time it had."""
    because = decision.because
    return Cause(
        agency=decision.agency,
        actor="system-monitoring",
        actor_role=Role.SYSTEM,
        actor_agency=decision.agency,
        origin=Origin.IMPORT if decision.history else Origin.SYSTEM,
        occurred_at=decision.occurred_at,
        recorded_at=because.recorded_at,
        import_id=because.import_id if decision.history else None,
        correlation_id=because.correlation_id,
        causation_id=because.id,
        policy_version=decision.policy_version,
        traceparent=because.traceparent,
    )
