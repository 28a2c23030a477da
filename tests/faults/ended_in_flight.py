"""Fault 10: SIGTERM with a thousand requests in flight.

No 2xx without its row; and whoever got no answer asks again with the same Idempotency-Key: where there was a row, the answer is that row's,
where there was none, it is made now. So in the end there is one case for each key.
"""

import asyncio
import random
import resource
from collections.abc import Iterable, Mapping
from uuid import UUID, uuid4

import httpx
from sqlalchemy import text

from tests.faults import checker
from tests.faults.checker import Findings
from tests.faults.driver import Acknowledged, Ledger
from tests.faults.ground import REGION, Ground, Platform
from tests.faults.outcome import NotRun, Outcome

ROUNDS, ROUNDS_SHORT = 8, 2
IN_FLIGHT = 1000
MOST = 4 * IN_FLIGHT
"""As many as a service can't answer any more in the seconds that it has, so that some get no answer."""
AGENCY = "harbour"
BODY = {"region": REGION, "source": "CLIENT", "agency_kind": "HOSPITAL"}


def ended_in_flight(ground: Ground, seed: int, short: bool) -> Outcome:  # noqa: FBT001  # the signature of every fault
    dice, ledger, early = random.Random(seed), Ledger(), Findings()
    struck = 0
    _allow_connections(2 * MOST)
    with ground.platform() as platform:
        for _ in range(ROUNDS_SHORT if short else ROUNDS):
            answered = asyncio.run(_end_amid(platform, dice.randint(1, 400), dice.choice((IN_FLIGHT, MOST))))
            struck += 1
            child = platform.run.child("intake")
            assert child.wait(60), "it does not end"
            assert child.code == 0, f"it ended with code {child.code}"
            made = _rows(platform)
            early.add("lost", "2xx without its row", sum(case is not None and made.get(key) != case for key, case in answered.items()))
            platform.start("intake")
            again = asyncio.run(_ask(platform, answered))
            early.add("duplicated", "another answer to the same key", sum(again[key] != made[key] for key in made.keys() & again.keys()))
            _remember(ledger, again)
        found = checker.check(platform, ledger)
        found.counts += early.counts
    return found.outcome("ended-in-flight", struck=struck, ledger=ledger)


async def _end_amid(platform: Platform, number: int, unanswered: int) -> dict[str, UUID | None]:
    """SIGTERM after the `number`-th answer, while so many have none yet. By key, the case of its 2xx."""
    answers: dict[str, UUID | None] = {str(uuid4()): None for _ in range(unanswered + number)}
    left, child = number, platform.run.child("intake")

    async def one(client: httpx.AsyncClient, key: str) -> None:
        nonlocal left
        try:
            answer = await client.post("/api/cases", json=BODY, headers={"Idempotency-Key": key})
        except httpx.TransportError:
            return
        answers[key] = UUID(answer.json()["id"]) if answer.is_success else None
        left -= 1
        if left == 0:
            assert sum(case is None for case in answers.values()) >= unanswered
            child.ask_to_stop()

    async with _client(platform) as client:
        await asyncio.gather(*(one(client, key) for key in answers))
    assert left <= 0, "it ended before it was told to"
    return answers


async def _ask(platform: Platform, keys: Iterable[str]) -> dict[str, UUID]:
    """Every command once more, with its key, as often as it takes; by key, the case that is answered now."""
    found: dict[str, UUID] = {}
    left = asyncio.Queue[str]()
    for key in keys:
        left.put_nowait(key)

    async def some(client: httpx.AsyncClient) -> None:
        while not left.empty():
            key = left.get_nowait()
            answer = await client.post("/api/cases", json=BODY, headers={"Idempotency-Key": key})
            assert answer.status_code == httpx.codes.CREATED, answer.text
            found[key] = UUID(answer.json()["id"])

    async with _client(platform) as client:
        await asyncio.gather(*(some(client) for _ in range(8)))
    return found


def _client(platform: Platform) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {platform.token(AGENCY)}"}
    everything = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    return httpx.AsyncClient(base_url=platform.run.urls["intake"], headers=headers, timeout=60, limits=everything, trust_env=False)


def _allow_connections(number: int) -> None:
    """For us and the processes that we start. Raises NotRun where the system allows fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < number:
        if hard != resource.RLIM_INFINITY and hard < number:
            raise NotRun(f"it needs {number} open files: raise `ulimit -Hn`")
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))


def _rows(platform: Platform) -> dict[str, UUID]:
    """What was committed: by key, the case."""
    query = "SELECT i.key, c.id FROM own.idempotency i JOIN own.case c ON c.id = (i.answer -> 'body' ->> 'id')::uuid"
    with platform.engines["intake"].connect() as connection:
        return dict(connection.execute(text(query)).tuples().all())


def _remember(ledger: Ledger, made: Mapping[str, UUID]) -> None:
    for key, case in made.items():
        ledger.said.append(Acknowledged(owner="intake", type="intake.CaseReceived", case=case, seq=1, key=key, agency=AGENCY, about=case))
        ledger.holders[case].append(AGENCY)
