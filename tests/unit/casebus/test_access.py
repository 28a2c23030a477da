"""Who may do what with a case."""

from uuid import uuid4

import pytest

from casebus.access import Act, Standing, authorise
from casebus.envelope import Role
from casebus.errors import Absent, Forbidden, Rejected
from casebus.testing import cause

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
