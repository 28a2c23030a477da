"""An opened case becomes more or less urgent; a worker of its lead has it."""

from uuid import UUID

import pytest

from casebus.contracts.intake import Priority, PriorityChanged, PriorityReason, WorkerAssigned
from casebus.errors import Conflict
from services.intake import commands as asked
from services.intake import handlers
from tests.unit.intake.fake import CASE, LEAD, PARTNER, FakeWork, opened, triaged


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


def test_a_worker_of_the_lead_has_it_until_the_lead_is_handed_over() -> None:
    work = opened()
    handlers.assign_worker(CASE, asked.AssignWorker(worker_id=UUID(int=7)), work)
    assert work.said()[-1] == WorkerAssigned(case_id=CASE, agency=LEAD, worker_id=UUID(int=7))
    with pytest.raises(Conflict, match="already"):
        handlers.assign_worker(CASE, asked.AssignWorker(worker_id=UUID(int=7)), work)
    handlers.propose_lead(CASE, asked.ProposeLead(to_agency=PARTNER), work)
    handlers.accept_lead(CASE, asked.AcceptLead(), work.acting_as(PARTNER))
    assert work.case().worker is None
