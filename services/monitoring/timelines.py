"""Who may read what is told of a case, or of an entry of the directory; its timeline and its clocks."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy import Connection

from casebus.access import Act, Standing, authorise
from casebus.contracts.referral import ServiceListed
from casebus.desk import Desk
from casebus.envelope import from_headers
from casebus.http import Caller, Seen
from casebus.inbox import unpack
from casebus.watermark import reached
from services.monitoring import board as boards
from services.monitoring.domain.clock_story import stories
from services.monitoring.explaining import view_clocks
from services.monitoring.kept import facts_of
from services.monitoring.rules import RULES
from services.monitoring.storage import Work


def reading(desk: Desk) -> APIRouter:
    """The routes of a case's story, and of an entry's."""
    router = APIRouter()

    @router.get("/cases/{id}/clocks")
    def clocks(id: UUID, caller: Caller, seen: Seen) -> dict[str, Any]:
        """Every clock of a case: what started and moved it, when it is due, how it ended, by which policy, and who was told."""
        desk.see(id, seen)
        with desk.engine.begin() as connection:
            work = readable_in(connection, desk, id, caller)
            known = reached(connection).least
            below = known or work.now
            facts = facts_of(connection, desk.codec, [id])[id]
            return view_clocks(id, known, stories(id, facts, below, work.regimes, RULES))

    @router.get("/cases/{id}/timeline")
    def timeline(id: UUID, caller: Caller, seen: Seen) -> dict[str, Any]:
        """Every event of a case, or of an entry of the directory, from every service, in the order in which they were recorded."""
        desk.see(id, seen)
        readable(desk, id, caller)
        with desk.engine.begin() as connection:
            rows = boards.timeline(connection, id)
        return {"items": [_told(desk, id, *row) for row in rows]}

    return router


def _told(desk: Desk, case_id: UUID, owner: str, seq: int, headers: bytes, value: bytes) -> dict[str, Any]:
    envelope = from_headers(unpack(headers), topic=f"{owner}.case.v1", key=str(case_id).encode())
    said = desk.codec.decode(value)
    return {
        "occurred_at": envelope.occurred_at,
        "recorded_at": envelope.recorded_at,
        "owner": owner,
        "type": envelope.type,
        "agency": envelope.agency,
        "actor_role": envelope.actor_role,
        "origin": envelope.origin,
        "case_seq": seq,
        "says": said.says(),
    }


def readable(desk: Desk, one: UUID, caller: Caller) -> Work:
    """The work with what this id is about, where the caller may read it; else raises Absent."""
    with desk.engine.begin() as connection:
        return readable_in(connection, desk, one, caller)


def readable_in(connection: Connection, desk: Desk, one: UUID, caller: Caller) -> Work:
    """The same in a transaction that is there."""
    work = desk.reader(connection)
    assert isinstance(work, Work)  # monitoring's desk makes monitoring's work
    work.load([one])
    authorise(caller.cause(), Act.READ, work.standing(one) or _standing_of_entry(connection, desk, one))
    return work


def _standing_of_entry(connection: Connection, desk: Desk, one: UUID) -> Standing | None:
    """Of an entry of the directory, in which nobody takes part: its agency's, and its region's. None for anything else."""
    facts = facts_of(connection, desk.codec, [one])[one]
    listed = next((fact.event for fact in facts if fact.kind is ServiceListed), None)
    if not isinstance(listed, ServiceListed):
        return None
    agency = str(listed.agency)
    return Standing(case_id=one, region=listed.region, lead=agency, active=frozenset({agency}))
