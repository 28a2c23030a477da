"""The board: what its queries take over the cases of ten million events, for a coordinator and for an agency."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from runpy import run_path
from time import perf_counter
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.event import listen, remove

from casebus.envelope import Role
from casebus.identity import Principal
from continuum.stack import CLONE
from services.monitoring import board
from tests.bench.figure import Figure, share
from tests.bench.ground import Ground, Store

REGIONS, AGENCIES = 10, 40
EVENTS_A_CASE = 10
TIMES = 30
SIZES = (10_000, 100_000, 1_000_000)
TALLIES, CELLS = map(run_path(str(CLONE / "services/monitoring/migrations/versions/0005_board_cells.py")).__getitem__, ("TALLIES", "CELLS"))
"""The migration counts the rows that it finds: here, those of the fill."""
_CASES = """
    CREATE UNLOGGED TABLE bench_case AS
    SELECT md5('case ' || i)::uuid AS id, 'region-' || (i % :regions) AS region,
      'agency-' || (i / :regions % :agencies) AS lead, 'agency-' || ((i / :regions + 1 + i % (:agencies - 1)) % :agencies) AS taker,
      (ARRAY['RECEIVED', 'TRIAGED', 'PLANNING', 'ACTIVE', 'ACTIVE', 'ACTIVE', 'CLOSED', 'CLOSED'])[1 + i % 8] AS stage,
      timestamptz '2026-01-05' + i % 200000 * interval '1 minute' AS at, i
    FROM generate_series(1, :count) i"""
_ROWS = (
    """INSERT INTO copy.case_view (id, version, body) SELECT id, 10, jsonb_build_object('id', id, 'version', 10, 'region', region,
      'priority', 'MEDIUM', 'since', at, 'intake_stage', 'OPENED', 'planning_stage', stage, 'stage', stage, 'holder', taker, 'lead', lead,
      'imports', '{}'::jsonb, 'steps', '[{}]'::jsonb) FROM bench_case""",
    """INSERT INTO copy.sharing (id, version, body) SELECT id, 3, jsonb_build_object('id', id, 'version', 3, 'region', region, 'lead', lead,
      'lead_epoch', 1, 'active', jsonb_build_array(lead, taker), 'asked', '[]'::jsonb, 'importing', null) FROM bench_case""",
    """INSERT INTO copy.hand_off (case_id, number, region, from_agency, to_agency, at) SELECT id, n, region,
      CASE n WHEN 1 THEN lead ELSE taker END, CASE n WHEN 1 THEN taker ELSE lead END, at + n * interval '3 days'
      FROM bench_case, generate_series(1, 2) n""",
    """INSERT INTO own.follow_up (id, version, body) SELECT md5('follow-up ' || i || ' ' || n)::uuid, 1, jsonb_build_object('case_id', id,
      'number', n, 'due_at', at + n * interval '14 days', 'done_at', CASE WHEN n < 3 THEN at + n * interval '13 days' END,
      'missed_at', CASE WHEN (i + n) % 10 = 0 THEN at + n * interval '15 days' END, 'made_up_at', null, 'cancelled', false)
      FROM bench_case, generate_series(1, 3) n""",
    """INSERT INTO own.alert (id, version, body) SELECT md5('alert ' || i)::uuid, 1, jsonb_build_object('case_id', id, 'region', region,
      'agency', taker, 'rule', (ARRAY['MISSED_FOLLOW_UP', 'STALLED_CASE', 'REFERRAL_UNANSWERED'])[1 + i / 4 % 3],
      'rung', (ARRAY['WORKER', 'SUPERVISOR', 'COORDINATOR'])[1 + i / 12 % 3],
      'state', CASE WHEN i % 12 = 0 THEN 'RAISED' ELSE 'RESOLVED' END,
      'due_at', at, 'raised_at', at + interval '1 day', 'escalations', i / 12 % 3, 'target_agency', null, 'policy_version', 'bench/1',
      'subject_id', id) FROM bench_case WHERE i % 4 = 0""",
    TALLIES,
    CELLS,
    """INSERT INTO copy.stock_cell SELECT region, holder, stage, count(*) FROM copy.case_view WHERE stage <> 'CLOSED' GROUP BY 1, 2, 3""",
    "INSERT INTO copy.flow_cell SELECT region, from_agency, to_agency, count(*) FROM copy.hand_off GROUP BY 1, 2, 3",
)
WHOLE = "≤ 50 ms"
COORDINATOR = Principal(actor="bench", role=Role.COORDINATOR, agency="regional-office", region="region-1", reads_only=True)
WORKER = Principal(actor="bench", role=Role.WORKER, agency="agency-7", region="region-1", reads_only=True)
PAIR = {"giver": "agency-7", "taker": "agency-9"}
Read = Callable[[Connection], Any]


def read(ground: Ground, seed: int, *, quick: bool) -> Iterator[Figure]:
    """The board and its lists, after the events of 10⁴, 10⁵ and 10⁶ cases. Facts themselves aren't there: the board reads none."""
    for size in SIZES[:1] if quick else SIZES:
        with ground.store("monitoring") as store:
            fill(store, size)
            for name, one, goal in _READS:
                yield _measured(store, size, name, one, goal)


def fill(store: Store, cases: int) -> None:
    """What the copies would hold, by SQL: each case has two hand-offs and three follow-ups, each fourth an alert, a third of them open."""
    store.do("SET LOCAL synchronous_commit = off", _CASES, *_ROWS, regions=REGIONS, agencies=AGENCIES, count=cases)
    store.settled()


_READS: tuple[tuple[str, Read, str], ...] = (
    ("board, a pair's hand-offs", lambda c: board.hand_offs(c, COORDINATOR, board.Page(20, None), **PAIR), "≤ 5 ms"),
    ("board, whole, a coordinator's", lambda c: board.board(c, COORDINATOR), WHOLE),
    ("board, whole, an agency's", lambda c: board.board(c, WORKER), WHOLE),
)


def _measured(store: Store, cases: int, name: str, one: Read, goal: str) -> Figure:
    """The median of several reads; the note says which statements take the longest."""
    took, by_statement = [], defaultdict[str, list[float]](list)
    for attempt in range(TIMES):
        with _watching(store.engine, by_statement if attempt else defaultdict(list)), store.engine.begin() as connection:
            begin = perf_counter()
            one(connection)
            took.append(perf_counter() - begin)
    took.sort()
    slowest = sorted(((share(sorted(times), 0.5), what) for what, times in by_statement.items()), reverse=True)[:3]
    return Figure(
        name=f"{name}, {cases:,} cases",
        value=share(took, 0.5) * 1e3,
        unit="ms",
        p50=share(took, 0.5) * 1e3,
        p99=took[-1] * 1e3,
        goal=goal,
        less_is_better=True,
        note=f"{cases * EVENTS_A_CASE:,} events; " + ", ".join(f"{what} {seconds * 1e3:.1f} ms" for seconds, what in slowest),
    )


@contextmanager
def _watching(engine: Engine, times: dict[str, list[float]]) -> Iterator[None]:
    """The seconds of each statement, by the table that it reads last."""
    since = [0.0]

    def before(*_: Any) -> None:
        since[0] = perf_counter()

    def after(_: Any, __: Any, statement: str, *___: Any) -> None:
        tables = [word for word in statement.replace("(", " ").split() if word.startswith(("own.", "copy."))]
        times[tables[-1] if tables else "other"].append(perf_counter() - since[0])

    listen(engine, "before_cursor_execute", before)
    listen(engine, "after_cursor_execute", after)
    try:
        yield
    finally:
        remove(engine, "before_cursor_execute", before)
        remove(engine, "after_cursor_execute", after)
