"""What the services' databases hold, as the checker reads it: as their owner, beside the services."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine, text

from casebus.codec import Codec
from casebus.relay import LOCK
from casebus.schemas import LockedIds
from tests.faults.alerts import Stated
from tests.faults.ground import Platform
from tests.waiting import until

TRACKS = ("copy", "own")
_END_RELAY = text("""
    SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = :lock AND granted AND pid <> pg_backend_pid()
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())""")
Place = tuple[str, UUID]
"""A topic and whom its events are about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """An event in its owner's outbox. `commanded`: no other event caused it."""

    topic: str
    subject: UUID
    seq: int
    type: str
    event_id: str
    commanded: bool
    at: datetime
    value: bytes


def outbox(engine: Engine) -> list[Row]:
    """Everything that a service has ever stated, in order."""
    query = (
        "SELECT topic, subject, case_seq, attributes ->> 'type', attributes ->> 'event_id', NOT attributes ? 'causation_id',"
        " recorded_at, value FROM own.outbox ORDER BY id"
    )
    with engine.connect() as connection:
        rows = connection.execute(text(query)).all()
    return [
        Row(topic=topic, subject=subject, seq=seq, type=kind, event_id=event_id, commanded=commanded, at=at, value=bytes(value))
        for topic, subject, seq, kind, event_id, commanded, at, value in rows
    ]


def stated(rows: list[Row]) -> Iterator[Stated]:
    """What the rows say."""
    codec = Codec(LockedIds())
    for row in rows:
        yield Stated(type=row.type, case=row.subject, at=row.at, says=codec.decode(row.value).says())


def heads(platform: Platform) -> dict[Place, int]:
    """How far each owner's log of each subject reaches."""
    found: dict[Place, int] = {}
    for engine in platform.engines.values():
        with engine.connect() as connection:
            found |= {(topic, subject): seq for topic, subject, seq in connection.execute(text("SELECT topic, subject, seq FROM own.head"))}
    return found


def unsent(platform: Platform) -> int:
    return sum(count(engine, "SELECT count(*) FROM own.unsent") for engine in platform.engines.values())


def behind(platform: Platform, known: dict[Place, int]) -> int:
    """Of how many subjects some track, of those that read their topic, has not yet applied all that is known."""
    lagging = 0
    for engine in platform.engines.values():
        for track in TRACKS:
            with engine.connect() as connection:
                topics = {topic for (topic,) in connection.execute(text(f"SELECT DISTINCT topic FROM {track}.position"))}
                rows = connection.execute(text(f"SELECT topic, subject, seq FROM {track}.inbox"))
                applied = {(topic, subject): seq for topic, subject, seq in rows}
            lagging += sum(applied.get(place, 0) < seq for place, seq in known.items() if place[0] in topics)
    return lagging


def set_aside(platform: Platform) -> int:
    """What is parked or in quarantine, anywhere."""
    query = "SELECT (SELECT count(*) FROM {0}.parked) + (SELECT count(*) FROM {0}.quarantine WHERE state = 'OPEN')"
    return sum(count(engine, query.format(track)) for engine in platform.engines.values() for track in TRACKS)


def count(engine: Engine, query: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(query)).scalar_one())


@contextmanager
def held_back(engine: Engine) -> Iterator[None]:
    """No relay of this database works during the block: its claim is ours."""
    with engine.connect() as connection:

        def claimed() -> bool:
            connection.execute(_END_RELAY, {"lock": LOCK})
            held = bool(connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK}).scalar_one())
            connection.commit()
            return held

        until(claimed)
        yield
