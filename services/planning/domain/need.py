"""What the client needs, and what becomes of it (S20-S24; domain.md, Need)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from casebus.contracts import planning as said
from casebus.contracts.planning import Domain, NeedClass, NeedResult
from casebus.errors import Conflict


class NeedState(StrEnum):
    """Where a need stands."""

    IDENTIFIED = "IDENTIFIED"
    PRIORITISED = "PRIORITISED"
    ADDRESSED = "ADDRESSED"  # a step is there for it
    MET = "MET"
    PARTLY_MET = "PARTLY_MET"
    UNMET = "UNMET"
    WITHDRAWN = "WITHDRAWN"


OPEN = (NeedState.IDENTIFIED, NeedState.PRIORITISED, NeedState.ADDRESSED)
OVER = (NeedState.MET, NeedState.WITHDRAWN)
CLASSES = (NeedClass.SURVIVAL, NeedClass.DEVELOPMENT, NeedClass.OTHER)
"""What comes first where help is scarce (S22)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Weight:
    """How much a need presses, 0 to 4 each, as it was set with the client (S21)."""

    urgency: int
    severity: int
    wish: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """`agency` answers for it, where one does; else the lead. `referred_to`: who was asked for what is left of it. Each method returns the
    need as it is afterwards and the event that says so; it raises Conflict where the state doesn't allow it."""

    id: UUID
    domain: Domain
    need_class: NeedClass
    agency: str | None = None
    weight: Weight | None = None
    state: NeedState = NeedState.IDENTIFIED
    referred_to: str | None = None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def is_settled(self) -> bool:
        """Whether the case may be closed with it: met, not wanted any more, or unmet and referred (S62)."""
        return self.state in OVER or (not self.is_open and self.referred_to is not None)

    @property
    def rank(self) -> tuple[int, int, int, int]:
        """The first one comes first: by class, urgency, severity and wish (S21, S22)."""
        weight = self.weight or Weight(urgency=0, severity=0, wish=0)
        return CLASSES.index(self.need_class), -weight.urgency, -weight.severity, -weight.wish

    def prioritise(self, case_id: UUID, weight: Weight) -> tuple["Need", said.NeedPrioritised]:
        self._must_be_open()
        state = NeedState.PRIORITISED if self.state is NeedState.IDENTIFIED else self.state
        event = said.NeedPrioritised(case_id=case_id, need_id=self.id, urgency=weight.urgency, severity=weight.severity, wish=weight.wish)
        return replace(self, weight=weight, state=state), event

    def address(self, case_id: UUID, step_id: UUID) -> tuple["Need", said.NeedAddressed]:
        """A step is there for it; there may be several."""
        self._must_be_open()
        return replace(self, state=NeedState.ADDRESSED), said.NeedAddressed(case_id=case_id, need_id=self.id, step_id=step_id)

    def leave(self, case_id: UUID) -> tuple["Need", said.NeedUnaddressed]:
        """No step is there for it any more."""
        state = NeedState.IDENTIFIED if self.weight is None else NeedState.PRIORITISED
        return replace(self, state=state), said.NeedUnaddressed(case_id=case_id, need_id=self.id, agency=self.agency)

    def judge(self, case_id: UUID, result: NeedResult, referred_to: str | None) -> tuple["Need", said.NeedJudged]:
        """Until it is met or withdrawn it may be judged again."""
        if self.state in OVER:
            raise Conflict(f"The need is {self.state} already.")
        event = said.NeedJudged(case_id=case_id, need_id=self.id, result=result, referred_to=referred_to)
        return replace(self, state=NeedState(result), referred_to=referred_to), event

    def _must_be_open(self) -> None:
        if not self.is_open:
            raise Conflict(f"The need is {self.state}; it must be {' or '.join(OPEN)}.")


def replaced(needs: Iterable[Need], changed: Need) -> tuple[Need, ...]:
    return tuple(changed if each.id == changed.id else each for each in needs)
