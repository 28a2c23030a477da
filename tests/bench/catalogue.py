"""Every measurement, by the name under which it is asked for."""

from collections.abc import Mapping
from typing import Protocol

from tests.bench import commands, pipeline, relaying, telemetry
from tests.bench.figure import Figure
from tests.bench.ground import Ground


class Measurement(Protocol):
    """Takes the servers and a seed; `quick` means a tenth of the load."""

    def __call__(self, ground: Ground, seed: int, *, quick: bool) -> list[Figure]: ...


MEASUREMENTS: Mapping[str, Measurement] = {
    "projection": pipeline.project,
    "deciding": pipeline.decide,
    "commands": commands.one_by_one,
    "batches": commands.in_batches,
    "relay": relaying.relay,
    "telemetry": telemetry.telemetry,
}
