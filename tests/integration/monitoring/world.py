"""Monitoring with a real database and no Kafka: the four logs are lists, the relay is a function, and time goes where the test says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4, uuid5

from sqlalchemy import Connection, Engine, text

from casebus import database, outbox
from casebus.assembly import Blueprint
from casebus.codec import Codec
from casebus.contracts import intake, planning, referral
from casebus.contracts.casebus import Watermark
from casebus.contracts.intake import AgencyKind, CaseSource, Nature, ParticipantRole, Priority
from casebus.contracts.planning import CaseOutcome, ReopenReason
from casebus.desk import Answer, Request
from casebus.envelope import Envelope, Origin, Role, to_headers
from casebus.event import Event
from casebus.identity import Principal
from casebus.kafka import Record
from casebus.partition import partition_of
from casebus.schemas import LockedIds
from casebus.timebase import step_to, system_time
from casebus.topics import case_topics, read_topics
from casebus.track import Tally, Track
from casebus.watermark import learn
from services.monitoring import board
from services.monitoring.ahead import Ahead
from services.monitoring.clocks import ClockWorker, LooksAhead
from services.monitoring.main import blueprint
from services.monitoring.policies import Policies
from services.monitoring.storage import Work
from services.monitoring.telling.carriers import BY_THE_BOARD, Telling
from services.monitoring.telling.worker import Teller
from tests.unit.monitoring.story import LEAD, PARTNER, POLICY, REGION, day

PARTITIONS = 6
OWNERS = ("intake", "planning", "referral", "monitoring")
IMPORT = UUID(int=77)


@dataclass(frozen=True, slots=True)
class How:
    """How a fact came: live unless said otherwise; `occurred` is needed for the others."""

    origin: Origin = Origin.LIVE
    occurred: datetime | None = None
    import_id: UUID | None = None


LIVE = How()


def imported(occurred: datetime) -> How:
    return How(Origin.IMPORT, occurred, IMPORT)


def offline(occurred: datetime) -> How:
    return How(Origin.OFFLINE, occurred)


class World:
    """One monitoring, at first at noon of the day before the first. `ahead`: it prepares what is due within the next ten years."""

    def __init__(self, url: str, owner_url: str, telling: Telling = BY_THE_BOARD, *, ahead: bool = False) -> None:
        self.engine: Engine = database.connect(url)
        self.admin: Engine = database.connect(owner_url)
        self.codec = Codec(LockedIds())
        self.policies = Policies({"*": POLICY})
        self.telling = telling
        self.blueprint: Blueprint = blueprint(self.policies, telling=telling)
        self.copies, self.reactions = self.blueprint.tracks(self.codec)
        self.desk = self.blueprint.desk(self.engine, self.codec)
        self.teller = self.new_teller()
        self.worker = ClockWorker(engine=self.engine, codec=self.codec, policies=self.policies, wake=lambda: None, tick=0.01)
        if ahead:
            far = Ahead(engine=self.engine, codec=self.codec, policies=self.policies, wake=lambda: None, far=timedelta(days=3650))
            self.worker = replace(self.worker, ahead=far)
        self.logs: dict[str, list[list[Record]]] = {topic.name: [[] for _ in range(PARTITIONS)] for topic in case_topics(read_topics())}
        self._seqs: dict[tuple[str, UUID], int] = {}
        self.asked: str | None = None
        """The trace context of what other services tell."""
        self.prepare()
        self.step(day(-1))

    def new_teller(self) -> Teller:
        return self.telling.teller(self.engine, self.new_work)

    def new_work(self, connection: Connection) -> Work:
        return Work(connection, self.codec, self.policies, self.telling.offer)

    def prepare(self) -> None:
        with self.engine.begin() as connection:
            for track in (self.copies, self.reactions):
                track.prepare(connection)
                connection.execute(text(f"UPDATE {track.schema}.position SET generation = 1"))

    def dispose(self) -> None:
        self.engine.dispose()
        self.admin.dispose()

    def step(self, moment: datetime) -> None:
        """It is `moment` now."""
        with self.admin.begin() as connection:
            step_to(connection, moment)

    def tell(self, event: Event, at: datetime, how: How = LIVE) -> Record:
        """An event of another service, as it lies in its log."""
        place = event.TOPIC, event.subject
        self._seqs[place] = self._seqs.get(place, 0) + 1
        envelope = replace(_envelope(event, at, how, self._seqs[place]), traceparent=self.asked)
        return self._append(event.TOPIC, event.subject, to_headers(envelope), self.codec.encode(event))

    def _append(self, topic: str, case: UUID, headers: Sequence[tuple[str, str | bytes | None]], value: bytes) -> Record:
        part = partition_of(str(case).encode(), PARTITIONS)
        log = self.logs[topic][part]
        log.append(
            Record(
                topic, part, len(log), str(case).encode(), value, [(n, v.encode() if isinstance(v, str) else v or b"") for n, v in headers]
            )
        )
        return log[-1]

    def relay(self) -> int:
        """Put monitoring's own events on its log. Each number is marked: a smaller one may be committed after a greater one was sent."""
        with self.engine.begin() as connection:
            rows = outbox.unpublished(connection, 0, 2**62, 100_000)
            for row in rows:
                if row.topic in self.logs:
                    self._append(row.topic, UUID(row.subject), row.headers(1), row.value)
            sent = ",".join(f"[{row.id},{row.id}]" for row in rows)
            connection.execute(text("UPDATE own.sent SET beyond = beyond + CAST(:sent AS int8multirange)"), {"sent": f"{{{sent}}}"})
        return len(rows)

    def unread(self, track: Track) -> dict[tuple[str, int], list[Record]]:
        with self.engine.begin() as connection:
            rows = connection.execute(text(f"SELECT topic, part, next FROM {track.schema}.position"))
            found = {(topic, part): self.logs[topic][part][following:] for topic, part, following in rows}
        return {place: records for place, records in found.items() if records}

    def read(self, track: Track, dice: Random | None = None) -> Tally:
        """Apply what is unread: as it lies, or in batches and in an order of the topics that the dice say."""
        total = Tally()
        while left := self.unread(track):
            places = list(left) if dice is None else dice.sample(list(left), dice.randint(1, len(left)))
            batch = [record for place in places for record in left[place][: dice.randint(1, 4) if dice else None]]
            tally = track.apply(self.engine, batch)
            for name in ("applied", "duplicates", "parked", "quarantined"):
                setattr(total, name, getattr(total, name) + getattr(tally, name))
        return total

    def state(self, moment: datetime, owners: Sequence[str] = OWNERS) -> None:
        """The owners say: everything recorded before the moment lies in our logs."""
        ends = {owner: tuple(len(log) for log in self.logs[f"{owner}.case.v1"]) for owner in owners}
        with self.engine.begin() as connection:
            learn(connection, [Watermark(owner=owner, generation=1, recorded_before=moment, next=ends[owner]) for owner in owners])

    def go(self, moment: datetime, dice: Random | None = None) -> None:
        """Time passes until the moment: everything is read, known and decided, and what was decided is read again."""
        self.step(moment)
        self.settle(dice)
        self.state(moment)
        self.decide()
        self.settle(dice)
        if self.worker.ahead is not None:
            self.look_ahead(self.worker.ahead)

    def look_ahead(self, ahead: LooksAhead) -> None:
        """What follows from what was said by now is prepared."""
        self.catch_up()
        while ahead.prepare():
            pass

    def catch_up(self) -> None:
        """All that was said by now is known and decided."""
        self.state(self.reading(system_time))
        self.decide()
        self.settle()

    def settle(self, dice: Random | None = None) -> None:
        """Read until nobody has anything more to say."""
        while True:
            self.read(self.reactions, dice)
            self.read(self.copies, dice)
            if not self.relay():
                return

    def decide(self) -> int:
        looked = 0
        while found := self.worker.turn():
            looked += found
        return looked

    def ask(self, command: str, who: Principal, id: UUID | None = None, *, version: int | None = None, **body: object) -> Answer:
        [answer] = self.desk.run(who.cause(), [Request(key=str(uuid4()), command=command, body=body, id=id, version=version)])
        return answer

    def rows(self, query: str, **values: object) -> list[Any]:
        with self.engine.begin() as connection:
            return list(connection.execute(text(query), values))

    def do(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement))

    def reading(self, read: Callable[[Connection], Any]) -> Any:
        with self.engine.begin() as connection:
            return read(connection)

    def board(self, who: Principal) -> dict[str, Any]:
        found: dict[str, Any] = self.reading(lambda connection: board.board(connection, who))
        return found

    def said(self, case: UUID) -> list[str]:
        """The types of monitoring's own events of a case, in order."""
        rows = self.rows(
            "SELECT attributes ->> 'type' FROM own.outbox WHERE subject = :case AND topic = 'monitoring.case.v1' ORDER BY case_seq",
            case=case,
        )
        return [kind.partition(".")[2] for (kind,) in rows]

    def alerts(self, case: UUID) -> list[tuple[str, str, str]]:
        """Rule, state and rung of a case's alerts."""
        rows = self.rows(
            "SELECT rule, body ->> 'state', rung FROM own.alert WHERE case_id = :case ORDER BY 1, body ->> 'due_at'", case=case
        )
        return [(rule, state, rung) for rule, state, rung in rows]


class Case:
    """One case as its services tell of it."""

    def __init__(
        self, world: World, name: str = "one", *, lead: str = LEAD, region: str = REGION, priority: Priority = Priority.MEDIUM
    ) -> None:
        self.id = uuid5(IMPORT, name)
        self.world, self.lead, self.region, self.priority = world, lead, region, priority

    def receive(self, at: datetime, how: How = LIVE) -> "Case":
        received = intake.CaseReceived(
            case_id=self.id,
            agency=self.lead,
            region=self.region,
            source=CaseSource.AGENCY,
            agency_kind=AgencyKind.HOSPITAL,
            referring_agency=None,
        )
        self.world.tell(received, at, how)
        triaged = intake.CaseTriaged(case_id=self.id, priority=self.priority, nature=Nature.HOUSING, crisis=False)
        self.world.tell(triaged, at + timedelta(seconds=1), how)
        return self

    def open(self, at: datetime, how: How = LIVE) -> "Case":
        opened = intake.CaseOpened(case_id=self.id, agency=self.lead, region=self.region, priority=self.priority, under_way=False)
        self.world.tell(opened, at, how)
        return self

    def plan(self, at: datetime) -> None:
        self.world.tell(planning.PlanDrafted(case_id=self.id, plan_version=1), at)

    def agree(self, at: datetime) -> None:
        self.world.tell(planning.PlanAgreed(case_id=self.id, plan_version=1, goals=1, steps=1), at)

    def close(self, at: datetime, how: How = LIVE) -> None:
        self.world.tell(planning.CaseClosed(case_id=self.id, outcome=CaseOutcome.GOALS_REACHED), at, how)

    def reopen(self, at: datetime) -> None:
        self.world.tell(planning.CaseReopened(case_id=self.id, reason=ReopenReason.NEW_NEED, under_way=False), at)

    def offer(self, name: str, at: datetime, *, to: str = PARTNER) -> None:
        one = uuid5(self.id, name)
        offered = referral.ReferralOffered(
            case_id=self.id, referral_id=one, step_id=None, service_id=None, service_type="shelter", agency=to, attempt=1
        )
        self.world.tell(offered, at)

    def accept(self, name: str, at: datetime, *, by: str = PARTNER, how: How = LIVE) -> None:
        self.world.tell(referral.ReferralAccepted(case_id=self.id, referral_id=uuid5(self.id, name), agency=by, step_id=None), at, how)

    def hand_over(self, at: datetime, *, to: str = PARTNER) -> None:
        self.world.tell(intake.LeadHandedOver(case_id=self.id, from_agency=self.lead, to_agency=to, lead_epoch=2), at)

    def join(self, at: datetime, *, agency: str) -> None:
        self.world.tell(intake.AgencyJoined(case_id=self.id, agency=agency, role=ParticipantRole.PROVIDER), at)

    def leave(self, at: datetime, *, agency: str) -> None:
        self.world.tell(intake.AgencyLeft(case_id=self.id, agency=agency), at)

    def begin_import(self, at: datetime, *owners: str) -> None:
        self.world.tell(intake.CaseImportBegun(case_id=self.id, import_id=IMPORT, owners=owners), at, imported(at))

    def complete_import(self, at: datetime, *owners: str) -> None:
        for owner in owners:
            contract: Any = {"intake": intake.CaseImported, "planning": planning.CaseImported, "referral": referral.CaseImported}[owner]
            self.world.tell(contract(case_id=self.id, import_id=IMPORT), at, imported(at))

    def contact(self, who: Principal, *, on_behalf: dict[str, str] | None = None) -> Answer:
        more: dict[str, Any] = {"on_behalf": on_behalf} if on_behalf else {}
        return self.world.ask("record-contact", who, case_id=str(self.id), result="REACHED", channel="VISIT", **more)


def worker(agency: str = LEAD, region: str = REGION) -> Principal:
    return Principal(actor="actor-1", role=Role.WORKER, agency=agency, region=region, reads_only=False)


def coordinator(region: str = REGION) -> Principal:
    return Principal(actor="actor-2", role=Role.COORDINATOR, agency="region-office", region=region, reads_only=False)


def integrator() -> Principal:
    return Principal(actor="actor-3", role=Role.INTEGRATOR, agency="integration", region=REGION, reads_only=False)


def _envelope(event: Event, at: datetime, how: How, seq: int) -> Envelope:
    return Envelope(
        event_id=uuid5(event.subject, f"{event.TOPIC} {seq}"),
        type=event.TYPE,
        version=event.VERSION,
        owner=event.TYPE.partition(".")[0],
        topic=event.TOPIC,
        subject=event.subject,
        case_seq=seq,
        generation=1,
        occurred_at=how.occurred or at,
        recorded_at=at,
        agency=LEAD,
        actor="actor-1",
        actor_role=Role.WORKER,
        actor_agency=LEAD,
        lead_epoch=1,
        correlation_id=event.subject,
        origin=how.origin,
        import_id=how.import_id,
    )


__all__ = ["LIVE", "Case", "How", "World", "coordinator", "imported", "integrator", "offline", "worker"]
