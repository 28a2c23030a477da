"""What the tests of referral start from: a directory, a case, and a work in memory."""

from uuid import UUID, uuid5

from casebus.cause import Cause
from casebus.sharing import Sharing
from casebus.testing import NOON, MemoryShelf, MemoryWork
from services.referral.domain import Referral, Service, ServiceKind

CASE = UUID(int=1)
STEP = UUID(int=2)
REFERRAL = UUID(int=3)
SHARED = Sharing(id=CASE, region="north", lead="city-hospital", lead_epoch=1, active=frozenset({"city-hospital", "east-school"}))


def service(agency: str, *, service_type: str = "shelter", region: str = "north", available: int = 2) -> Service:
    """A listed service, the agency's only one of its type."""
    return Service(
        id=uuid5(CASE, f"{agency} {service_type}"),
        agency=agency,
        service_type=service_type,
        kind=ServiceKind.NGO,
        region=region,
        available=available,
        maximum=10,
    )


def referral(*candidates: Service, step_id: UUID | None = STEP, agency: str = "first-shelter") -> Referral:
    """An offer to an agency that is named, with those who are asked after it."""
    return Referral(
        id=REFERRAL,
        case_id=CASE,
        step_id=step_id,
        service_type="shelter",
        agency=agency,
        candidates=tuple(each.id for each in candidates),
        sought_at=NOON,
    )


class Work(MemoryWork):
    """One case, of which the copy may not know yet."""

    def __init__(self, *services: Service, referrals: tuple[Referral, ...] = (), because: Cause | None = None, known: bool = True) -> None:
        super().__init__(because)
        self.services = MemoryShelf(*services)
        self.referrals = MemoryShelf(*referrals)
        self.sharing = MemoryShelf(*((SHARED,) if known else ()))

    def listed(self) -> list[Service]:
        return [each for each in self.services.all() if each.can_be_offered(self.now.date())]
