"""Every measurement, by the name under which it is asked for."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from tests.bench import backtesting, board, clocks, commands, growth, lateness, pipeline, rebuilding, relaying, telemetry, visible, whole
from tests.bench.figure import Figure
from tests.bench.ground import Ground


class Measurement(Protocol):
    """Takes the servers and a seed; `quick` means a tenth of the load."""

    def __call__(self, ground: Ground, seed: int, *, quick: bool) -> Iterable[Figure]: ...


MEASUREMENTS: Mapping[str, Measurement] = {
    "projection": pipeline.project,
    "deciding": pipeline.decide,
    "commands": commands.one_by_one,
    "batches": commands.in_batches,
    "relay": relaying.relay,
    "visible": visible.visible,
    "rebuild": rebuilding.again,
    "clocks": clocks.fired,
    "lateness": lateness.late,
    "backtest": backtesting.tried,
    "board": board.read,
    "telemetry": telemetry.telemetry,
    "growth": growth.grown,
    "processes": whole.sized,
}
