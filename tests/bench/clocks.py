"""Clocks: a million armed; how many are decided a second after an outage, and how late one is decided while all is well."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from time import perf_counter
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import text

from casebus.contracts.casebus import Watermark
from casebus.contracts.referral import ReferralOffered
from casebus.envelope import to_headers
from casebus.kafka import Record
from casebus.partition import partition_of
from casebus.timebase import step_to, system_time
from casebus.topics import case_topics, read_topics
from casebus.watermark import learn, prune
from services.monitoring.clocks import ClockWorker
from services.monitoring.domain.policy import Policy
from services.monitoring.main import blueprint
from services.monitoring.policies import Policies
from tests.bench.figure import Figure, share
from tests.bench.ground import Ground, Store
from tests.bench.history import AGENCIES, BEGIN, envelopes, opened, received
from tests.policies import watching

HOURS = 2
POLICY: Policy = TypeAdapter(Policy).validate_python(
    watching(
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
)
TEMPLATE = UUID("8e55b0a8-9072-4635-ae6b-7bde7d539d83")
OUTAGE = datetime(2026, 6, 1, 12, tzinfo=UTC)
"""When it ends; it has lasted an hour."""
LIVE = OUTAGE + timedelta(hours=1)
A_SECOND = 100
"""Clocks that come due each second while all is well."""
STATED_EVERY = 1.0
"""How often owners state how far they are (CONTINUUM_WATERMARK_SECONDS)."""
_ARM = """
    CREATE UNLOGGED TABLE bench_case AS
    SELECT md5('clock ' || i)::uuid AS id, i % 6 AS part,
      CASE WHEN i <= :missed THEN :outage - i * interval '1 hour' / :missed
        WHEN i <= :missed + :live THEN :live_from + (i - :missed) * interval '1 second' / :a_second
        ELSE :live_from + interval '1 day' + (i % 1000000) * interval '2 seconds' END AS deadline
    FROM generate_series(1, :count) i"""
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
_LATENESS = """
    SELECT extract(epoch FROM pg_xact_commit_timestamp(a.xmin) - t.since + t.base - c.deadline)::float8
    FROM own.alert a JOIN bench_case c ON c.id = a.case_id, own.timebase t WHERE c.deadline > :live_from"""


@dataclass(frozen=True, slots=True)
class Numbers:
    """How many clocks are armed, missed in the outage, and come due while all is well."""

    armed: int
    missed: int
    live: int


def fired(ground: Ground, seed: int, *, quick: bool) -> Iterator[Figure]:
    """Clocks of unanswered referrals. The four owners' statements are told directly, each second; nothing else of the platform runs."""
    numbers = [Numbers(10_000, 2_000, 300)] if quick else [Numbers(armed, 20_000 if armed > 10**5 else 5_000, 1500) for armed in SIZES]
    for each in numbers:
        yield from _fired(ground, Random(seed), each)


SIZES = (10_000, 100_000, 1_000_000)


def _fired(ground: Ground, dice: Random, numbers: Numbers) -> list[Figure]:
    with ground.store("monitoring") as store:
        worker = ClockWorker(engine=store.engine, codec=ground.codec, policies=Policies({"*": POLICY}), wake=lambda: None, tick=0.2)
        arm(ground, store, worker, dice, numbers)
        _step(store, OUTAGE)
        _state(store, OUTAGE)
        begin = perf_counter()
        looked = _until_none(worker)
        took = perf_counter() - begin
        raised = store.one("SELECT count(*) FROM own.alert")
        assert (looked, raised) == (numbers.missed, numbers.missed), f"{looked} cases looked at, {raised} alerts, of {numbers.missed}"
        _while_all_is_well(store, worker, numbers)
        with store.admin.begin() as connection:
            late = sorted(connection.execute(text(_LATENESS), {"live_from": LIVE}).scalars())
        assert len(late) == numbers.live
        assert late[0] >= 0, "a clock was decided before its time"
    name, note = f"{numbers.armed:,} armed", f"{numbers.missed:,} were due after the outage"
    lateness = f"{A_SECOND} due a second, owners state how far they are each {STATED_EVERY:g} s, the worker looks each 0.2 s"
    return [
        Figure(name=f"clocks fired, {name}", value=looked / took, unit="clocks/s", note=note),
        Figure(
            name=f"clocks, lateness, {name}",
            value=share(late, 0.99) * 1e3,
            unit="ms",
            p50=share(late, 0.5) * 1e3,
            p99=share(late, 0.99) * 1e3,
            less_is_better=True,
            note=lateness,
        ),
    ]


def arm(ground: Ground, store: Store, worker: ClockWorker, dice: Random, numbers: Numbers) -> None:
    """One case goes through the copies and is looked at; the others are copied from it by SQL, with ids and times of their own."""
    _read_template(ground, store, dice)
    moment = BEGIN + timedelta(minutes=1)
    _step(store, moment)
    _state(store, moment)
    assert worker.turn() == 1
    with store.admin.begin() as connection:
        for made in _FUNCTIONS:
            connection.execute(text(made))
        deadline = connection.execute(text("SELECT look_at FROM copy.watch")).scalar_one()
        values = {"missed": numbers.missed, "live": numbers.live, "count": numbers.armed, "a_second": A_SECOND}
        connection.execute(text(_ARM), values | {"outage": OUTAGE - timedelta(seconds=1), "live_from": LIVE})
        connection.execute(text(_FACTS), {"template": str(TEMPLATE), "deadline": deadline})
        for table in ("copy.fact", "copy.watch"):  # the template's own
            connection.execute(text(f"DELETE FROM {table} WHERE case_id = CAST(:template AS uuid)"), {"template": str(TEMPLATE)})
        connection.execute(text("INSERT INTO copy.watch (case_id, part, look_at) SELECT id, part, deadline FROM bench_case"))
    store.settled()


def _read_template(ground: Ground, store: Store, dice: Random) -> None:
    (referral_id,) = (UUID(int=dice.getrandbits(128), version=4),)
    offer = ReferralOffered(
        case_id=TEMPLATE, referral_id=referral_id, step_id=None, service_id=None, service_type="shelter", agency=AGENCIES[1], attempt=1
    )
    events = [received(TEMPLATE, AGENCIES[0]), opened(TEMPLATE, AGENCIES[0], under_way=True), offer]
    track = next(t for t in blueprint(Policies({"*": POLICY})).tracks(ground.codec) if t.schema == "copy")
    with store.engine.begin() as connection:
        track.prepare(connection)
        connection.execute(text("UPDATE copy.position SET generation = 1"))
    places: dict[str, int] = {}
    for event, envelope in envelopes(dice, events):
        headers = [(name, value) for name, value in to_headers(envelope) if isinstance(value, bytes)]
        offset = places.setdefault(event.TOPIC, 0)
        places[event.TOPIC] += 1
        key = str(TEMPLATE).encode()
        part = partition_of(key, track.topics[event.TOPIC])
        tally = track.apply(store.engine, [Record(event.TOPIC, part, offset, key, ground.codec.encode(event), headers)])
        assert tally.applied == 1, tally


def _step(store: Store, moment: datetime) -> None:
    with store.admin.begin() as connection:
        step_to(connection, moment)


def _state(store: Store, moment: datetime) -> None:
    """Every owner says that all it recorded before the moment has been read."""
    with store.engine.begin() as connection:
        ends: dict[str, list[int]] = {}
        for topic, following in connection.execute(text("SELECT topic, next FROM copy.position ORDER BY topic, part")):
            ends.setdefault(topic, []).append(following)
        owners = [(topic.owner, tuple(ends[topic.name])) for topic in case_topics(read_topics())]
        learn(connection, [Watermark(owner=o, generation=1, recorded_before=moment, next=following) for o, following in owners])
        prune(connection)


def _until_none(worker: ClockWorker) -> int:
    looked = 0
    while found := worker.turn():
        looked += found
    return looked


def _while_all_is_well(store: Store, worker: ClockWorker, numbers: Numbers) -> None:
    """System time goes on from where clocks come due, at its natural rate, until all of those are decided."""
    _step(store, LIVE)
    stop = threading.Event()
    threads = [threading.Thread(target=run, args=(stop,), daemon=True) for run in (worker.run, _stating(store))]
    for thread in threads:
        thread.start()
    end = perf_counter() + numbers.live / A_SECOND + 120
    while store.one("SELECT count(*) FROM own.alert") < numbers.missed + numbers.live:
        assert perf_counter() < end, "clocks are not decided in time"
        stop.wait(0.5)
    stop.set()
    for thread in threads:
        thread.join(30)


def _stating(store: Store) -> Callable[[threading.Event], None]:
    def run(stop: threading.Event) -> None:
        while not stop.wait(STATED_EVERY):
            with store.admin.begin() as connection:
                now = system_time(connection)
            _state(store, now)

    return run
