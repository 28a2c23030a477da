"""The copies of a service that keeps of others only who shares their cases."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Connection

from casebus.codec import Codec
from casebus.sharing import TABLE, Sharing
from casebus.work import Work


class Copies(Work):
    """One transaction over a batch. Nobody else writes the copy, so nothing is locked, and no command waits for it."""

    def __init__(self, connection: Connection, codec: Codec) -> None:
        super().__init__(connection, codec)
        self.sharing = self.shelf(TABLE, Sharing, lock=False)

    def load(self, ids: Collection[UUID]) -> None:
        self.sharing.load_ids(ids)
