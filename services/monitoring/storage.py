"""What monitoring owns: cares, follow-ups, alerts, and the decisions that were made. Its copies are in copies.py."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from operator import attrgetter
from uuid import UUID

from sqlalchemy import Connection, text

from casebus.access import Standing
from casebus.codec import Codec
from casebus.contracts.intake import Priority
from casebus.sharing import TABLE as SHARING
from casebus.sharing import Sharing
from casebus.work import Work as BusWork
from services.monitoring.addresses import NOTHING_OFFERED, Offer
from services.monitoring.domain.alert import Alert
from services.monitoring.domain.directory import Person
from services.monitoring.domain.follow_up import Care, FollowUp
from services.monitoring.domain.policy import Policy
from services.monitoring.domain.reach import ContactPoint, PointState, Recipient, id_of
from services.monitoring.domain.regime import Regimes
from services.monitoring.notices import Notice, queue
from services.monitoring.policies import Rulebook

_BEHIND = text("""
    SELECT id, case_id FROM own.follow_up WHERE id = ANY(CAST(:ids AS uuid[]))
    UNION ALL SELECT id, case_id FROM own.alert WHERE id = ANY(CAST(:ids AS uuid[]))""")

_PRIORITY = text("SELECT body ->> 'priority' FROM copy.case_view WHERE id = :case")


class Work(BusWork):
    """One transaction over a batch: commands, reactions and the clock worker's decisions."""

    def __init__(self, connection: Connection, codec: Codec, policies: Rulebook, offer: Offer = NOTHING_OFFERED) -> None:
        super().__init__(connection, codec)
        self.offer = offer
        self._policies = policies
        self._case_of: dict[UUID, UUID] = {}
        self.cares = self.shelf("own.care", Care)
        self.follow_ups = self.shelf("own.follow_up", FollowUp)
        self.alerts = self.shelf("own.alert", Alert)
        self.people = self.shelf("own.person", Person)
        self.recipients = self.shelf("own.recipient", Recipient)
        self.points = self.shelf("own.contact_point", ContactPoint)
        self.sharing = self.shelf(SHARING, Sharing, lock=False)
        self._notices: list[Notice] = []

    @cached_property
    def regimes(self) -> Regimes:
        """What is in force everywhere, and was."""
        return self._policies.known(self.connection, self._codec)

    def policy(self, region: str, agency: str = "") -> Policy:
        """The one in force now."""
        return self.regimes.of(region, agency).newest

    def priority(self, case_id: UUID) -> Priority:
        """As far as the copy knows; MEDIUM before triage."""
        return Priority(self.connection.execute(_PRIORITY, {"case": case_id}).scalar() or Priority.MEDIUM)

    def tell(self, decision: UUID, alert: Alert, priority: Priority) -> None:
        """Whoever is on the alert's rung is told that this was decided, in this transaction."""
        self._notices.append(Notice(decision=decision, alert=alert, priority=priority))

    @property
    def notices(self) -> tuple[Notice, ...]:
        """Who will be told."""
        return tuple(self._notices)

    def save(self) -> dict[UUID, int]:
        last = super().save()
        notices, self._notices = self._notices, []
        if notices:
            queue(self.connection, notices, self.policy, self.now)
        return last

    def recipient(self, key: str) -> Recipient | None:
        """Who is told under this key, loaded when it is asked for."""
        self.recipients.load_ids([id_of(key)])
        return self.recipients.get(id_of(key))

    @property
    def real_now(self) -> datetime:
        """For what is technical: in production the same as `now`."""
        return datetime.now(UTC)

    def points_of(self, key: str) -> list[ContactPoint]:
        """Those of this recipient that were not removed."""
        self.points.load("recipient = :key AND state <> 'REMOVED'", {"key": key})
        return [one for one in self.points.all() if one.recipient == key and one.state is not PointState.REMOVED]

    def point(self, one: UUID) -> ContactPoint | None:
        """The contact point, loaded when it is asked for."""
        self.points.load_ids([one])
        return self.points.get(one)

    def person(self, one: UUID) -> Person | None:
        """The entry of the directory, loaded when it is asked for."""
        self.people.load_ids([one])
        return self.people.get(one)

    def load(self, ids: Collection[UUID]) -> None:
        """The ids are of cases, follow-ups or alerts; of a case come its open follow-ups, of the others what was asked for."""
        wanted = {"ids": sorted(ids)}
        for one, case_id in self.connection.execute(_BEHIND, wanted):
            self._case_of[one] = case_id
        cases = sorted({*ids, *self._case_of.values()})
        self.cares.load_ids(cases)
        self.follow_ups.load(
            "id = ANY(CAST(:ids AS uuid[])) OR (is_open AND case_id = ANY(CAST(:cases AS uuid[])))", wanted | {"cases": cases}
        )
        self.alerts.load_ids(ids)
        self.sharing.load_ids(cases)

    def standing(self, aggregate: UUID) -> Standing | None:
        """Who takes part in the case; of an alert also the agency that answers for it, which may only have been asked to take part."""
        case_id = self._case_of.get(aggregate, aggregate)
        sharing, alert = self.sharing.get(case_id), self.alerts.get(aggregate)
        if alert is None:
            return self.timed(sharing.standing()) if sharing else None
        known = sharing or Sharing(id=case_id, region=alert.region)
        return self.timed(replace(known, active=known.active | alert.answerable).standing())

    def version(self, aggregate: UUID) -> int | None:
        found = self.follow_ups.get(aggregate) or self.alerts.get(aggregate)
        return found.version if found else None

    def undecided(self, decisions: Iterable[UUID]) -> set[UUID]:
        """Which of these were not made before; they are made now."""
        rows = self.connection.execute(
            text("INSERT INTO own.decision (id) SELECT * FROM unnest(CAST(:ids AS uuid[])) ON CONFLICT DO NOTHING RETURNING id"),
            {"ids": sorted(set(decisions), key=attrgetter("int"))},
        )
        return {one for (one,) in rows}
