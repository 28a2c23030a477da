"""A case in which anything may happen, for tests that ask whether it matters when one looks."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from casebus.contracts.intake import (
    CaseTriaged,
    ConsentGiven,
    ConsentPurpose,
    ConsentSuperseded,
    ConsentWithdrawn,
    EmergencyAccessGranted,
    EmergencyAccessReviewed,
    LeadHandoverProposed,
    Nature,
    Priority,
    PriorityChanged,
    PriorityReason,
    ReviewResult,
    WorkerAssigned,
)
from casebus.contracts.monitoring import (
    AlertAcknowledged,
    AlertRaised,
    AlertSuppressed,
    AlertTaken,
    Approach,
    CancelReason,
    Capacity,
    ContactResult,
    FollowUpCancelled,
    FollowUpRescheduled,
    ResistanceReviewed,
    StallCause,
    StallExplained,
    SuppressReason,
)
from casebus.contracts.planning import (
    AssessmentApproved,
    AssessmentKind,
    AssessmentSubmitted,
    CaseOutcome,
    CaseResumed,
    CaseSuspended,
    ClosureProposed,
    ClosureWithdrawn,
    Domain,
    NeedAddressed,
    NeedClass,
    NeedIdentified,
    NeedJudged,
    NeedResult,
    NeedUnaddressed,
    PlanAgreed,
    StepDone,
    StepKind,
    StepPlanned,
    StepResult,
    SuspendReason,
)
from casebus.contracts.referral import (
    DeclineReason,
    NoProviderLeft,
    ReferralCompleted,
    ReferralDeclined,
    ReferralOutcome,
    ReferralWithdrawn,
    ServiceAssured,
    ServiceBegun,
    ServiceListed,
    ServiceRetired,
    ServiceTerm,
    WithdrawReason,
)
from tests.unit.monitoring.story import CASE, EVERYTHING, IMPORT, LEAD, PARTNER, REGION, Story, day, some


class Life:
    """A case in which anything may happen: each act is one that the services would record."""

    def __init__(self, draw: st.DrawFn, story: Story, now: float) -> None:
        self.draw, self.story, self.now = draw, story, now
        self.follow_ups = self.offers = 0
        self.closed = False

    @property
    def at(self) -> datetime:
        return day(self.now)

    def earlier(self) -> datetime | None:
        """When it took place, where it is told late."""
        back = self.draw(st.sampled_from([None, 1, 6, 20]))
        return None if back is None else day(max(0.1, self.now - back))

    def one(self) -> str:
        return f"follow-up {self.draw(st.integers(0, self.follow_ups))}"

    def offered(self) -> str:
        return f"offer {self.draw(st.integers(0, self.offers))}"

    def schedule(self) -> None:
        self.follow_ups += 1
        self.story.follow_up(f"follow-up {self.follow_ups}", due=self.at + timedelta(days=self.draw(st.integers(0, 20))), at=self.at)

    def visit(self) -> None:
        self.story.contact(self.one(), self.at, occurred=self.earlier())

    def move(self) -> None:
        due = self.at + timedelta(days=self.draw(st.integers(-3, 20)))
        self.story.tell(FollowUpRescheduled(case_id=CASE, follow_up_id=some(self.one()), due_at=due), self.at)

    def cancel(self) -> None:
        self.story.tell(FollowUpCancelled(case_id=CASE, follow_up_id=some(self.one()), reason=CancelReason.OTHER), self.at)

    def offer(self) -> None:
        self.offers += 1
        step = some("step") if self.draw(st.booleans()) else None
        self.story.offer(f"offer {self.offers}", self.at, step=step)

    def accept(self) -> None:
        self.story.accept(self.offered(), self.at)

    def complete(self) -> None:
        event = ReferralCompleted(
            case_id=CASE, referral_id=some(self.offered()), agency=PARTNER, step_id=None, outcome=ReferralOutcome.OTHER
        )
        self.story.tell(event, self.at, occurred=self.earlier())

    def withdraw(self) -> None:
        event = ReferralWithdrawn(case_id=CASE, referral_id=some(self.offered()), agency=PARTNER, reason=WithdrawReason.OTHER)
        self.story.tell(event, self.at)

    def agree(self) -> None:
        self.story.tell(PlanAgreed(case_id=CASE, plan_version=1, goals=1, steps=1), self.at)

    def plan(self) -> None:
        day_due = self.draw(st.sampled_from([None, 2, 9]))
        due_on = None if day_due is None else day(self.now + day_due).date()
        event = StepPlanned(case_id=CASE, step_id=some("step"), kind=StepKind.DIRECT, agency=LEAD, due_on=due_on)
        self.story.tell(event, self.at)

    def finish(self) -> None:
        self.story.tell(StepDone(case_id=CASE, step_id=some("step"), result=StepResult.ACHIEVED), self.at, occurred=self.earlier())

    def decline(self) -> None:
        one = some(self.offered())
        event = ReferralDeclined(case_id=CASE, referral_id=one, agency=PARTNER, reason=DeclineReason.NO_CAPACITY)
        self.story.tell(event, self.at)

    def run_out(self) -> None:
        self.story.tell(NoProviderLeft(case_id=CASE, step_id=some("step"), service_type="shelter"), self.at)

    def propose(self) -> None:
        self.story.tell(LeadHandoverProposed(case_id=CASE, from_agency=LEAD, to_agency=PARTNER), self.at)

    def triage(self) -> None:
        self.story.tell(
            CaseTriaged(case_id=CASE, priority=self.draw(st.sampled_from(Priority)), nature=Nature.HOUSING, crisis=False), self.at
        )

    def seek(self) -> None:
        self.story.contact(None, self.at, result=ContactResult.NOT_REACHED, occurred=self.earlier())

    def assign(self) -> None:
        self.story.tell(WorkerAssigned(case_id=CASE, agency=LEAD, worker_id=some("worker")), self.at)

    def begin(self) -> None:
        self.story.tell(ServiceBegun(case_id=CASE, referral_id=some(self.offered()), agency=PARTNER), self.at, occurred=self.earlier())

    def assess(self) -> None:
        kinds = (AssessmentSubmitted, AssessmentApproved)
        kind = self.draw(st.sampled_from(kinds))
        self.story.tell(kind(case_id=CASE, assessment_id=some("assessment"), kind=AssessmentKind.FULL), self.at)

    def explain(self) -> None:
        until = self.draw(st.sampled_from([None, 1, 9]))
        until_on = None if until is None else day(self.now + until).date()
        event = StallExplained(case_id=CASE, alert_id=some("alert"), cause=StallCause.OTHER, until_on=until_on)
        self.story.tell(event, self.at)

    def turn_away(self) -> None:
        event = StallExplained(case_id=CASE, alert_id=some("alert"), cause=StallCause.CLIENT_DISENGAGED)
        self.story.tell(event, self.at, occurred=self.earlier())

    def review_resistance(self) -> None:
        capacity = self.draw(st.sampled_from(Capacity))
        self.story.tell(ResistanceReviewed(case_id=CASE, capacity=capacity, approach=Approach.OTHER), self.at, occurred=self.earlier())

    def state(self) -> None:
        """The clock worker looks, and says what it decided."""
        self.story.state(self.at)

    def act_on_an_alert(self) -> None:
        raised = [fact.event for fact in self.story.facts if isinstance(fact.event, AlertRaised)]
        if not raised:
            return
        about = self.draw(st.sampled_from(raised))
        of: dict[str, Any] = {"case_id": CASE, "alert_id": about.alert_id, "rule": about.rule}
        until = self.at + timedelta(days=self.draw(st.sampled_from([0.1, 3, 20])))
        acts = (
            AlertAcknowledged(**of),
            AlertTaken(**of, worker="worker-1", until_at=until),
            AlertSuppressed(**of, reason=SuppressReason.OTHER, until_at=until),
        )
        self.story.tell(self.draw(st.sampled_from(acts)), self.at)

    def rest(self) -> None:
        review_on = day(self.now + self.draw(st.integers(1, 30))).date()
        event = CaseSuspended(case_id=CASE, reason=SuspendReason.OTHER, review_on=review_on)
        self.story.tell(event, self.at, occurred=self.earlier())

    def go_on(self) -> None:
        self.story.tell(CaseResumed(case_id=CASE), self.at, occurred=self.earlier())

    def change(self) -> None:
        event = PriorityChanged(case_id=CASE, priority=self.draw(st.sampled_from(Priority)), reason=PriorityReason.OTHER)
        self.story.tell(event, self.at)

    def propose_closing(self) -> None:
        closes_from = day(self.now + self.draw(st.sampled_from([0, 14]))).date()
        event = ClosureProposed(case_id=CASE, outcome=CaseOutcome.GOALS_REACHED, closes_from=closes_from, blockers=())
        self.story.tell(event, self.at)

    def keep_open(self) -> None:
        self.story.tell(ClosureWithdrawn(case_id=CASE), self.at)

    def need(self) -> None:
        agency = self.draw(st.sampled_from([None, PARTNER]))
        need = self.draw(st.sampled_from(["need", "other need"]))
        event = NeedIdentified(case_id=CASE, need_id=some(need), domain=Domain.HOUSING, need_class=NeedClass.SURVIVAL, agency=agency)
        self.story.tell(event, self.at, occurred=self.earlier())

    def address(self) -> None:
        self.story.tell(NeedAddressed(case_id=CASE, need_id=some("need"), step_id=some("step")), self.at, occurred=self.earlier())

    def leave_need(self) -> None:
        self.story.tell(NeedUnaddressed(case_id=CASE, need_id=some("need"), agency=None), self.at)

    def judge_need(self) -> None:
        event = NeedJudged(case_id=CASE, need_id=some("need"), result=self.draw(st.sampled_from(NeedResult)), referred_to=None)
        self.story.tell(event, self.at)

    def consent(self) -> None:
        until_on = day(self.now + self.draw(st.sampled_from([1, 15, 40]))).date()
        event = ConsentGiven(
            case_id=CASE,
            consent_id=some("consent"),
            purpose=ConsentPurpose.REFERRAL,
            recipient=PARTNER,
            from_on=self.at.date(),
            until_on=until_on,
        )
        self.story.tell(event, self.at, occurred=self.earlier())

    def consent_anew(self) -> None:
        self.story.tell(ConsentSuperseded(case_id=CASE, consent_id=some("consent"), successor=some("consent 2")), self.at)

    def withdraw_consent(self) -> None:
        self.story.tell(ConsentWithdrawn(case_id=CASE, consent_id=some("consent")), self.at, occurred=self.earlier())

    def list_service(self) -> None:
        """The case of the story is an entry too: what concerns one must leave the other alone."""
        term = self.draw(st.sampled_from(ServiceTerm))
        self.story.tell(ServiceListed(case_id=CASE, agency=PARTNER, region=REGION, service_type="shelter", term=term), self.at)

    def assure_service(self) -> None:
        self.story.tell(ServiceAssured(case_id=CASE, term=ServiceTerm.EMERGENCY), self.at, occurred=self.earlier())

    def retire_service(self) -> None:
        self.story.tell(ServiceRetired(case_id=CASE), self.at)

    def break_in(self) -> None:
        until = self.at + timedelta(hours=3)
        event = EmergencyAccessGranted(case_id=CASE, access_id=some("access"), agency=PARTNER, actor="actor-2", until=until)
        self.story.tell(event, self.at)

    def review_access(self) -> None:
        self.story.tell(EmergencyAccessReviewed(case_id=CASE, access_id=some("access"), result=ReviewResult.OTHER), self.at)

    def turn(self) -> None:
        if self.closed:
            self.story.reopen(self.at)
        else:
            self.story.close(self.at, occurred=self.earlier())
        self.closed = not self.closed

    def hand_over(self) -> None:
        self.story.hand_over(self.at, to=self.draw(st.sampled_from([PARTNER, LEAD])))


ACTS = (
    Life.schedule,
    Life.visit,
    Life.move,
    Life.cancel,
    Life.offer,
    Life.accept,
    Life.complete,
    Life.withdraw,
    Life.agree,
    Life.plan,
    Life.finish,
    Life.decline,
    Life.run_out,
    Life.propose,
    Life.triage,
    Life.seek,
    Life.assign,
    Life.begin,
    Life.assess,
    Life.explain,
    Life.turn_away,
    Life.turn_away,
    Life.review_resistance,
    Life.rest,
    Life.go_on,
    Life.change,
    Life.propose_closing,
    Life.keep_open,
    Life.need,
    Life.address,
    Life.leave_need,
    Life.judge_need,
    Life.consent,
    Life.consent_anew,
    Life.withdraw_consent,
    Life.list_service,
    Life.assure_service,
    Life.retire_service,
    Life.break_in,
    Life.review_access,
    Life.turn,
    Life.hand_over,
    Life.state,
    Life.state,
    Life.act_on_an_alert,
    Life.act_on_an_alert,
)


@st.composite
def stories(draw: st.DrawFn) -> tuple[Story, datetime]:
    """A case in which anything happens, perhaps begun by an import; and the end of what is known of it."""
    life = Life(draw, _imported(draw), 3) if draw(st.booleans()) else Life(draw, Story(policy=EVERYTHING), 0)
    for act in draw(st.lists(st.sampled_from(ACTS), max_size=14)):
        life.now += draw(st.sampled_from([0.5, 2, 5, 13, 40]))
        act(life)
    return life.story, day(life.now + 60)


def _imported(draw: st.DrawFn) -> Story:
    """Received, opened and followed up long ago, imported on days 1 to 3."""
    story = Story(opened=False, policy=EVERYTHING)
    story.begin_import(day(1), "intake", "monitoring")
    story.receive(day(1.1))
    due = day(draw(st.integers(-90, 10)))
    story.follow_up("follow-up 0", due=due, at=day(1.2), occurred=day(-100), import_id=IMPORT)
    for number in range(draw(st.integers(0, 2))):
        story.contact("follow-up 0", day(1.3 + number / 10), occurred=day(-80 + 40 * number), import_id=IMPORT)
    if draw(st.booleans()):
        story.close(day(1.6), occurred=day(-20), import_id=IMPORT)
        story.reopen(day(1.7))
    story.complete_import("intake", day(2))
    story.complete_import("monitoring", day(2.5))
    return story
