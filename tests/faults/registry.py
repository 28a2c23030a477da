"""The faults, in the order of docs/reliability.md. A new one is a file with one function, and its line here."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.ground import Ground, ground
from tests.faults.kills import kills
from tests.faults.outcome import Outcome
from tests.faults.watermarks.storm import watermarks


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """`run(ground, seed, short)` strikes and says what came of it; it raises where continuum doesn't heal. `in_gate`: in `make test`."""

    name: str
    promise: str
    run: Callable[[Ground, int, bool], Outcome]
    in_gate: bool = False

    @property
    def file(self) -> str:
        return self.run.__module__.replace(".", "/") + ".py"

    def strike(self, seed: int, *, short: bool) -> Outcome:
        """Once, on a ground of its own."""
        begun = time.monotonic()
        with ground() as own:
            outcome = self.run(own, seed, short)
        return outcome.lasting(time.monotonic() - begun)


FAULTS = (
    Fault(name="kills", promise="kill -9 of every service at every step, and at random", run=kills, in_gate=True),
    Fault(name="watermarks", promise="alerts are an oracle's, whatever is frozen, killed or made again", run=watermarks, in_gate=True),
)


def by_name(names: list[str]) -> list[Fault]:
    """These faults, or all. Raises KeyError for a name that there isn't."""
    known = {fault.name: fault for fault in FAULTS}
    return [known[name] for name in names] if names else list(FAULTS)
