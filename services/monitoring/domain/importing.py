"""Imports of a case's history: each is complete when every owner that takes part has said so (domain.md, "Never a false accusation")."""

from dataclasses import dataclass
from uuid import UUID

from casebus.contracts import intake, monitoring, planning, referral
from casebus.event import Event


@dataclass(frozen=True, kw_only=True, slots=True)
class Import:
    """What is known of one import: the owners that its beginning names, and those that have ended their part."""

    named: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()

    @property
    def is_complete(self) -> bool:
        return bool(self.named) and self.named <= self.ended

    def __or__(self, other: "Import") -> "Import":
        return Import(named=self.named | other.named, ended=self.ended | other.ended)


TELL_OF_IMPORTS: tuple[type[Event], ...] = (
    intake.CaseImportBegun,
    *(owner.CaseImported for owner in (intake, planning, referral, monitoring)),
)


def told_of_import(event: Event, owner: str) -> tuple[UUID, Import] | None:
    """What this event of that owner says of which import; None where it is about none."""
    match event:
        case intake.CaseImportBegun():
            return event.import_id, Import(named=frozenset(event.owners))
        case intake.CaseImported() | planning.CaseImported() | referral.CaseImported() | monitoring.CaseImported():
            return event.import_id, Import(ended=frozenset({owner}))
        case _:
            return None
