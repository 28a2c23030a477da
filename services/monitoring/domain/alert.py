"""An alert as those who act on it see it: raised, acknowledged, in work, put off, climbing, and ended by an act, by late evidence, or with
its subject."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from casebus.contracts.monitoring import (
    AlertAcknowledged,
    AlertCause,
    AlertEscalated,
    AlertRaised,
    AlertResolved,
    AlertReturned,
    AlertSuppressed,
    AlertTaken,
    Approach,
    Resistance,
    Rung,
    StallCause,
    StallExplained,
    SuppressReason,
    WaitedParty,
    WorkDone,
)
from casebus.errors import Conflict, Fix, Invalid
from services.monitoring.domain.directory import OF_A_REGION

STALL = "STALLED_CASE"
LONGEST_WAIT = timedelta(days=30)
REVIEWS: Mapping[str, str] = {
    "RESISTANCE_UNREVIEWED": "a supervisor or the coordinator records it in monitoring: POST /api/cases/{id}/resistance/review",
    "EMERGENCY_ACCESS_UNREVIEWED": "who didn't have the access records it in intake: POST /api/cases/{id}/emergency-access/review",
}
"""The rules whose duty is that another person looks at what was done, and how that is recorded. Nothing else resolves their alerts."""


class AlertState(StrEnum):
    """domain.md, Alert. All but the last two are open."""

    RAISED = "RAISED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    IN_WORK = "IN_WORK"
    SUPPRESSED = "SUPPRESSED"
    RESOLVED = "RESOLVED"
    AUTO_CLEARED = "AUTO_CLEARED"


HELD = (AlertState.IN_WORK, AlertState.SUPPRESSED)
"""The states that have an end: after that the alert is RAISED again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """`agency` is responsible; `target_agency` with `rung` says whose turn it is. `raised_at` is the system time at its decision."""

    id: UUID
    version: int = 1
    case_id: UUID
    region: str
    rule: str
    subject_id: UUID
    agency: str
    rung: Rung
    target_agency: str
    due_at: datetime
    raised_at: datetime
    state: AlertState = AlertState.RAISED
    escalations: int = 0
    acknowledged_on: Rung | None = None
    policy_version: str = ""
    has_waited: bool = False
    """Of a stall: the case waited for somebody since the last progress, and that is over."""
    decided_below: datetime | None = None
    """The watermark by which it was decided: what was recorded below it was known. None of alerts that are older than this field."""
    also_agency: str | None = None
    targets: tuple[str, ...] = ()
    """Who is told on this rung, as opaque ids; nobody by id where the directory lists nobody there."""
    told_at: datetime | None = None
    """Since when it is the turn of this rung. None of alerts that are older than this field."""
    taken_on: Rung | None = None
    worker: str | None = None
    """Who works on it, as an opaque id."""
    until: datetime | None = None
    """While it is in work or put off: by when, until when."""
    snoozes: int = 0

    @property
    def is_open(self) -> bool:
        return self.state not in (AlertState.RESOLVED, AlertState.AUTO_CLEARED)

    @property
    def answerable(self) -> frozenset[str]:
        """The agencies that may act on it whatever their part in the case: the responsible one, and the one whose turn it is."""
        if self.rung in OF_A_REGION:
            return frozenset({self.agency})
        return frozenset(each for each in (self.agency, self.target_agency, self.also_agency) if each)

    def acknowledge(self) -> tuple["Alert", AlertAcknowledged]:
        """Somebody has seen it: it climbs one window later. Once on each rung."""
        self._must_be_open()
        if self.state is AlertState.IN_WORK:
            raise Conflict("It is in work, and so it was seen: resolve it with what was done.")
        if self.acknowledged_on is self.rung:
            raise Conflict("It is acknowledged on this rung already: act on it, or resolve it with what was done.")
        seen = replace(self._next(AlertState.ACKNOWLEDGED), acknowledged_on=self.rung)
        return seen, AlertAcknowledged(case_id=self.case_id, alert_id=self.id, rule=self.rule)

    def take(self, worker: str, until: datetime | None, longest: datetime) -> tuple["Alert", AlertTaken]:
        """Somebody works on it, by when is said; without that, as long as it may be. Once on each rung; the ladder waits until then."""
        self._must_be_open()
        if self.taken_on is self.rung:
            raise Conflict("It was taken in work on this rung already: resolve it with what was done.")
        by = longest if until is None else until
        if by > longest:
            raise Invalid("The ladder waits no longer than its window.", Fix("until_at", f"{_written(longest)} at the latest, or nothing"))
        taken = replace(self._next(AlertState.IN_WORK), taken_on=self.rung, worker=worker, until=by)
        return taken, AlertTaken(case_id=self.case_id, alert_id=self.id, rule=self.rule, worker=worker, until_at=by)

    def suppress(self, reason: SuppressReason, until: datetime, *, times: int, longest: datetime) -> tuple["Alert", AlertSuppressed]:
        """Put off for a reason and a while, as often and as long as the policy allows: `longest` is now where that is never."""
        self._must_be_open()
        if self.state is AlertState.SUPPRESSED:
            raise Conflict("It is put off already.")
        if self.snoozes >= times:
            raise Conflict("It can't be put off any more: act on it, or resolve it with what was done.")
        if until > longest:
            raise Invalid("An alert is put off for a while only.", Fix("until_at", f"{_written(longest)} at the latest"))
        put_off = replace(self._next(AlertState.SUPPRESSED), until=until, snoozes=self.snoozes + 1)
        return put_off, AlertSuppressed(case_id=self.case_id, alert_id=self.id, rule=self.rule, reason=reason, until_at=until)

    def come_back(self, said: AlertReturned) -> "Alert | None":
        """As before it was in work or put off; None where somebody did something else with it meanwhile."""
        return self._next(AlertState.RAISED) if self.state in HELD and self.until == said.until_at else None

    def resolve(self, done: WorkDone | None = None) -> tuple["Alert", AlertResolved]:
        """Somebody acted, and says what was done: it climbs no further. Raises Conflict where only a review ends it."""
        self._must_be_open()
        if self.rule in REVIEWS:
            raise Conflict(f"Only the review ends it, and by itself: {REVIEWS[self.rule]}.")
        return self._next(AlertState.RESOLVED), self._acted(done)

    def _acted(self, done: WorkDone | None = None) -> AlertResolved:
        return AlertResolved(case_id=self.case_id, alert_id=self.id, rule=self.rule, cause=AlertCause.ACTED, done=done)

    def explain(
        self,
        cause: StallCause,
        today: date,
        *,
        party: WaitedParty | None = None,
        until_on: date | None = None,
        resistance: Resistance | None = None,
        approach: Approach | None = None,
    ) -> tuple["Alert", StallExplained, AlertResolved]:
        """A stall asks its cause: the answer ends the alert, and begins a new time in which there has to be progress. It waits once."""
        self._must_be_open()
        if self.rule != STALL:
            raise Conflict(f"Only {STALL} asks for a cause.")
        if until_on is not None and self.has_waited:
            raise Conflict("It has waited once since the last progress: another way is needed.")
        if until_on is not None and not today < until_on <= today + LONGEST_WAIT:
            raise Invalid("A case waits for a while only.", Fix("until_on", "a day to come, within 30 days"))
        said = StallExplained(
            case_id=self.case_id,
            alert_id=self.id,
            cause=cause,
            party=party,
            until_on=until_on,
            resistance=resistance,
            approach=approach,
        )
        return self._next(AlertState.RESOLVED), said, self._acted()

    def climb(self, step: AlertEscalated, at: datetime) -> "Alert":
        """Told to the next rung, then."""
        return replace(
            self._next(AlertState.RAISED),
            told_at=at,
            rung=step.rung,
            target_agency=step.target_agency,
            also_agency=step.also_agency,
            targets=step.targets,
            escalations=self.escalations + 1,
        )

    def close(self, state: AlertState) -> "Alert":
        return self._next(state)

    def _next(self, state: AlertState) -> "Alert":
        """In another state: what held it before is over."""
        return replace(self, version=self.version + 1, state=state, worker=None, until=None)

    def _must_be_open(self) -> None:
        if not self.is_open:
            raise Conflict(f"The alert is {self.state}: there is nothing left to do about it.")


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def raised(event: AlertRaised, *, region: str, at: datetime, policy_version: str, watermark: datetime | None = None) -> Alert:
    """The alert that this event raises."""
    return Alert(
        id=event.alert_id,
        case_id=event.case_id,
        region=region,
        rule=event.rule,
        subject_id=event.subject_id,
        agency=event.agency,
        rung=event.rung,
        target_agency=event.target_agency,
        due_at=event.due_at,
        raised_at=at,
        told_at=at,
        policy_version=policy_version,
        decided_below=watermark,
        also_agency=event.also_agency,
        targets=event.targets,
    )
