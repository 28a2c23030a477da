"""The dry run of an event log knows what intake and planning would refuse: from every state that a case can come to, each command of a
mapping is given to their handlers and to the importer's own account of the case (continuum/eventlog/course.py), and both say the same.

Who may do it is not in it: the importer asks that elsewhere, the services at their desks.
"""

from collections import deque
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import uuid5

from casebus.contracts.intake import CaseOpened
from casebus.envelope import Role
from casebus.errors import Rejected
from casebus.testing import NOON, cause
from continuum.eventlog.catalogue import kinds
from continuum.eventlog.course import LONGEST_REST, Course, Stage
from continuum.eventlog.mapping import Step
from continuum.eventlog.table import Row
from services.intake import api as intake
from services.intake.domain import Case, CaseState
from services.planning import api as planning
from services.planning import handlers as planned
from services.planning.domain.plan import Plan
from tests.unit.intake.fake import CASE, LEAD, PARTNER, received
from tests.unit.intake.fake import FakeWork as Intake
from tests.unit.planning.fake import FakeWork as Planning

SPECS = intake.specs() | planning.specs()
TODAY = NOON.date()
BODIES: dict[str, list[dict[str, Any]]] = {
    "triage-case": [{"priority": "HIGH", "nature": "HOUSING"}],
    "open-case": [{}],
    "change-priority": [{"priority": "HIGH", "reason": "OTHER"}, {"priority": "LOW", "reason": "OTHER"}],
    "assign-worker": [{}],
    "decline-case": [{"reason": "DUPLICATE"}],
    "redirect-case": [{"target_agency": PARTNER, "reason": "OUT_OF_SCOPE"}],
    "propose-lead": [{"to_agency": PARTNER}],
    "accept-lead": [{}],
    "reject-lead": [{}],
    "submit-assessment": [{"kind": "FULL"}],
    "set-goal": [{"horizon": "SHORT", "domain": "HOUSING"}],
    "plan-step": [{"kind": "DIRECT"}],
    "agree-plan": [{}],
    "finish-step": [{"result": "ACHIEVED"}],
    "skip-step": [{"reason": "OTHER"}],
    "suspend-case": [{"reason": "OTHER"}],
    "resume-case": [{}],
    "close-case": [{"outcome": "GOALS_REACHED"}],
    "reopen-case": [{"reason": "NEW_NEED"}],
}
DAYS = (TODAY, TODAY + timedelta(days=1), TODAY + LONGEST_REST, TODAY + LONGEST_REST + timedelta(days=1))
"""Of review, of a case that is to rest."""
ENOUGH = {"plan-step": 2, "set-goal": 1}
"""More of these make no state that is new."""


@dataclass(frozen=True)
class State:
    """A case as the importer accounts for it, and as its services have it."""

    course: Course
    case: Case
    plan: Plan | None = None
    way: tuple[str, ...] = ()

    @property
    def alike(self) -> object:
        """What of it can matter to what is done next."""
        steps = self.plan and (self.plan.state, len(self.plan.goals), sorted(step.state for step in self.plan.steps))
        return repr((self.course, self.case.state, self.case.priority, self.case.lead, self.case.proposed_lead, steps))

    @property
    def stage(self) -> Stage:
        """As the services have it."""
        if self.plan is not None:
            return Stage(self.plan.state)
        left = self.case.state in (CaseState.DECLINED, CaseState.REDIRECTED)
        return Stage.LEFT if left else Stage(self.case.state)

    def has_enough(self, command: str) -> bool:
        there = {"plan-step": self.plan.steps, "set-goal": self.plan.goals} if self.plan else {}
        return command in there and len(there[command]) >= ENOUGH[command]

    def done(self, step: Step, agency: str, due: date | None) -> "State | None":
        """What the services make of it; None where they refuse."""
        at_intake, at_planning = Intake(cause(agency, role=Role.INTEGRATOR)), Planning(cause(LEAD, role=Role.INTEGRATOR))
        at_intake.cases.put(self.case)
        if self.plan is not None:
            at_planning.plans.put(self.plan)
        command = step.kind.model.model_validate(step.body | self._filled(step, due))
        try:
            SPECS[step.do].handler(CASE, command, at_intake if step.kind.service == "intake" else at_planning)
        except Rejected:
            return None
        for event in at_intake.said():
            if isinstance(event, CaseOpened):
                planned.draft_plan(event, at_planning)
        course = copy(self.course)
        course.go(step)
        return State(course, at_intake.case(), at_planning.plans.get(CASE), (*self.way, step.do))

    def _filled(self, step: Step, due: date | None) -> dict[str, Any]:
        """What the importer says of the body."""
        steps = [each.id for each in self.plan.steps if each.is_open] if self.plan else []
        filled = {"worker_id": uuid5(CASE, f"worker {len(self.way)}"), "step_id": (*steps, CASE)[0], "review_on": due}
        return {name: value for name, value in filled.items() if name in step.kind.model.model_fields and step.do != "plan-step"}


def tries(state: State) -> Iterator[tuple[Step, str, date | None]]:
    """Each command, by who would do it."""
    for command, bodies in BODIES.items():
        for body in bodies:
            step = Step.model_validate({"do": command, "with": body})
            agency = PARTNER if command in ("accept-lead", "reject-lead") else state.case.lead
            for due in DAYS if command == "suspend-case" else (None,):
                yield step, agency, due


def has_nothing_to_do(state: State, step: Step) -> bool:
    """No step is open that it could be about: of that the importer keeps account itself."""
    return step.do in ("finish-step", "skip-step") and not any(each.is_open for each in (state.plan.steps if state.plan else ()))


def test_every_command_of_a_mapping_that_has_a_state_is_tried() -> None:
    stateful = {name for name, kind in kinds().items() if kind.service in ("intake", "planning")}
    assert stateful - {"receive-case"} == BODIES.keys()


def test_the_dry_run_refuses_what_the_services_refuse_and_nothing_else() -> None:
    first = State(Course(), received().case())
    waiting, known = deque([first]), {first.alike}
    stages: set[Stage] = set()
    while waiting:
        state = waiting.popleft()
        assert state.course.stage is state.stage, state.way
        stages.add(state.stage)
        for step, agency, due in tries(state):
            if has_nothing_to_do(state, step):
                continue
            row = Row(2, "c1", step.do, NOON, agency, due=due)
            says_no = state.course.says_nothing_new(step) or state.course.problem(row, step, agency) is not None
            after = state.done(step, agency, due)
            assert says_no == (after is None), f"after {' · '.join(state.way)}: {step.do} {due or ''}"
            if after is not None and not state.has_enough(step.do) and after.alike not in known:
                known.add(after.alike)
                waiting.append(after)
    assert stages == set(Stage)
