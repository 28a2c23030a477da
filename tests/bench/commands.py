"""Commands over HTTP against a service's process: one by one on 32 connections, and in batches of 200."""

from collections.abc import Iterator
from itertools import count
from random import Random

import orjson

from casebus.envelope import Role
from casebus.http import BATCH_LIMIT
from tests.bench import load
from tests.bench.capture import capture, digest, release, replayed
from tests.bench.figure import Figure, share
from tests.bench.ground import Ground, Store
from tests.bench.history import REGION, new_ids
from tests.bench.pipeline import wipe

CONNECTIONS, BATCH_CONNECTIONS = 32, 4
RECEIVE = b'{"region":"north","source":"CLIENT","agency_kind":"HOSPITAL"}'
TRIAGE = b'{"priority":"HIGH","nature":"HOUSING"}'


def cases(token: str, numbers: Iterator[int]) -> load.Talk:
    """Case after case: received, triaged, opened. A command waits for the answer to the one before, as a person's would."""
    for number in numbers:
        key = {"Idempotency-Key": f"bench-{number}-1"}
        answer = yield load.post("/api/cases", token, RECEIVE, key)
        case = _location(answer)
        key = {"Idempotency-Key": f"bench-{number}-2", "If-Match": '"1"'}
        yield load.post(f"{case}/triage", token, TRIAGE, key)
        key = {"Idempotency-Key": f"bench-{number}-3", "If-Match": '"2"'}
        yield load.post(f"{case}/opening", token, b"{}", key)


def _location(answer: bytes) -> str:
    head = answer.partition(b"\r\n\r\n")[0].lower()
    _, found, rest = head.partition(b"\r\nlocation: ")
    assert found, answer[:300]
    return rest.split(b"\r\n", 1)[0].decode()


def batches(token: str, bodies: Iterator[bytes]) -> load.Talk:
    for body in bodies:
        answer = yield load.post("/api/commands/batch", token, body, {})
        assert answer.count(b'"status":201') == BATCH_LIMIT, answer[:500]


def batch_bodies(dice: Random, number: int) -> list[bytes]:
    """Batches of 200 new cases each."""
    return [
        orjson.dumps({"commands": [{"key": str(key), "command": "receive-case", "body": orjson.loads(RECEIVE)} for key in keys]})
        for keys in (new_ids(dice, BATCH_LIMIT) for _ in range(number))
    ]


def token(ground: Ground) -> str:
    return ground.issuer.token(actor="bench", role=Role.WORKER, agency="city-hospital", region=REGION)


def one_by_one(ground: Ground, seed: int, *, quick: bool) -> list[Figure]:
    """Three commands a case on 32 connections."""
    seconds = 4.0 if quick else 15.0
    ground.afresh()
    with ground.store("intake") as store:
        ours = _loaded(ground, store, seconds)
    with ground.store("intake") as store:
        naive = _loaded(ground, store, seconds, "tests.bench.naive_service")
    bound = _bound(ground, seconds / 2)
    note = f"{CONNECTIONS} connections; the load generator takes {ours.cpu * 1e6:.0f} µs a request; {len(ours.latencies)} requests"
    return [
        Figure(
            name="commands over HTTP",
            value=ours.rate,
            unit="requests/s",
            naive=naive.rate,
            bound=bound,
            p50=share(ours.latencies, 0.5) * 1e3,
            p99=share(ours.latencies, 0.99) * 1e3,
            goal="≥ 8 × naive, p99 < 100 ms",
            note=note,
        )
    ]


def _loaded(ground: Ground, store: Store, seconds: float, *module: str) -> load.Load:
    with ground.process(store, *module) as (_, url):
        who = token(ground)
        numbers = count()
        load.run(url, [cases(who, numbers) for _ in range(CONNECTIONS)], 1)  # connects, compiles
        done = load.run(url, [cases(who, numbers) for _ in range(CONNECTIONS)], seconds)
        done.must_be_done()
    return done


def _bound(ground: Ground, seconds: float) -> float:
    """Commands a second if SQL alone brought their rows, on as many sessions as there were connections."""
    with ground.store("intake") as store:
        capture(store)
        with ground.process(store, "services.intake.main", "--only", "api") as (_, url):
            numbers, who = count(), token(ground)
            done = load.run(url, [cases(who, numbers) for _ in range(CONNECTIONS)], seconds)
            done.must_be_done()
        return _replay(store, sessions=CONNECTIONS)


def _replay(store: Store, sessions: int) -> float:
    release(store)
    left = _rows(store)
    commands = store.one("SELECT count(*) FROM own.idempotency")
    wipe(store)
    took = replayed(store, sessions=sessions)
    assert _rows(store) == left, "SQL alone must leave the same rows"
    return commands / took


def _rows(store: Store) -> str:
    """How many rows each table holds. Several sessions don't keep the order of a case's commands, so what is in them may differ."""
    return "\n".join(line.rpartition(",")[0] for line in digest(store).splitlines())


def in_batches(ground: Ground, seed: int, *, quick: bool) -> list[Figure]:
    """200 commands a request, on four connections."""
    number, dice = (40 if quick else 400), Random(seed)
    ground.afresh()
    with ground.store("intake") as store, ground.process(store) as (_, url):
        ours = batched(url, token(ground), batch_bodies(dice, number))
    with ground.store("intake") as store, ground.process(store, "tests.bench.naive_service") as (_, url):
        numbers, who = count(), token(ground)
        naive = load.run(url, [cases(who, numbers) for _ in range(CONNECTIONS)], 5)
        naive.must_be_done()
    with ground.store("intake") as store:
        capture(store)
        with ground.process(store, "services.intake.main", "--only", "api") as (_, url):
            batched(url, token(ground), batch_bodies(dice, number // 2))
        bound = _replay(store, BATCH_CONNECTIONS)
    return [
        Figure(
            name="commands in batches",
            value=ours.rate * BATCH_LIMIT,
            unit="commands/s",
            naive=naive.rate,
            bound=bound,
            p50=share(ours.latencies, 0.5) * 1e3,
            p99=share(ours.latencies, 0.99) * 1e3,
            goal="≥ 10,000/s",
            note=f"{BATCH_LIMIT} commands a request, {BATCH_CONNECTIONS} connections; p50 and p99 of a request",
        )
    ]


def batched(url: str, who: str, bodies: list[bytes]) -> load.Load:
    """Send all of them, four at a time."""
    coming = iter(bodies)
    done = load.run(url, [batches(who, coming) for _ in range(BATCH_CONNECTIONS)], load.LONGEST)
    done.must_be_done()
    return done
