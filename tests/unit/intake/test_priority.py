"""An opened case becomes more or less urgent."""

import pytest

from casebus.contracts.intake import Priority, PriorityChanged, PriorityReason
from casebus.errors import Conflict
from services.intake import commands as asked
from services.intake import handlers
from tests.unit.intake.fake import CASE, FakeWork, opened, triaged


def change(work: FakeWork, priority: Priority) -> None:
    handlers.change_priority(CASE, asked.ChangePriority(priority=priority, reason=PriorityReason.CRISIS), work)


def test_its_priority_changes_with_the_reason() -> None:
    work = opened()
    change(work, Priority.CRITICAL)
    assert work.said()[-1] == PriorityChanged(case_id=CASE, priority=Priority.CRITICAL, reason=PriorityReason.CRISIS)
    with pytest.raises(Conflict, match="CRITICAL already"):
        change(work, Priority.CRITICAL)


def test_before_it_is_opened_its_triage_is_repeated_instead() -> None:
    with pytest.raises(Conflict, match="must be OPENED"):
        change(triaged(), Priority.LOW)
