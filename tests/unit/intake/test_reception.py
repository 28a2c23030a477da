"""A case arrives, is triaged, and is opened, declined or redirected."""

from collections.abc import Callable
from uuid import UUID

import pytest

from casebus.contracts.intake import (
    AgencyKind,
    CaseDeclined,
    CaseImportBegun,
    CaseImported,
    CaseOpened,
    CaseReceived,
    CaseRedirected,
    CaseSource,
    CaseTriaged,
    DeclineReason,
    Nature,
    Priority,
)
from casebus.envelope import Origin
from casebus.errors import Absent, Conflict, Invalid
from casebus.testing import NOON, cause
from services.intake import commands as asked
from services.intake import handlers
from services.intake.domain import Case, CaseState
from tests.unit.intake.fake import CASE, LEAD, PARTNER, FakeWork, opened, received, triaged

IMPORT, OTHER_IMPORT, OTHER_CASE = UUID(int=5), UUID(int=6), UUID(int=7)
OWNERS = ("intake", "planning")


def receipt(reference: str | None = None, owners: tuple[str, ...] = ()) -> asked.ReceiveCase:
    body = {"region": "north", "source": "CLIENT", "agency_kind": "HOSPITAL", "reference": reference}
    return asked.ReceiveCase.model_validate(body | ({"import": {"owners": owners}} if owners else {}))


def importing() -> FakeWork:
    return FakeWork(cause(LEAD, origin=Origin.IMPORT, occurred_at=NOON, import_id=IMPORT))


def test_a_received_case_is_led_by_the_agency_that_received_it() -> None:
    work = FakeWork()
    case = handlers.receive_case(CASE, receipt(), work)
    expected = CaseReceived(
        case_id=CASE, agency=LEAD, region="north", source=CaseSource.CLIENT, agency_kind=AgencyKind.HOSPITAL, referring_agency=None
    )
    assert work.emitted == [expected]
    assert (case.state, case.version, case.lead_epoch) == (CaseState.RECEIVED, 1, 1)
    assert case.standing().active == {LEAD}


def test_an_agency_uses_a_reference_once_and_another_agency_may_use_the_same() -> None:
    work = FakeWork()
    handlers.receive_case(CASE, receipt("A-1"), work)
    with pytest.raises(Conflict):
        handlers.receive_case(OTHER_CASE, receipt("A-1"), work)
    handlers.receive_case(OTHER_CASE, receipt("A-1"), work.acting_as(PARTNER))
    assert [event.subject for event in work.emitted] == [CASE, OTHER_CASE]


def test_a_case_that_is_refused_leaves_its_reference_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a batch the others are saved, and what a refused command wrote by itself with them."""

    def refuse(*_: object) -> None:
        raise Conflict("for whatever reason")

    work = importing()
    with monkeypatch.context() as refusing:
        refusing.setattr(Case, "begin_import", refuse)
        with pytest.raises(Conflict):
            handlers.receive_case(CASE, receipt("A-1", OWNERS), work)
    assert work.emitted == []
    assert handlers.receive_case(OTHER_CASE, receipt("A-1", OWNERS), work).id == OTHER_CASE


def test_the_first_event_of_an_imported_case_names_its_import_and_who_takes_part() -> None:
    work = importing()
    handlers.receive_case(CASE, receipt(owners=OWNERS), work)
    assert work.emitted[0] == CaseImportBegun(case_id=CASE, import_id=IMPORT, owners=OWNERS)
    assert isinstance(work.emitted[1], CaseReceived)
    assert len(work.emitted) == 2


@pytest.mark.parametrize(("work", "owners"), [(importing(), ()), (FakeWork(), OWNERS)])
def test_an_import_names_its_services_and_only_an_import_does(work: FakeWork, owners: tuple[str, ...]) -> None:
    with pytest.raises(Invalid) as refused:
        handlers.receive_case(CASE, receipt(owners=owners), work)
    assert [fix.field for fix in refused.value.fixes] == ["import.owners"]
    assert work.emitted == []


def test_a_case_is_opened_with_the_priority_of_its_triage() -> None:
    work = received()
    handlers.triage_case(CASE, asked.TriageCase(priority=Priority.CRITICAL, nature=Nature.SAFETY, crisis=True), work)
    handlers.open_case(CASE, asked.OpenCase(under_way=True), work)
    assert work.emitted == [
        CaseTriaged(case_id=CASE, priority=Priority.CRITICAL, nature=Nature.SAFETY, crisis=True),
        CaseOpened(case_id=CASE, agency=LEAD, region="north", priority=Priority.CRITICAL, under_way=True),
    ]
    assert (work.case().state, work.case().version) == (CaseState.OPENED, 3)


def test_a_case_may_be_triaged_again_until_it_is_opened() -> None:
    work = triaged()
    handlers.triage_case(CASE, asked.TriageCase(priority=Priority.LOW, nature=Nature.INCOME), work)
    assert work.case().priority is Priority.LOW
    handlers.open_case(CASE, asked.OpenCase(), work)
    with pytest.raises(Conflict):
        handlers.triage_case(CASE, asked.TriageCase(priority=Priority.HIGH, nature=Nature.INCOME), work)


def test_a_case_is_not_opened_before_triage() -> None:
    with pytest.raises(Conflict):
        handlers.open_case(CASE, asked.OpenCase(), received())


@pytest.mark.parametrize("make", [received, triaged])
def test_a_case_that_is_not_taken_on_says_why(make: Callable[[], FakeWork]) -> None:
    work = make()
    handlers.decline_case(CASE, asked.DeclineCase(reason=DeclineReason.OUT_OF_SCOPE), work)
    assert work.said() == [CaseDeclined(case_id=CASE, reason=DeclineReason.OUT_OF_SCOPE)]
    with pytest.raises(Conflict):
        handlers.open_case(CASE, asked.OpenCase(), work)


@pytest.mark.parametrize("make", [received, triaged])
def test_a_case_is_redirected_to_an_agency_that_fits_better(make: Callable[[], FakeWork]) -> None:
    work = make()
    handlers.redirect_case(CASE, asked.RedirectCase(target_agency=PARTNER, reason=DeclineReason.NO_CAPACITY), work)
    assert work.said() == [CaseRedirected(case_id=CASE, target_agency=PARTNER, reason=DeclineReason.NO_CAPACITY)]
    assert work.case().state is CaseState.REDIRECTED


def test_an_opened_case_is_neither_declined_nor_redirected() -> None:
    with pytest.raises(Conflict):
        handlers.decline_case(CASE, asked.DeclineCase(reason=DeclineReason.DUPLICATE), opened())
    with pytest.raises(Conflict):
        handlers.redirect_case(CASE, asked.RedirectCase(target_agency=PARTNER, reason=DeclineReason.OTHER), opened())


def test_a_case_that_is_not_here_is_absent() -> None:
    with pytest.raises(Absent):
        handlers.open_case(CASE, asked.OpenCase(), FakeWork())


def test_an_import_takes_the_place_of_one_that_broke_off_and_only_the_last_is_completed() -> None:
    work = opened()
    handlers.begin_import(CASE, asked.BeginImport(import_id=IMPORT, owners=OWNERS), work)
    handlers.begin_import(CASE, asked.BeginImport(import_id=OTHER_IMPORT, owners=OWNERS), work)
    with pytest.raises(Conflict):
        handlers.complete_import(CASE, asked.CompleteImport(import_id=IMPORT), work)
    handlers.complete_import(CASE, asked.CompleteImport(import_id=OTHER_IMPORT), work)
    handlers.begin_import(CASE, asked.BeginImport(import_id=IMPORT, owners=OWNERS), work)
    assert work.said() == [
        CaseImportBegun(case_id=CASE, import_id=IMPORT, owners=OWNERS),
        CaseImportBegun(case_id=CASE, import_id=OTHER_IMPORT, owners=OWNERS),
        CaseImported(case_id=CASE, import_id=OTHER_IMPORT),
        CaseImportBegun(case_id=CASE, import_id=IMPORT, owners=OWNERS),
    ]
