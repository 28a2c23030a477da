"""Fault 10: SIGTERM with a thousand requests in flight.

No 2xx without its row; and whoever got no answer asks again with the same Idempotency-Key: where there was a row, the answer is that row's,
where there was none, it is made now. So in the end there is one case for each key.
"""

import asyncio
import json
import random
import resource
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from sqlalchemy import text

from tests.faults import checker
from tests.faults.checker import Findings
from tests.faults.driver import Acknowledged, Ledger
from tests.faults.ground import REGION, Ground, Platform
from tests.faults.outcome import NotRun, Outcome

ROUNDS, ROUNDS_SHORT = 8, 2
IN_FLIGHT = 1000
MOST = 3 * IN_FLIGHT
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
    left, child, ask = number, platform.run.child("intake"), _Asking(platform)

    async def one(key: str) -> None:
        nonlocal left
        answers[key] = await ask.case_of(key)
        left -= answers[key] is not None
        if left == 0 and not child.stop_asked:
            child.ask_to_stop()

    await asyncio.gather(*(one(key) for key in answers))
    assert left <= 0, "it ended before it was told to"
    return answers


async def _ask(platform: Platform, keys: Iterable[str]) -> dict[str, UUID]:
    """Every command once more, with its key; by key, the case that is answered now. Raises where one has no answer even now."""
    found: dict[str, UUID] = {}
    left, ask = iter(list(keys)), _Asking(platform)

    async def some() -> None:
        for key in left:
            case = await ask.case_of(key)
            assert case is not None, "a service that runs did not answer by 201"
            found[key] = case

    await asyncio.gather(*(some() for _ in range(8)))
    return found


class _Asking:
    """HTTP in its plainest form, one connection a request: a client's pool is not made for thousands at once."""

    def __init__(self, platform: Platform) -> None:
        self._place = urlsplit(platform.run.urls["intake"])
        body = json.dumps(BODY)
        self._tail = f"Authorization: Bearer {platform.token(AGENCY)}\r\nContent-Length: {len(body)}\r\n\r\n{body}"

    async def case_of(self, key: str) -> UUID | None:
        """The case that a 201 names; None for no answer, one that was cut off, or another one."""
        head = "POST /api/cases HTTP/1.1\r\nHost: intake\r\nConnection: close\r\nContent-Type: application/json\r\n"
        try:
            reader, writer = await asyncio.open_connection(self._place.hostname, self._place.port)
            writer.write(f"{head}Idempotency-Key: {key}\r\n{self._tail}".encode())
            answer = await reader.read()
            writer.close()
        except OSError:
            return None
        status, _, body = answer.partition(b"\r\n\r\n")
        whole = status.startswith(b"HTTP/1.1 201") and body.endswith(b"}")
        return UUID(json.loads(body)["id"]) if whole else None


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
