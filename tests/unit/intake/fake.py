"""An intake desk in memory, and its case at each stage."""

from uuid import UUID

from casebus.aggregate import Holds
from casebus.cause import Cause
from casebus.contracts.intake import AgencyKind, CaseSource, Nature, Priority
from casebus.event import Event
from casebus.testing import MemoryShelf, MemoryWork, cause
from services.intake import commands as asked
from services.intake import handlers
from services.intake.domain import Case

CASE = UUID("8e55b0a8-9072-5635-ae6b-7bde7d539d83")
LEAD, PARTNER = "city-hospital", "north-shelter"


class FakeWork(MemoryWork):
    """Intake's work without a database."""

    def __init__(self, because: Cause | None = None) -> None:
        super().__init__(because or cause(LEAD))
        self.cases: Holds[Case] = MemoryShelf()
        self._references: set[tuple[str, str]] = set()

    def claim_reference(self, agency: str, reference: str, case_id: UUID) -> bool:
        is_new = (agency, reference) not in self._references
        self._references.add((agency, reference))
        return is_new

    def case(self, case_id: UUID = CASE) -> Case:
        case = self.cases.get(case_id)
        assert case is not None
        return case

    def acting_as(self, agency: str) -> "FakeWork":
        """The same desk; the next command is of this agency."""
        self.cause = cause(agency)
        return self

    def said(self) -> list[Event]:
        """What was emitted since it was last asked."""
        events, self.emitted = self.emitted, []
        return events


def received(work: FakeWork | None = None) -> FakeWork:
    work = work or FakeWork()
    command = asked.ReceiveCase(region="north", source=CaseSource.AGENCY, agency_kind=AgencyKind.HOSPITAL)
    handlers.receive_case(CASE, command, work)
    work.said()
    return work


def triaged() -> FakeWork:
    work = received()
    handlers.triage_case(CASE, asked.TriageCase(priority=Priority.HIGH, nature=Nature.HOUSING), work)
    work.said()
    return work


def opened() -> FakeWork:
    work = triaged()
    handlers.open_case(CASE, asked.OpenCase(), work)
    work.said()
    return work
