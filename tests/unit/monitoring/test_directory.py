"""Whom an alert tells: who is there and was not told below; always somebody who may act (checks 10, 11 and 12 of the domain)."""

from datetime import datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from casebus.access import Act, Standing, authorise
from casebus.cause import Cause
from casebus.contracts.intake import Priority, WorkerAssigned
from casebus.contracts.monitoring import AbsenceNoted, AlertAcknowledged, AlertEscalated, AlertRaised, Function, PersonListed, Rung
from casebus.envelope import Role
from services.monitoring.domain.alert import Alert, raised
from services.monitoring.domain.decision import decide
from services.monitoring.domain.directory import Directory, Said
from services.monitoring.domain.fact import History
from services.monitoring.domain.policy import RUNGS, Policy
from services.monitoring.domain.regime import always
from services.monitoring.people import entry_of
from services.monitoring.rules import RULES
from tests.policies import watching
from tests.unit.monitoring.story import CASE, LEAD, PARTNER, REGION, WRITTEN, Story, day, some

WINDOWS = {"WORKER": "2d", "SUPERVISOR": "3d", "MANAGER": "3d", "COORDINATOR": {"CRITICAL": "3d"}}
POLICY: Policy = TypeAdapter(Policy).validate_python(
    watching(WRITTEN | {"ladder": WINDOWS}, "STALLED_CASE", "REFERRAL_UNANSWERED", "MISSED_FOLLOW_UP")
)
OFFICE = "regional-office"
AGENCY = {Function.COORDINATOR: OFFICE, Function.DUTY_AUTHORITY: OFFICE}


def listed(person: str, *functions: Function, agency: str | None = None, team: str | None = None, deputy: str | None = None) -> Said:
    place = agency or next((AGENCY[function] for function in functions if function in AGENCY), LEAD)
    return PersonListed(
        entry_id=entry_of(person), person=person, agency=place, region=REGION, functions=functions, team=team, deputy=deputy
    )


def away(person: str, first: float, last: float) -> Said:
    return AbsenceNoted(entry_id=entry_of(person), begins_at=day(first), ends_at=day(last))


def directory(*said: Said) -> Directory:
    return Directory.of((day(-9), one) for one in said)


WHOLE = (
    listed("worker-1", Function.WORKER),
    listed("supervisor-1", Function.SUPERVISOR),
    listed("manager-1", Function.MANAGER),
    listed("coordinator-1", Function.COORDINATOR),
    listed("authority-1", Function.DUTY_AUTHORITY),
)


class Climb:
    """A case of a priority that stalls on day 30 and is looked at every half day."""

    def __init__(self, known: Directory, *, priority: Priority = Priority.CRITICAL, story: Story | None = None) -> None:
        self.known, self.story = known, story or Story(priority=priority)
        self.told: list[AlertRaised | AlertEscalated] = []

    def until(self, last: float, *, first: float = 30.5, acknowledged: float | None = None) -> "Climb":
        now = first
        while now <= last:
            if acknowledged is not None and now >= acknowledged and self.told:
                event = AlertAcknowledged(case_id=CASE, alert_id=self.told[0].alert_id, rule=self.told[0].rule)
                self.story.tell(event, day(now - 0.1))
                acknowledged = None
            self.look(day(now))
            now += 0.5
        return self

    def look(self, watermark: datetime) -> None:
        history = History.below(CASE, self.story.facts, watermark)
        found = decide(history, watermark, always(lambda *_: POLICY), RULES, self.known)[0]
        ids = {(type(one).__name__, one.rung) for one in self.told}
        for one in (one.event for one in found):
            if isinstance(one, AlertRaised | AlertEscalated) and (type(one).__name__, one.rung) not in ids:
                self.story.tell(one, watermark)
                self.told.append(one)

    def people(self) -> list[tuple[Rung, tuple[str, ...]]]:
        return [(one.rung, tuple(one.targets)) for one in self.told]


def test_it_climbs_from_the_worker_to_the_duty_authority() -> None:
    assert Climb(directory(*WHOLE)).until(50).people() == [
        (Rung.WORKER, ("worker-1",)),
        (Rung.SUPERVISOR, ("supervisor-1",)),
        (Rung.MANAGER, ("manager-1",)),
        (Rung.COORDINATOR, ("coordinator-1",)),
        (Rung.DUTY_AUTHORITY, ("authority-1",)),
    ]


def test_only_what_is_critical_comes_to_the_duty_authority() -> None:
    assert Climb(directory(*WHOLE), priority=Priority.HIGH).until(60).people()[-1] == (Rung.COORDINATOR, ("coordinator-1",))


def test_an_absent_supervisor_is_skipped() -> None:
    told = Climb(directory(*WHOLE, away("supervisor-1", 30, 40))).until(35).people()
    assert told == [(Rung.WORKER, ("worker-1",)), (Rung.MANAGER, ("manager-1",))]


def test_one_who_is_back_is_told() -> None:
    told = Climb(directory(*WHOLE, away("supervisor-1", 10, 32))).until(33).people()
    assert told[-1] == (Rung.SUPERVISOR, ("supervisor-1",))


def test_a_deputy_stands_in_and_after_her_the_team() -> None:
    second = listed("supervisor-2", Function.OTHER, team="ward")
    third = listed("supervisor-3", Function.SUPERVISOR, team="ward")
    absent = listed("supervisor-1", Function.SUPERVISOR, team="ward", deputy="supervisor-2")
    others = [one for one in WHOLE if one.entry_id != absent.entry_id]
    there = directory(*others, absent, second, away("supervisor-1", 0, 99))
    assert Climb(there).until(33).people()[-1] == (Rung.SUPERVISOR, ("supervisor-2",))
    gone = directory(*others, absent, second, third, away("supervisor-1", 0, 99), away("supervisor-2", 0, 99))
    assert Climb(gone).until(33).people()[-1] == (Rung.SUPERVISOR, ("supervisor-3",))


def test_deputies_of_each_other_who_are_both_away_leave_the_rung_vacant() -> None:
    both = (listed("a", Function.SUPERVISOR, deputy="b"), listed("b", Function.SUPERVISOR, deputy="a"))
    known = directory(WHOLE[0], *both, *WHOLE[2:], away("a", 0, 99), away("b", 0, 99))
    assert Climb(known).until(33).people()[-1][0] is Rung.MANAGER


def test_nobody_is_told_twice() -> None:
    known = directory(listed("one", Function.WORKER, Function.SUPERVISOR), *WHOLE[2:])
    assert [rung for rung, _ in Climb(known).until(34).people()] == [Rung.WORKER, Rung.MANAGER]


def test_the_worker_is_who_last_worked_on_the_case() -> None:
    known = directory(listed("actor-1", Function.WORKER), listed("actor-2", Function.WORKER), *WHOLE[1:])
    assert Climb(known).until(31).people() == [(Rung.WORKER, ("actor-1",))]


def test_whoever_was_given_the_case_goes_before_who_last_worked_on_it() -> None:
    known = directory(listed("actor-1", Function.WORKER), listed(str(some("worker")), Function.WORKER), *WHOLE[1:])
    story = Story(priority=Priority.CRITICAL)
    story.tell(WorkerAssigned(case_id=CASE, agency=LEAD, worker_id=some("worker")), day(1))
    assert Climb(known, story=story).until(31).people() == [(Rung.WORKER, (str(some("worker")),))]


def test_both_agencies_managers_are_told_where_two_share_the_duty() -> None:
    partners = [listed(f"{function.lower()}-2", function, agency=PARTNER) for function in (Function.WORKER, Function.MANAGER)]
    story = Story(priority=Priority.CRITICAL)
    story.offer("one", day(1))
    known = directory(*WHOLE, *partners)
    climb = Climb(known, story=story).until(9, first=4)
    assert climb.people()[-1] == (Rung.MANAGER, ("manager-2", "manager-1"))
    assert (climb.told[-1].target_agency, climb.told[-1].also_agency) == (PARTNER, LEAD)


def test_where_the_directory_lists_nobody_places_are_told_as_a_whole() -> None:
    climb = Climb(Directory()).until(50)
    assert [(one.rung, one.target_agency, tuple(one.targets)) for one in climb.told] == [
        (rung, REGION if rung in (Rung.COORDINATOR, Rung.DUTY_AUTHORITY) else LEAD, ()) for rung in RUNGS
    ]


def test_where_nobody_is_there_the_duty_authority_is_told_at_once() -> None:
    gone = [away(one.person, 0, 99) for one in WHOLE if isinstance(one, PersonListed)]
    assert Climb(directory(*WHOLE, *gone), priority=Priority.LOW).until(50).people() == [(Rung.DUTY_AUTHORITY, ("authority-1",))]


def test_an_acknowledgement_holds_one_window_whoever_is_told() -> None:
    told = Climb(directory(*WHOLE)).until(33.5, acknowledged=32).people()
    assert told == [(Rung.WORKER, ("worker-1",))]
    assert Climb(directory(*WHOLE)).until(35, acknowledged=32).people()[-1][0] is Rung.SUPERVISOR


PERSONS = ("p1", "p2", "p3", "p4", "p5", "p6")
CHOICE = [one for one in Function if one is not Function.OTHER]


@st.composite
def directories(draw: st.DrawFn) -> Directory:
    """Anybody in any functions and agencies, with deputies, teams and absences, some of it said while the alert climbs."""
    said: list[tuple[datetime, Said]] = []
    for person in draw(st.lists(st.sampled_from(PERSONS), unique=True)):
        functions = tuple(draw(st.lists(st.sampled_from(CHOICE), unique=True, min_size=1, max_size=3)))
        entry = listed(
            person,
            *functions,
            agency=draw(st.sampled_from([LEAD, PARTNER, OFFICE])),
            team=draw(st.sampled_from([None, "ward"])),
            deputy=draw(st.sampled_from([None, *PERSONS])),
        )
        said.append((day(draw(st.sampled_from([-9, 32.2, 37.2]))), entry))
        for first in draw(st.lists(st.integers(20, 45), max_size=2)):
            said.append((day(draw(st.sampled_from([-9, 31.2]))), away(person, first, first + draw(st.integers(1, 15)))))
    return Directory.of(said)


def may_act(alert: Alert, one: PersonListed, rung: Rung) -> bool:
    """By the function that decides it for the API."""
    of_region = rung in (Rung.COORDINATOR, Rung.DUTY_AUTHORITY)
    role = Role.COORDINATOR if of_region else Role.WORKER
    who: dict[str, Any] = {"agency": one.agency, "actor": one.person, "actor_role": role, "actor_agency": one.agency, "region": one.region}
    standing = Standing(case_id=CASE, region=REGION, lead=LEAD, active=frozenset({LEAD}) | alert.answerable)
    authorise(Cause(**who), Act.ALERT, standing)
    return True


@settings(max_examples=150, deadline=None)
@given(directories(), st.sampled_from(list(Priority)), st.booleans())
def test_every_alert_always_has_a_target_who_may_act_on_it(known: Directory, priority: Priority, shared: bool) -> None:  # noqa: FBT001  # drawn
    story = Story(priority=priority)
    if shared:
        story.offer("one", day(26))
    climb = Climb(known, story=story).until(48)
    entries = {said.person: said for _, said in known.said if isinstance(said, PersonListed)}
    assert climb.told
    alerts: dict[object, Alert] = {}
    for step in climb.told:
        if isinstance(step, AlertRaised):
            alerts[step.alert_id] = raised(step, region=REGION, at=day(30), policy_version="")
        else:
            alerts[step.alert_id] = alerts[step.alert_id].climb(step, day(31))
        assert step.target_agency
        assert all(may_act(alerts[step.alert_id], entries[person], step.rung) for person in step.targets)


@settings(max_examples=150, deadline=None)
@given(directories(), st.sampled_from(list(Priority)))
def test_nobody_is_told_twice_and_nobody_who_is_away_unless_as_the_last(known: Directory, priority: Priority) -> None:
    climb = Climb(known, priority=priority).until(48)
    told = [person for step in climb.told for person in step.targets]
    assert len(told) == len(set(told))
    rungs = [RUNGS.index(step.rung) for step in climb.told]
    assert rungs == sorted(set(rungs))
    for step, at in zip(climb.told, (fact.recorded_at for fact in climb.story.facts if fact.event in climb.told), strict=True):
        people = {one.person: one for one in known.at(at).listed}
        absent = [
            person
            for person in step.targets
            if person in people and all(known.at(moment).listed and is_away(known, person, moment) for moment in (at, back(at)))
        ]
        assert not absent or step.rung is Rung.DUTY_AUTHORITY


def back(at: datetime) -> datetime:
    """The look before: the moment of the step lies between the two."""
    return at - (day(0.5) - day(0))


def is_away(known: Directory, person: str, moment: datetime) -> bool:
    return any(one.person == person and one.is_away(moment) for one in known.at(moment).listed)


@settings(max_examples=80, deadline=None)
@given(directories(), st.integers(0, 40))
def test_a_time_in_which_nobody_looked_leaves_out_rungs_and_tells_the_highest(known: Directory, blind: int) -> None:
    """Check 10: raised once, each rung at most once, and after it the same rung as if somebody had looked."""
    seen = Climb(known).until(31)
    seen.until(31.5 + blind, first=31.5 + blind)
    always_seen = Climb(known).until(31.5 + blind)
    assert [one for one in seen.told if isinstance(one, AlertRaised)] == [one for one in always_seen.told if isinstance(one, AlertRaised)]
    assert len(seen.told) <= 2
    assert seen.told[-1] == always_seen.told[-1]
