"""An alert as those who act on it see it: raised, acknowledged, climbing, and ended by an act, by late evidence, or with its subject."""

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
    Rung,
    StallCause,
    StallExplained,
    WaitedParty,
)
from casebus.errors import Conflict, Fix, Invalid
from services.monitoring.domain.directory import OF_A_REGION

STALL = "STALLED_CASE"
LONGEST_WAIT = timedelta(days=30)


class AlertState(StrEnum):
    """domain.md, Alert. RAISED and ACKNOWLEDGED are open."""

    RAISED = "RAISED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    RESOLVED = "RESOLVED"
    AUTO_CLEARED = "AUTO_CLEARED"


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

    @property
    def is_open(self) -> bool:
        return self.state in (AlertState.RAISED, AlertState.ACKNOWLEDGED)

    @property
    def answerable(self) -> frozenset[str]:
        """The agencies that may act on it whatever their part in the case: the responsible one, and the one whose turn it is."""
        if self.rung in OF_A_REGION:
            return frozenset({self.agency})
        return frozenset(each for each in (self.agency, self.target_agency, self.also_agency) if each)

    def acknowledge(self) -> tuple["Alert", AlertAcknowledged]:
        """Somebody has seen it: it climbs one window later. Once on each rung."""
        self._must_be_open()
        if self.acknowledged_on is self.rung:
            raise Conflict("It is acknowledged on this rung already: act on it, or resolve it with what was done.")
        seen = replace(self, version=self.version + 1, state=AlertState.ACKNOWLEDGED, acknowledged_on=self.rung)
        return seen, AlertAcknowledged(case_id=self.case_id, alert_id=self.id, rule=self.rule)

    def resolve(self) -> tuple["Alert", AlertResolved]:
        """Somebody acted: it climbs no further."""
        self._must_be_open()
        return replace(self, version=self.version + 1, state=AlertState.RESOLVED), self._acted()

    def _acted(self) -> AlertResolved:
        return AlertResolved(case_id=self.case_id, alert_id=self.id, rule=self.rule, cause=AlertCause.ACTED)

    def explain(
        self, cause: StallCause, party: WaitedParty | None, until_on: date | None, today: date
    ) -> tuple["Alert", StallExplained, AlertResolved]:
        """A stall asks its cause: the answer ends the alert, and begins a new time in which there has to be progress. It waits once."""
        self._must_be_open()
        if self.rule != STALL:
            raise Conflict(f"Only {STALL} asks for a cause.")
        if until_on is not None and self.has_waited:
            raise Conflict("It has waited once since the last progress: another way is needed.")
        if until_on is not None and not today < until_on <= today + LONGEST_WAIT:
            raise Invalid("A case waits for a while only.", Fix("until_on", "a day to come, within 30 days"))
        said = StallExplained(case_id=self.case_id, alert_id=self.id, cause=cause, party=party, until_on=until_on)
        return replace(self, version=self.version + 1, state=AlertState.RESOLVED), said, self._acted()

    def climb(self, step: AlertEscalated) -> "Alert":
        return replace(
            self,
            version=self.version + 1,
            rung=step.rung,
            target_agency=step.target_agency,
            also_agency=step.also_agency,
            targets=step.targets,
            escalations=self.escalations + 1,
            state=AlertState.RAISED,
        )

    def close(self, state: AlertState) -> "Alert":
        return replace(self, version=self.version + 1, state=state)

    def _must_be_open(self) -> None:
        if not self.is_open:
            raise Conflict(f"The alert is {self.state}: there is nothing left to do about it.")


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
        policy_version=policy_version,
        decided_below=watermark,
        also_agency=event.also_agency,
        targets=event.targets,
    )
