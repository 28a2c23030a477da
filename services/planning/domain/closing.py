"""That a case is to be closed, and what stands against it (S58-S62; domain.md, Closure)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from casebus.contracts.planning import CaseOutcome, ClosureBlocker
from casebus.errors import Fix, Invalid

NOTICE = timedelta(days=14)
"""How long before the closing the client is told (S60)."""
WITHOUT_NOTICE = frozenset({CaseOutcome.DIED, CaseOutcome.MOVED})
BLOCKS: Mapping[ClosureBlocker, Fix] = {
    ClosureBlocker.OPEN_STEP: Fix("steps", "finish or skip each step that is open, one in referral too"),
    ClosureBlocker.UNMET_NEED: Fix("needs", "judge each need: MET, WITHDRAWN, or what is left of it referred_to an agency"),
}
"""What to do about each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Closing:
    """Proposed by `proposed_by` with this outcome; the client was told on that day."""

    outcome: CaseOutcome
    told_on: date | None
    proposed_by: str

    @property
    def closes_from(self) -> date | None:
        """The first day on which the case may be closed, where the client has to be told."""
        return None if self.told_on is None or self.outcome in WITHOUT_NOTICE else self.told_on + NOTICE

    def must_be_told(self, today: date) -> None:
        """Raises Invalid where the client would learn of it too late, or was told on a day to come."""
        if self.told_on is None and self.outcome not in WITHOUT_NOTICE:
            raise Invalid("The client is told before.", Fix("told_on", "the day on which the client was told; not for DIED and MOVED"))
        if self.told_on is not None and self.told_on > today:
            raise Invalid("That day lies in the future.", Fix("told_on", "a day that has come"))

    def against(self, outcome: CaseOutcome, by: str, today: date) -> Iterator[Fix]:
        """What forbids this person to close it today with this outcome."""
        if outcome is not self.outcome:
            yield Fix("outcome", "the one that was proposed; to change it, withdraw the proposal and propose again")
        if by == self.proposed_by:
            yield Fix("actor", "somebody else than who proposed it")
        if self.closes_from is not None and today < self.closes_from:
            yield Fix("told_on", f"wait until {self.closes_from.isoformat()}: the client is told {NOTICE.days} days before")
