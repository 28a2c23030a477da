"""How long after its commit in one service a change is visible in another, at 500 commands a second."""

from itertools import count
from random import Random
from uuid import UUID

from sqlalchemy import text

from tests.bench import load
from tests.bench.commands import RECEIVE, token
from tests.bench.figure import Figure, share
from tests.bench.ground import Ground, Store
from tests.waiting import until

RATE, CONNECTIONS = 500, 32


def visible(ground: Ground, seed: int, *, quick: bool) -> list[Figure]:
    """New cases at intake, until planning has who takes part. Both moments are PostgreSQL's own, of the two commits."""
    seconds = 4.0 if quick else 20.0
    ground.afresh()
    with ground.store("intake") as intake, ground.store("planning") as planning:
        with ground.process(intake) as (_, url), ground.process(planning):
            who, numbers = token(ground), count(Random(seed).randrange(10**6))
            load.run(url, [_cases(who, numbers) for _ in range(CONNECTIONS)], 2, rate=RATE)  # all of it is connected and compiled
            _await_all(intake, planning)
            begun = intake.one("SELECT count(*) FROM own.case")
            done = load.run(url, [_cases(who, numbers) for _ in range(CONNECTIONS)], seconds, rate=RATE)
            done.must_be_done()
            _await_all(intake, planning)
        delays = _delays(intake, planning)[begun:]
    delays.sort()
    return [
        Figure(
            name="commit visible in another service",
            value=share(delays, 0.5) * 1e3,
            unit="ms",
            p50=share(delays, 0.5) * 1e3,
            p99=share(delays, 0.99) * 1e3,
            goal="p50 < 50 ms, p99 < 250 ms at 500/s",
            less_is_better=True,
            note=f"{done.rate:.0f} commands/s were asked for and answered of {RATE} wanted; their own p50 is"
            f" {share(done.latencies, 0.5) * 1e3:.0f} ms, p99 {share(done.latencies, 0.99) * 1e3:.0f} ms",
        )
    ]


def _cases(who: str, numbers: "count[int]") -> load.Talk:
    for number in numbers:
        yield load.post("/api/cases", who, RECEIVE, {"Idempotency-Key": f"visible-{number}"})


def _await_all(intake: Store, planning: Store) -> None:
    until(lambda: planning.one("SELECT count(*) FROM copy.sharing") == intake.one("SELECT count(*) FROM own.case"), 120)


def _delays(intake: Store, planning: Store) -> list[float]:
    """Seconds between the two commits of each case, in the order of the first."""
    query = "SELECT id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM {} ORDER BY 2"
    with intake.admin.begin() as here, planning.admin.begin() as there:
        seen: dict[UUID, float] = dict(there.execute(text(query.format("copy.sharing"))).tuples().all())
        return [seen[case] - moment for case, moment in here.execute(text(query.format("own.case")))]
