"""The commands that an activity may stand for, what each is about, and what of its body the log says rather than the mapping."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from typing import Any, Final
from uuid import UUID

from casebus.command import Command
from services.intake import commands as intake
from services.monitoring import commands as monitoring
from services.planning import commands as planning
from services.referral import commands as referral


class About(StrEnum):
    """What a command addresses."""

    CASE = "CASE"
    OFFER = "OFFER"  # the oldest referral that was offered to the row's agency and is not answered
    SERVICE = "SERVICE"  # the newest referral that the row's agency has accepted
    REFERRAL = "REFERRAL"  # the newest referral that is not over
    STEP = "STEP"  # the oldest step of the plan that is not over
    NOTHING = "NOTHING"  # it adds something to the case


class Who(StrEnum):
    """Whose command it is."""

    LEAD = "LEAD"  # the case's lead's alone
    PARTY = "PARTY"  # of an agency that takes part
    ASKED = "ASKED"  # of an agency that was asked


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """`due`: the field that the row's column `due` fills. `filled`: what the importer fills in by itself."""

    service: str
    model: type[Command]
    about: About = About.CASE
    who: Who = Who.PARTY
    due: str | None = None
    filled: frozenset[str] = frozenset()

    def is_due_needed(self) -> bool:
        return self.due is not None and self.model.model_fields[self.due].is_required()

    def written(self, said: Mapping[str, object]) -> dict[str, Any]:
        """What a mapping says of the body, checked and as JSON. Raises ValidationError."""
        needed = self.unsaid() & self.model.model_fields.keys()
        whole = {name: value for name, value in _STAND_INS.items() if name in needed} | dict(said)
        return {name: value for name, value in self.model.model_validate(whole).model_dump(mode="json").items() if name in said}

    def unsaid(self) -> frozenset[str]:
        """The fields that a mapping never says."""
        return self.filled | {"on_behalf", "case_id"} | ({self.due} if self.due else set())


_ID, _DAY = UUID(int=0), date(2000, 1, 1)
_STAND_INS: Final = {
    "case_id": _ID,
    "worker_id": _ID,
    "step_id": _ID,
    "region": "somewhere",
    "due_on": _DAY,
    "review_on": _DAY,
}


@cache
def kinds() -> Mapping[str, Kind]:
    """By the command's name. Approving an assessment is not among them: it needs somebody else than who submitted it."""
    return {**_of_intake(), **_of_planning(), **_of_referral(), **_of_monitoring()}


def _of_intake() -> dict[str, Kind]:
    lead, asked = {"who": Who.LEAD}, {"who": Who.ASKED}
    return {
        "receive-case": _kind("intake", intake.ReceiveCase, who=Who.ASKED, filled=frozenset({"region", "reference", "imported", "import"})),
        "triage-case": _kind("intake", intake.TriageCase),
        "open-case": _kind("intake", intake.OpenCase),
        "change-priority": _kind("intake", intake.ChangePriority),
        "assign-worker": _kind("intake", intake.AssignWorker, filled=frozenset({"worker_id"}), **lead),
        "decline-case": _kind("intake", intake.DeclineCase),
        "redirect-case": _kind("intake", intake.RedirectCase),
        "propose-lead": _kind("intake", intake.ProposeLead, **lead),
        "accept-lead": _kind("intake", intake.AcceptLead, **asked),
        "reject-lead": _kind("intake", intake.RejectLead, **asked),
    }


def _of_planning() -> dict[str, Kind]:
    lead, step = {"who": Who.LEAD}, {"about": About.STEP, "filled": frozenset({"step_id"})}
    return {
        "submit-assessment": _kind("planning", planning.SubmitAssessment, filled=frozenset({"assessment_id"})),
        "set-goal": _kind("planning", planning.SetGoal, due="target_on", filled=frozenset({"goal_id"})),
        "plan-step": _kind("planning", planning.PlanStep, due="due_on", filled=frozenset({"step_id", "goal_id", "need_id", "candidates"})),
        "agree-plan": _kind("planning", planning.AgreePlan, **lead),
        "finish-step": _kind("planning", planning.FinishStep, **step),
        "skip-step": _kind("planning", planning.SkipStep, **step),
        "suspend-case": _kind("planning", planning.SuspendCase, due="review_on", **lead),
        "resume-case": _kind("planning", planning.ResumeCase, **lead),
        "close-case": _kind("planning", planning.CloseCase, **lead),
        "reopen-case": _kind("planning", planning.ReopenCase, **lead),
    }


def _of_referral() -> dict[str, Kind]:
    unsaid = frozenset({"service_id", "step_id", "candidates"})
    return {
        "offer-referral": _kind("referral", referral.OfferReferral, about=About.NOTHING, filled=unsaid),
        "accept-referral": _kind("referral", referral.AcceptReferral, about=About.OFFER, who=Who.ASKED),
        "decline-referral": _kind("referral", referral.DeclineReferral, about=About.OFFER, who=Who.ASKED),
        "begin-service": _kind("referral", referral.BeginService, about=About.SERVICE, who=Who.ASKED),
        "complete-referral": _kind("referral", referral.CompleteReferral, about=About.SERVICE, who=Who.ASKED),
        "fail-referral": _kind("referral", referral.FailReferral, about=About.SERVICE, who=Who.ASKED),
        "withdraw-referral": _kind("referral", referral.WithdrawReferral, about=About.REFERRAL),
    }


def _of_monitoring() -> dict[str, Kind]:
    return {
        "record-contact": _kind("monitoring", monitoring.RecordContact, about=About.NOTHING),
    }


def _kind(service: str, model: type[Command], **more: Any) -> Kind:
    return Kind(service=service, model=model, **more)
