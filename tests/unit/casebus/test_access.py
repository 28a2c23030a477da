"""Who may do what with a case."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from casebus.access import Act, Emergency, Standing, authorise
from casebus.envelope import Role
from casebus.errors import Absent, Forbidden, Rejected
from casebus.testing import NOON, cause

STANDING = Standing(case_id=uuid4(), region="north", lead="lead", active=frozenset({"lead", "partner"}), asked=frozenset({"asked"}))
YES, FORBIDDEN, ABSENT = None, Forbidden, Absent


@pytest.mark.parametrize(
    ("agency", "role", "region", "answers"),
    [
        # READ, COMMAND, LEAD, ANSWER, ALERT
        ("lead", Role.WORKER, "north", (YES, YES, YES, FORBIDDEN, YES)),
        ("partner", Role.WORKER, "north", (YES, YES, FORBIDDEN, FORBIDDEN, YES)),
        ("partner", Role.SUPERVISOR, "north", (YES, YES, FORBIDDEN, FORBIDDEN, YES)),
        ("asked", Role.WORKER, "north", (YES, FORBIDDEN, FORBIDDEN, YES, FORBIDDEN)),
        ("office", Role.COORDINATOR, "north", (YES, FORBIDDEN, FORBIDDEN, FORBIDDEN, YES)),
        ("office", Role.COORDINATOR, "south", (ABSENT,) * 5),
        ("office", Role.SUPERVISOR, "north", (ABSENT,) * 5),
        ("stranger", Role.WORKER, "north", (ABSENT,) * 5),
        ("stranger", Role.OPERATOR, "north", (ABSENT,) * 5),
    ],
)
def test_what_each_may_do(agency: str, role: Role, region: str, answers: tuple[type[Rejected] | None, ...]) -> None:
    who = cause(agency, role=role, region=region)
    for act, wrong in zip((Act.READ, Act.COMMAND, Act.LEAD, Act.ANSWER, Act.ALERT), answers, strict=True):
        if wrong is None:
            authorise(who, act, STANDING)
        else:
            with pytest.raises(wrong):
                authorise(who, act, STANDING)


def test_a_case_nobody_knows_is_absent_for_everybody_and_may_be_begun() -> None:
    for act in Act:
        if act is not Act.BEGIN:
            with pytest.raises(Absent):
                authorise(cause("lead"), act, None)
    authorise(cause("anybody"), Act.BEGIN, None)


def test_a_lead_that_left_leads_no_more() -> None:
    left = Standing(case_id=uuid4(), region="north", lead="lead", active=frozenset({"partner"}))
    with pytest.raises(Absent):
        authorise(cause("lead"), Act.LEAD, left)


OPENED = replace(STANDING, emergencies=(Emergency(agency="night-shelter", actor="actor-1", until=NOON + timedelta(hours=3)),), now=NOON)


def test_an_emergency_opens_the_case_for_one_person_to_read_and_for_nothing_else() -> None:
    who = cause("night-shelter")
    authorise(who, Act.READ, OPENED)
    for act in (Act.COMMAND, Act.LEAD, Act.ANSWER, Act.ALERT, Act.REVIEW):
        with pytest.raises(Forbidden):
            authorise(who, act, OPENED)
    for other in (replace(who, actor="actor-2"), cause("day-shelter")):
        with pytest.raises(Absent):
            authorise(other, Act.READ, OPENED)


@pytest.mark.parametrize("now", [NOON + timedelta(hours=3), None], ids=["its time is over", "the time is not known"])
def test_an_emergency_ends_by_itself(now: datetime | None) -> None:
    with pytest.raises(Absent):
        authorise(cause("night-shelter"), Act.READ, replace(OPENED, now=now))


def test_who_works_in_the_region_may_call_an_emergency() -> None:
    for role in (Role.WORKER, Role.SUPERVISOR):
        authorise(cause("night-shelter", role=role), Act.EMERGENCY, STANDING)
    for other in (cause("night-shelter", region="south"), cause("night-shelter", role=Role.INTEGRATOR), cause("x", role=Role.OPERATOR)):
        with pytest.raises(Absent):
            authorise(other, Act.EMERGENCY, STANDING)
