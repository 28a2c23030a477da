"""Intake's tables: its cases, and the references by which agencies know them."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Connection, text

from casebus.access import Standing
from casebus.codec import Codec
from casebus.work import Work as BusWork
from services.intake.domain import Case


class Work(BusWork):
    """One transaction over a batch of cases."""

    def __init__(self, connection: Connection, codec: Codec) -> None:
        super().__init__(connection, codec)
        self.cases = self.shelf("own.case", Case)

    def load(self, ids: Collection[UUID]) -> None:
        self.cases.load_ids(ids)

    def standing(self, aggregate: UUID) -> Standing | None:
        case = self.cases.get(aggregate)
        return self.timed(case.standing()) if case else None

    def version(self, aggregate: UUID) -> int | None:
        case = self.cases.get(aggregate)
        return case.version if case else None

    def claim_reference(self, agency: str, reference: str, case_id: UUID) -> bool:
        """Whether the agency had not used the reference before; it has now."""
        return bool(
            self.connection.execute(
                text("INSERT INTO own.reference VALUES (:agency, :reference, :case_id) ON CONFLICT DO NOTHING"),
                {"agency": agency, "reference": reference, "case_id": case_id},
            ).rowcount
        )


def case_by_reference(connection: Connection, agency: str, reference: str) -> UUID | None:
    """The case that an agency knows by this reference."""
    found: UUID | None = connection.execute(
        text("SELECT case_id FROM own.reference WHERE agency = :agency AND reference = :reference"),
        {"agency": agency, "reference": reference},
    ).scalar()
    return found
