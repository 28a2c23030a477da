"""A service's own copy of who takes part in a case, from intake's events. It decides access; it is kept in `copy.sharing`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol
from uuid import UUID

from casebus.access import Emergency, Standing
from casebus.aggregate import Holds
from casebus.contracts import intake
from casebus.event import Event

TABLE = "copy.sharing"
DDL = "CREATE TABLE copy.sharing (id uuid PRIMARY KEY, version int NOT NULL, body jsonb NOT NULL) WITH (fillfactor = 70)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sharing:
    """Who shares one case. `asked` are invited agencies; what a referral offers is added by the service that knows it."""

    id: UUID
    version: int = 0
    region: str = ""
    lead: str = ""
    lead_epoch: int = 0
    active: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()
    importing: UUID | None = None
    emergencies: tuple[Emergency, ...] = ()

    def standing(self, also_asked: frozenset[str] = frozenset()) -> Standing:
        return Standing(
            case_id=self.id,
            region=self.region,
            lead=self.lead,
            lead_epoch=self.lead_epoch,
            active=self.active,
            asked=self.asked | also_asked,
            importing=self.importing,
            emergencies=self.emergencies,
        )


class KeepsSharing(Protocol):
    """A Work that has the copy."""

    @property
    def sharing(self) -> Holds[Sharing]: ...


def note_sharing(event: Any, work: KeepsSharing) -> None:
    """Every event of intake about who takes part changes the copy. One topic, so they come in order."""
    known = work.sharing.get(event.case_id) or Sharing(id=event.case_id)
    work.sharing.put(replace(known, version=known.version + 1, **_TOLD[type(event)](known, event)))


def _handed_over(known: Sharing, event: intake.LeadHandedOver) -> dict[str, Any]:
    active, asked = known.active | {event.to_agency}, known.asked - {event.to_agency}
    return {"lead": event.to_agency, "lead_epoch": event.lead_epoch, "active": active, "asked": asked}


_TOLD: Mapping[type[Event], Callable[[Sharing, Any], dict[str, Any]]] = {
    intake.CaseReceived: lambda known, event: (
        {"region": event.region, "lead": event.agency, "lead_epoch": 1, "active": known.active | {event.agency}}
    ),
    intake.CaseImportBegun: lambda _, event: {"importing": event.import_id},
    intake.AgencyInvited: lambda known, event: {"asked": known.asked | {event.agency}},
    intake.AgencyJoined: lambda known, event: {"active": known.active | {event.agency}, "asked": known.asked - {event.agency}},
    intake.AgencyDeclinedInvitation: lambda known, event: {"asked": known.asked - {event.agency}},
    intake.AgencyLeft: lambda known, event: {"active": known.active - {event.agency}},
    intake.LeadHandoverProposed: lambda known, event: {"asked": known.asked | {event.to_agency}},
    intake.LeadHandoverRejected: lambda known, event: {"asked": known.asked - {event.to_agency}},
    intake.LeadHandedOver: _handed_over,
    intake.EmergencyAccessGranted: lambda known, event: (
        {"emergencies": (*known.emergencies, Emergency(agency=event.agency, actor=event.actor, until=event.until))}
    ),
}
"""The fields that each event changes."""
SHARING: Mapping[type[Event], Callable[[Any, Any], None]] = dict.fromkeys(_TOLD, note_sharing)
