"""Turns a case's rows into dated acts, as the mapping says; what can't be done where it stands is a fault of its row."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID, uuid5

from continuum.acts import Act, CasePlan, Json
from continuum.eventlog.catalogue import About, Who
from continuum.eventlog.course import Course
from continuum.eventlog.mapping import Mapping, Step
from continuum.eventlog.table import Fault, Problem, Row

_NAMESPACE = UUID("0d4f6bd5-8f3b-5b0e-9a83-0f1f4f6f1c11")
_ENDS_A_REFERRAL: Final = frozenset({"decline-referral", "complete-referral", "fail-referral", "withdraw-referral"})
_ENDS_A_STEP: Final = frozenset({"finish-step", "skip-step"})


def import_id(digest: str) -> UUID:
    """The id of the import of a file by a mapping: the same one for the same input."""
    return uuid5(_NAMESPACE, f"import {digest}")


def plan_case(rows: list[Row], mapping: Mapping, file: str) -> CasePlan | list[Fault]:
    """The acts of a case, by time; or what is wrong with its rows."""
    return _Writer(rows=rows, mapping=mapping, file=file).plan()


@dataclass(slots=True)
class _Referral:
    """One that is not over: who was asked, and whether it accepted."""

    name: str
    agency: str
    accepted: bool = False
    begun: bool = False


class _Impossible(Exception):
    """The row can't be done where it stands."""

    def __init__(self, column: str, problem: Problem) -> None:
        super().__init__(column, problem.name)
        self.column, self.problem = column, problem


@dataclass(kw_only=True, slots=True)
class _Writer:
    rows: list[Row]
    mapping: Mapping
    file: str
    lead: str = ""
    worker: str = ""
    joined: set[str] = field(default_factory=set)
    referrals: list[_Referral] = field(default_factory=list)
    steps: list[UUID] = field(default_factory=list)
    said: Counter[str] = field(default_factory=Counter)
    course: Course = field(default_factory=Course)

    def plan(self) -> CasePlan | list[Fault]:
        acts: list[Act] = []
        faults: list[Fault] = []
        for row, step in self._steps():
            if faults and faults[-1].line == row.line:
                continue  # one fault of a row is enough
            try:
                acts.extend(self._do(row, step))
            except _Impossible as error:
                faults.append(Fault(row.line, error.column, error.problem))
                if error.problem is Problem.NOT_RECEIVED:
                    break
        return faults or CasePlan(handle=self._handle, lead=self.lead, acts=tuple(acts))

    def _steps(self) -> Iterator[tuple[Row, Step]]:
        first = self.rows[0]
        steps = self.mapping.steps_of(first.activity) or ()
        if steps[0].do != "receive-case":
            yield from ((first, step) for step in self.mapping.begin)
        for row in self.rows:
            yield from ((row, step) for step in self.mapping.steps_of(row.activity) or ())

    @property
    def _handle(self) -> UUID:
        return uuid5(_NAMESPACE, f"{self.mapping.region} {self.rows[0].case}")

    def _do(self, row: Row, step: Step) -> Iterator[Act]:
        self._must_be_possible(row, step)
        agency = self.lead if step.by == "lead" and self.lead else row.agency
        if self.course.says_nothing_new(step):
            return
        if (found := self.course.problem(row, step, agency)) is not None:
            raise _Impossible(*found)
        yield from self._done(row, step, agency)
        self.course.go(step)

    def _done(self, row: Row, step: Step, agency: str) -> Iterator[Act]:
        match step.do:
            case "receive-case":
                body = step.body | {"region": self.mapping.region, "reference": row.case}
                yield self._act(row, step, row.agency, body, makes="case")
                self.lead = row.agency
                self.joined.add(row.agency)
            case "offer-referral":
                asked = str(step.body.get("agency") or row.agency)
                offering = agency if asked != agency and agency in self.joined else self.lead
                name = f"referral {self.said['offer-referral']}"
                yield self._act(row, step, offering, step.body | {"agency": asked}, makes=name)
                self.referrals.append(_Referral(name, asked))
            case "accept-referral":
                yield from self._accept(row, step, agency)
            case "accept-lead":
                yield self._act(row, step, agency, step.body, about="case")
                self.lead, self.worker = agency, ""
                self.joined.add(agency)
            case "assign-worker" if row.actor and row.actor == self.worker:
                pass  # who has the case already isn't given it again
            case "begin-service" if (found := self._found(About.SERVICE, agency)) is not None and found.begun:
                pass  # it has begun already
            case _:
                yield self._act(row, step, agency, self._body(row, step), about=self._about(row, step, agency))

    def _must_be_possible(self, row: Row, step: Step) -> None:
        """Raises _Impossible for what its service would refuse."""
        if (step.do == "receive-case") == bool(self.lead):
            raise _Impossible("activity", Problem.RECEIVED_TWICE if self.lead else Problem.NOT_RECEIVED)
        if step.by == "lead" or step.do == "receive-case":
            return
        if step.kind.who is Who.LEAD and row.agency != self.lead:
            raise _Impossible("agency", Problem.NOT_THE_LEAD)
        asks = step.do == "offer-referral" and not step.body.get("agency")
        if step.kind.who is Who.PARTY and row.agency not in self.joined and not asks:
            raise _Impossible("agency", Problem.NO_PART)

    def _accept(self, row: Row, step: Step, agency: str) -> Iterator[Act]:
        """An agency that does something of its own later joins the case first: what it then does waits for that to be known."""
        name = self._about(row, step, agency)
        if agency not in self.joined:
            if any(later.at >= row.at and later.agency == agency and self._acts_alone(later) for later in self.rows):
                invited: dict[str, Json] = {"agency": agency, "role": "PROVIDER"}
                yield self._extra(row, "invite-agency", self.lead, invited)
                yield self._extra(row, "join-case", agency, {})
            self.joined.add(agency)
        yield self._act(row, step, agency, step.body, about=name)
        next(one for one in self.referrals if one.name == name).accepted = True

    def _acts_alone(self, row: Row) -> bool:
        return any(step.kind.who is Who.PARTY and step.by == "row" for step in self.mapping.steps_of(row.activity) or ())

    def _about(self, row: Row, step: Step, agency: str) -> str | None:
        """Our word for what the step changes; what it ends is over."""
        about = step.kind.about
        if about in (About.CASE, About.STEP):
            return "case"
        if about is About.NOTHING:
            return None
        found = self._found(about, agency)
        if found is None:
            raise _Impossible("activity", _MISSING[about])
        found.begun = found.begun or step.do == "begin-service"
        if step.do in _ENDS_A_REFERRAL:
            self.referrals.remove(found)
        return found.name

    def _found(self, about: About, agency: str) -> _Referral | None:
        if about is About.OFFER:
            return next((one for one in self.referrals if one.agency == agency and not one.accepted), None)
        if about is About.REFERRAL:
            return self.referrals[-1] if self.referrals else None
        accepted = [one for one in reversed(self.referrals) if one.accepted]
        own = (one for one in accepted if one.agency == agency)
        return next(own, accepted[0] if accepted and agency == self.lead else None)

    def _body(self, row: Row, step: Step) -> dict[str, Json]:
        """What the mapping says, and what the row does."""
        body: dict[str, Json] = dict(step.body)
        due = step.kind.due
        if due is not None and row.due is not None:
            body[due] = row.due.isoformat()
        elif step.kind.is_due_needed():
            raise _Impossible("due", Problem.NO_DUE)
        if step.do == "assign-worker":
            if row.actor is None:
                raise _Impossible("actor", Problem.NO_ACTOR)
            self.worker = row.actor
            body["worker_id"] = str(uuid5(_NAMESPACE, f"worker {self.mapping.region} {row.agency} {row.actor}"))
        elif step.do == "plan-step":
            self.steps.append(uuid5(self._handle, f"step {row.at.isoformat()} {self.said[f'plan-step {row.agency} {row.at.isoformat()}']}"))
            body |= {"step_id": str(self.steps[-1]), "agency": str(step.body.get("agency") or row.agency)}
        elif step.kind.about is About.STEP:
            if not self.steps:
                raise _Impossible("activity", Problem.NO_STEP)
            body["step_id"] = str(self.steps[0])
            if step.do in _ENDS_A_STEP:
                self.steps.pop(0)
        elif step.do == "close-case":
            self.steps.clear()
            self.referrals = [one for one in self.referrals if one.accepted]
        return body

    def _act(self, row: Row, step: Step, agency: str, body: dict[str, Json], *, about: str | None = None, makes: str | None = None) -> Act:
        return self._told(row, step.do, step.kind.service, agency, body, about=about, makes=makes)

    def _extra(self, row: Row, command: str, agency: str, body: dict[str, Json]) -> Act:
        return self._told(row, command, "intake", agency, body, about="case", makes=None)

    def _told(
        self, row: Row, command: str, service: str, agency: str, body: dict[str, Json], *, about: str | None, makes: str | None
    ) -> Act:
        """Its key is made of what happened, so that a file in which lines were added says the others again. A case is received once, by
        whichever row: what is received otherwise than before is refused, and no second case."""
        fact = "the case" if makes == "case" else f"{command} {agency} {row.at.isoformat()}"
        self.said[command] += 1
        self.said[fact] += 1
        return Act(
            key=uuid5(self._handle, f"{fact} {self.said[fact]}"),
            service=service,
            command=command,
            about=about,
            makes=makes,
            agency=agency,
            occurred_at=row.at,
            entered_at=row.at,
            body=body,
            spot=f"{self.file}:{row.line}",
        )


_MISSING: Final = {About.OFFER: Problem.NO_OFFER, About.SERVICE: Problem.NO_SERVICE, About.REFERRAL: Problem.NO_REFERRAL}
