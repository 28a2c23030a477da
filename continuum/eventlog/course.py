"""How far a case has come by a row of its log: what its services would refuse there is known before anything is sent.

A case of which an act is refused is not taken whole, and its clocks wait: so nothing that can be known beforehand is left to that.
tests/contract/test_dry_run.py holds it and the services together.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from continuum.eventlog.mapping import Step
from continuum.eventlog.table import Problem, Row

LONGEST_REST = timedelta(days=30)


class Stage(StrEnum):
    """Of the case: intake's until it is opened, then planning's."""

    RECEIVED = "RECEIVED"
    TRIAGED = "TRIAGED"
    PLANNING = "PLANNING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    CLOSED = "CLOSED"
    LEFT = "LEFT"  # declined or redirected


_BEFORE = (Stage.RECEIVED, Stage.TRIAGED)
_WORKED_ON = (Stage.PLANNING, Stage.ACTIVE, Stage.SUSPENDED)
_PLANNED = (Stage.PLANNING, Stage.ACTIVE)
_OPENED = (*_WORKED_ON, Stage.CLOSED)
_ALLOWED: Final[dict[str, tuple[Stage, ...]]] = {
    "triage-case": _BEFORE,
    "open-case": (Stage.TRIAGED,),
    "decline-case": _BEFORE,
    "redirect-case": _BEFORE,
    "assign-worker": (*_BEFORE, *_OPENED),
    "propose-lead": (*_BEFORE, *_OPENED),
    "change-priority": _OPENED,
    "submit-assessment": _PLANNED,
    "set-goal": _PLANNED,
    "plan-step": _PLANNED,
    "agree-plan": (Stage.PLANNING,),
    "finish-step": _WORKED_ON,
    "skip-step": _WORKED_ON,
    "suspend-case": (Stage.ACTIVE,),
    "resume-case": (Stage.SUSPENDED,),
    "close-case": _WORKED_ON,
    "reopen-case": (Stage.CLOSED,),
}
_AFTER: Final = {
    "triage-case": Stage.TRIAGED,
    "open-case": Stage.PLANNING,
    "decline-case": Stage.LEFT,
    "redirect-case": Stage.LEFT,
    "agree-plan": Stage.ACTIVE,
    "suspend-case": Stage.SUSPENDED,
    "resume-case": Stage.ACTIVE,
    "close-case": Stage.CLOSED,
    "reopen-case": Stage.PLANNING,
}
_FIXES: Final = {
    Stage.RECEIVED: Problem.NOT_TRIAGED,
    Stage.TRIAGED: Problem.NOT_OPENED,
    Stage.PLANNING: Problem.NOT_AGREED,
    Stage.ACTIVE: Problem.IS_ACTIVE,
    Stage.SUSPENDED: Problem.RESTS,
    Stage.CLOSED: Problem.CLOSED,
    Stage.LEFT: Problem.LEFT,
}


@dataclass(slots=True)
class Course:
    """The stage of one case, and what else its services ask before they do something. `steps` are the plan's, without those that were
    skipped or ended with the case; `open_steps` those that are not over."""

    stage: Stage = Stage.RECEIVED
    priority: object = None
    proposed: object = None
    goals: int = 0
    steps: int = 0
    open_steps: int = 0

    def says_nothing_new(self, step: Step) -> bool:
        """Whether it is so already: that isn't told again."""
        return step.do == "change-priority" and self.stage in _OPENED and step.body.get("priority") == self.priority

    def problem(self, row: Row, step: Step, agency: str) -> tuple[str, Problem] | None:
        """Why it can't be done here: the column, and what to do."""
        if self.stage not in _ALLOWED.get(step.do, tuple(Stage)):
            return "activity", _FIXES[self.stage]
        if step.do == "agree-plan" and not (self.goals and self.steps):
            return "activity", Problem.NO_PLAN
        if step.do == "suspend-case" and row.due and not row.at.date() < row.due <= row.at.date() + LONGEST_REST:
            return "due", Problem.LONG_REST
        if step.do == "propose-lead" and (self.proposed or step.body.get("to_agency") == agency):
            return "activity", Problem.PROPOSED
        if step.do in ("accept-lead", "reject-lead") and self.proposed != agency:
            return "activity", Problem.NOT_PROPOSED
        return None

    def go(self, step: Step) -> None:
        """It was done."""
        self.stage = _AFTER.get(step.do, self.stage)
        self.goals += step.do == "set-goal"
        match step.do:
            case "plan-step":
                self.steps, self.open_steps = self.steps + 1, self.open_steps + 1
            case "finish-step":
                self.open_steps -= 1
            case "skip-step":
                self.steps, self.open_steps = self.steps - 1, self.open_steps - 1
            case "close-case":
                self.steps, self.open_steps = self.steps - self.open_steps, 0
            case "triage-case" | "change-priority":
                self.priority = step.body.get("priority")
            case "propose-lead":
                self.proposed = step.body.get("to_agency")
            case "accept-lead" | "reject-lead":
                self.proposed = None
