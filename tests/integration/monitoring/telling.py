"""What tests of telling share: people with addresses, and workers that tell them."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event as Signal
from threading import Thread, enumerate
from typing import Any

from casebus.envelope import Role
from casebus.identity import Principal
from tests.integration.monitoring.world import World
from tests.unit.monitoring.story import LEAD, REGION
from tests.waiting import until

ADDRESS = "w1@example.org"
OPERATOR = Principal(actor="op", role=Role.OPERATOR, agency="operations", region=REGION, reads_only=False)


def somebody(person: str = "w1", agency: str = LEAD, role: Role = Role.WORKER) -> Principal:
    return Principal(actor=person, role=role, agency=agency, region=REGION, reads_only=False)


def listed(world: World, person: str = "w1", function: str = "WORKER", *, agency: str = LEAD) -> Principal:
    """Somebody of the directory, with an e-mail address."""
    entry: dict[str, Any] = {"person": person, "agency": agency, "region": REGION, "functions": [function]}
    assert world.ask("list-person", OPERATOR, **entry).is_done
    herself = somebody(person, agency)
    assert world.ask("add-contact-point", herself, channel="EMAIL", address=f"{person}@example.org").is_done
    return herself


def told(world: World) -> None:
    """Everything that is to go out now has been tried."""
    while world.teller.gather():
        pass
    while world.teller.deliver():
        until(lambda: not any(thread.name.startswith("tell-") for thread in enumerate()))


@contextmanager
def running(world: World, workers: int = 1) -> Iterator[None]:
    """So many workers, until the block ends."""
    stop = Signal()
    threads = [Thread(target=world.new_teller().run, args=(stop,), daemon=True) for _ in range(workers)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
