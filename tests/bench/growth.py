"""What changes with the number of cases that are there already: the same work on tables of 10⁴, 10⁵ and 10⁶ of them."""

from collections.abc import Iterator
from hashlib import md5
from random import Random
from uuid import UUID

from casebus.contracts import intake
from casebus.contracts.intake import ParticipantRole
from casebus.event import Event
from casebus.http import BATCH_LIMIT
from tests.bench.commands import batch_bodies, batched, token
from tests.bench.figure import Figure
from tests.bench.ground import Ground, Store
from tests.bench.history import AGENCIES, OPEN_AT_ONCE, REGION, envelopes, interleaved, opened, publish
from tests.bench.pipeline import Course, deciding, participation_copy
from tests.bench.reading import paced, workers

SIZES = (10_000, 100_000, 1_000_000)
ID = "md5('case ' || i)::uuid"
_SHARED = f"""
    INSERT INTO copy.sharing (id, version, body) SELECT {ID}, 1, jsonb_build_object('id', {ID}, 'version', 1, 'region', '{REGION}',
      'lead', '{AGENCIES[0]}', 'lead_epoch', 1, 'active', jsonb_build_array('{AGENCIES[0]}'), 'asked', '[]'::jsonb, 'importing', null)
    FROM generate_series(1, :count) i"""
_KNOWN = f"INSERT INTO {{}}.inbox (topic, subject, seq) SELECT 'intake.case.v1', {ID}, 1 FROM generate_series(1, :count) i"
_PLANNED = """
    INSERT INTO own.plan (id, version, body) SELECT md5('other ' || i)::uuid, 1, jsonb_build_object('id', md5('other ' || i)::uuid,
      'version', 1, 'state', 'ACTIVE', 'plan_version', 1, 'goals', '[]'::jsonb, 'steps', '[]'::jsonb, 'outcome', null)
    FROM generate_series(1, :count) i"""
_INTAKE = (
    f"""INSERT INTO own.case (id, version, body) SELECT {ID}, 1, jsonb_build_object('id', {ID}, 'version', 1, 'state', 'RECEIVED',
      'region', '{REGION}', 'source', 'CLIENT', 'lead', '{AGENCIES[0]}', 'lead_epoch', 1, 'proposed_lead', null, 'priority', null,
      'parts', jsonb_build_object('{AGENCIES[0]}', jsonb_build_object('role', 'LEAD', 'state', 'ACTIVE')), 'importing', null)
      FROM generate_series(1, :count) i""",
    f"INSERT INTO own.head SELECT 'intake.case.v1', {ID}, 1, now() FROM generate_series(1, :count) i",
    f"""INSERT INTO own.outbox (topic, subject, case_seq, value, attributes, occurred_at, recorded_at)
      SELECT 'intake.case.v1', {ID}, 1, '\\x00'::bytea, '{{}}'::jsonb, now(), now() FROM generate_series(1, :count) i""",
    "UPDATE own.sent SET upto = (SELECT max(id) FROM own.outbox)",
    """INSERT INTO own.idempotency (principal, key, request, answer) SELECT 'city-hospital other', 'key ' || i, '\\x00'::bytea, '{}'::json
      FROM generate_series(1, :count) i""",
)


def grown(ground: Ground, seed: int, *, quick: bool) -> Iterator[Figure]:
    """The participation copy, planning's reactions and intake's batches, over so many cases. Each event is about another case."""
    sizes = SIZES[:1] if quick else SIZES
    for measure in (_projection, _deciding, _batches):
        for size in sizes:
            yield measure(ground, seed, size)


def case_of(number: int) -> UUID:
    """As the SQL above makes it."""
    return UUID(md5(f"case {number}".encode()).hexdigest())


def _some(dice: Random, size: int) -> list[UUID]:
    return [case_of(number) for number in dice.sample(range(1, size + 1), 10_000)]


def _projection(ground: Ground, seed: int, size: int) -> Figure:
    """Two events of each of ten thousand cases, a thousand at a time."""
    dice = Random(seed)
    course = participation_copy()

    def script(case: UUID) -> list[Event]:
        agency = dice.choice(AGENCIES[1:])
        asked = intake.AgencyInvited(case_id=case, agency=agency, role=ParticipantRole.OBSERVER)
        return [asked, intake.AgencyDeclinedInvitation(case_id=case, agency=agency)]

    rate = _read(ground, course, dice, [script(case) for case in _some(dice, size)], size, _SHARED, _KNOWN.format("copy"))
    return Figure(name=f"projection, {size:,} cases", value=rate, unit="events/s")


def _deciding(ground: Ground, seed: int, size: int) -> Figure:
    """A plan is drafted for each of ten thousand cases; so many others have theirs."""
    dice = Random(seed)
    scripts = [[opened(case, AGENCIES[0])] for case in _some(dice, size)]
    rate = _read(ground, deciding({}), dice, scripts, size, _PLANNED, _KNOWN.format("own"))
    return Figure(name=f"deciding, {size:,} cases", value=rate, unit="events/s")


def _read(ground: Ground, course: Course, dice: Random, scripts: list[list[Event]], size: int, *rows: str) -> float:
    known = {("intake.case.v1", script[0].subject): 1 for script in scripts}
    ground.afresh()
    total = publish(ground.cluster, ground.codec, envelopes(dice, interleaved(dice, scripts, OPEN_AT_ONCE), known))
    with ground.store("planning") as store:
        course.begin(ground, store)
        _fill(store, size, *rows)
        with workers(ground, store, course.track(ground), 1):
            return paced(store, course.schema, total).rate


def _batches(ground: Ground, seed: int, size: int) -> Figure:
    """New cases at intake, 200 a request."""
    ground.afresh()
    with ground.store("intake") as store:
        _fill(store, size, *_INTAKE)
        with ground.process(store) as (_, url):
            done = batched(url, token(ground), batch_bodies(Random(seed), 40))
    return Figure(name=f"commands in batches, {size:,} cases", value=done.rate * BATCH_LIMIT, unit="commands/s")


def _fill(store: Store, size: int, *rows: str) -> None:
    store.do("SET LOCAL synchronous_commit = off", *rows, count=size)
    store.settled()
