"""Clocks that are armed by SQL: one case goes through the product, the others are copied from it, with ids and times of their own.

Facts are there of those that come due while somebody looks. Of the others there is what the product keeps of an armed clock to find it by:
nothing else of theirs is read before they are due.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID

import yaml
from pydantic import TypeAdapter
from sqlalchemy import text

from casebus.contracts.casebus import Watermark
from casebus.contracts.referral import ReferralOffered
from casebus.envelope import to_headers
from casebus.kafka import Record
from casebus.partition import partition_of
from casebus.timebase import step_to
from casebus.topics import case_topics, read_topics
from casebus.watermark import learn, prune
from services.monitoring.clocks import ClockWorker
from services.monitoring.domain.policy import Policy
from services.monitoring.main import blueprint
from services.monitoring.policies import Policies
from tests.bench.ground import Ground, Store
from tests.bench.history import AGENCIES, BEGIN, envelopes, opened, received
from tests.policies import watching

HOURS = 2
_POLICY = watching(
    {
        "policy": "bench",
        "version": "1",
        "region": "*",
        "calendar": {"zone": "UTC", "country": "GB", "subdivision": "ENG"},
        "follow_up": {"intervals": ["14d"], "grace": "0h"},
        "duties": {"REFERRAL_UNANSWERED": {"within": f"{HOURS}h", "grace": "0h"}, "STALLED_CASE": {"within": "300d", "grace": "0h"}},
        "progress": ["planning.PlanAgreed"],
        "ladder": {"WORKER": "20d", "SUPERVISOR": "30d"},
    },
    "MISSED_FOLLOW_UP",
    "REFERRAL_UNANSWERED",
    "STALLED_CASE",
)
POLICIES = Policies({"*": TypeAdapter(Policy).validate_python(_POLICY)})
TEMPLATE = UUID("8e55b0a8-9072-4635-ae6b-7bde7d539d83")
_CASES = """
    CREATE UNLOGGED TABLE bench_case AS
    SELECT md5('clock ' || g.name || i)::uuid AS id, i % 6 AS part, g.name AS part_of,
      g.begin + i * make_interval(secs => g.seconds) / g.count AS deadline
    FROM unnest(CAST(:names AS text[]), CAST(:counts AS int[]), CAST(:begins AS timestamptz[]), CAST(:seconds AS float8[]))
      AS g (name, count, begin, seconds), generate_series(0, g.count - 1) i"""
_FACTS = """
    INSERT INTO copy.fact (case_id, owner, case_seq, recorded_at, headers, value)
    SELECT c.id, f.owner, f.case_seq, f.recorded_at + shift,
      decode(replace(replace(encode(f.headers, 'hex'), hex(:template), hex(c.id::text)), hex(iso(f.recorded_at)),
        hex(iso(f.recorded_at + shift))), 'hex'),
      decode(replace(encode(f.value, 'hex'), hex(:template), hex(c.id::text)), 'hex')
    FROM copy.fact f, bench_case c, LATERAL (SELECT c.deadline - :deadline AS shift) s WHERE f.case_id = CAST(:template AS uuid)"""
_FUNCTIONS = (
    "CREATE FUNCTION hex(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT encode(convert_to(t, 'UTF8'), 'hex') $$",
    """CREATE FUNCTION iso(t timestamptz) RETURNS text LANGUAGE sql STABLE AS
      $$ SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$""",
)
_INDEX = "CREATE INDEX watch_look_at ON copy.watch (part, ahead, look_at) WHERE look_at IS NOT NULL"
_WATCHED = (
    "DROP INDEX copy.watch_look_at",
    "INSERT INTO copy.watch (case_id, part, look_at) SELECT id, part, deadline FROM bench_case",
    """INSERT INTO copy.watch (case_id, part, look_at)
      SELECT id, (row_number() OVER ()) % 6, CAST(:far AS timestamptz) + random() * interval '60 days'
      FROM (SELECT md5('far ' || i)::uuid AS id FROM generate_series(1, :others) i ORDER BY 1) f""",
    _INDEX,
)


@dataclass(frozen=True, slots=True)
class Group:
    """So many clocks, of which the first is due at `begin`, the others one after the other within `seconds`."""

    name: str
    count: int
    begin: datetime
    seconds: float


def worker(ground: Ground, store: Store) -> ClockWorker:
    return ClockWorker(engine=store.engine, codec=ground.codec, policies=POLICIES, wake=lambda: None, tick=0.1)


def policies(folder: Path) -> Path:
    """The folder with the policy that the clocks are armed by."""
    folder.mkdir(exist_ok=True)
    (folder / "bench.yaml").write_text(yaml.safe_dump(_POLICY))
    return folder


def arm(ground: Ground, store: Store, dice: Random, groups: list[Group], *, others: int, far: datetime) -> None:
    """The clocks of the groups, and others that are due later than `far`."""
    _read_template(ground, store, dice)
    moment = BEGIN + timedelta(minutes=1)
    step(store, moment)
    state(store, moment)
    assert worker(ground, store).turn() == 1
    with store.admin.begin() as connection:
        connection.execute(text("SET LOCAL synchronous_commit = off"))
        for made in _FUNCTIONS:
            connection.execute(text(made))
        deadline = connection.execute(text("SELECT look_at FROM copy.watch")).scalar_one()
        connection.execute(text(_CASES), _columns(groups))
        connection.execute(text(_FACTS), {"template": str(TEMPLATE), "deadline": deadline})
        for table in ("copy.fact", "copy.watch"):  # the template's own
            connection.execute(text(f"DELETE FROM {table} WHERE case_id = CAST(:template AS uuid)"), {"template": str(TEMPLATE)})
        for statement in _WATCHED:
            connection.execute(text(statement), {"far": far, "others": others})
    store.settled()


def _columns(groups: list[Group]) -> Mapping[str, object]:
    return {
        "names": [group.name for group in groups],
        "counts": [group.count for group in groups],
        "begins": [group.begin for group in groups],
        "seconds": [group.seconds for group in groups],
    }


def _read_template(ground: Ground, store: Store, dice: Random) -> None:
    (referral_id,) = (UUID(int=dice.getrandbits(128), version=4),)
    offer = ReferralOffered(
        case_id=TEMPLATE, referral_id=referral_id, step_id=None, service_id=None, service_type="shelter", agency=AGENCIES[1], attempt=1
    )
    events = [received(TEMPLATE, AGENCIES[0]), opened(TEMPLATE, AGENCIES[0], under_way=True), offer]
    track = next(t for t in blueprint(POLICIES).tracks(ground.codec) if t.schema == "copy")
    with store.engine.begin() as connection:
        track.prepare(connection)
        connection.execute(text("UPDATE copy.position SET generation = 1"))
    places: dict[str, int] = {}
    for event, envelope in envelopes(dice, events):
        headers = [(name, value) for name, value in to_headers(envelope) if isinstance(value, bytes)]
        offset = places.setdefault(event.TOPIC, 0)
        places[event.TOPIC] += 1
        key, value = str(TEMPLATE).encode(), ground.codec.encode(event)
        part = partition_of(key, track.topics[event.TOPIC])
        tally = track.apply(store.engine, [Record(event.TOPIC, part, offset, key, value, headers)])
        assert tally.applied == 1, tally


def step(store: Store, moment: datetime) -> None:
    with store.admin.begin() as connection:
        step_to(connection, moment)


def state(store: Store, moment: datetime) -> None:
    """Every owner says that all it recorded before the moment has been read."""
    with store.engine.begin() as connection:
        ends: dict[str, list[int]] = {}
        for topic, following in connection.execute(text("SELECT topic, next FROM copy.position ORDER BY topic, part")):
            ends.setdefault(topic, []).append(following)
        owners = [(topic.owner, tuple(ends[topic.name])) for topic in case_topics(read_topics())]
        learn(connection, [Watermark(owner=o, generation=1, recorded_before=moment, next=following) for o, following in owners])
        prune(connection)
