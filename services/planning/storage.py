"""Planning's tables: its plans, and its copy of who shares their cases."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Connection

from casebus import sharing
from casebus.access import Standing
from casebus.codec import Codec
from casebus.sharing import Sharing
from casebus.work import Work as BusWork
from services.planning.domain.plan import Plan


class Work(BusWork):
    """One transaction over the plans of a batch of cases. A plan has the id of its case."""

    def __init__(self, connection: Connection, codec: Codec) -> None:
        super().__init__(connection, codec)
        self.plans = self.shelf("own.plan", Plan)
        self.sharing = self.shelf(sharing.TABLE, Sharing, lock=False)

    def load(self, ids: Collection[UUID]) -> None:
        self.plans.load_ids(ids)
        self.sharing.load_ids(ids)

    def standing(self, aggregate: UUID) -> Standing | None:
        shared = self.sharing.get(aggregate)
        return self.timed(shared.standing()) if shared else None

    def version(self, aggregate: UUID) -> int | None:
        plan = self.plans.get(aggregate)
        return plan.version if plan else None
