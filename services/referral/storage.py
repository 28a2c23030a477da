"""Referral's tables: its referrals, the directory, and its copy of who shares their cases."""

from collections.abc import Collection
from dataclasses import replace
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection, text

from casebus import sharing
from casebus.access import Standing
from casebus.codec import Codec
from casebus.sharing import Sharing
from casebus.work import Work as BusWork
from services.referral.domain import Referral, Service

_SERVICE = TypeAdapter(Service)


class Work(BusWork):
    """One transaction over a batch of cases with their referrals, or over single referrals and services."""

    def __init__(self, connection: Connection, codec: Codec) -> None:
        super().__init__(connection, codec)
        self.sharing = self.shelf(sharing.TABLE, Sharing)
        self.referrals = self.shelf("own.referral", Referral)
        self.services = self.shelf("own.service", Service)
        self._directory: dict[UUID, Service] | None = None

    def load(self, ids: Collection[UUID]) -> None:
        """A referral brings its case, a case its referrals. The copy of who shares a case is locked first, and with it the case."""
        wanted = {"ids": sorted(set(ids))}
        cases = self.connection.execute(text("SELECT case_id FROM own.referral WHERE id = ANY(CAST(:ids AS uuid[]))"), wanted)
        self.sharing.load_ids([*ids, *cases.scalars()])
        self.referrals.load("id = ANY(CAST(:ids AS uuid[])) OR case_id = ANY(CAST(:ids AS uuid[]))", wanted)
        self.services.load_ids(ids)

    def listed(self) -> list[Service]:
        """What of the directory can be offered, read (and not locked) when it is first asked for."""
        if self._directory is None:
            rows = self.connection.execute(text("SELECT id, body FROM own.service"))
            self._directory = {key: _SERVICE.validate_python(body) for key, body in rows}
        known = self._directory | {service.id: service for service in self.services.all()}
        return [service for service in known.values() if service.can_be_offered(self.now.date())]

    def standing(self, aggregate: UUID) -> Standing | None:
        """Of a case, who shares it; of a referral, those, but only who may answer this one counts as asked."""
        referral = self.referrals.get(aggregate)
        if referral is None:
            shared = self.sharing.get(aggregate)
            return self.timed(shared.standing()) if shared else None
        shared = self._shared(referral)
        return self.timed(replace(shared, asked=referral.answered_by(shared.lead)).standing())

    def readers(self, referral: Referral) -> Standing:
        """Who shares the referral's case, and the agency that it is offered to."""
        return self.timed(self._shared(referral).standing(frozenset({referral.agency})))

    def _shared(self, referral: Referral) -> Sharing:
        return self.sharing.get(referral.case_id) or Sharing(id=referral.case_id)

    def version(self, aggregate: UUID) -> int | None:
        found = self.referrals.get(aggregate) or self.services.get(aggregate)
        return found.version if found else None
