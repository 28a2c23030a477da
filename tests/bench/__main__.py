"""`python -m tests.bench [NAME ...] [--quick] [--seed N]`: measure, print, write build/bench.json and the table of docs/performance.md."""

import argparse
import gc
import sys

from continuum.local.process import ended_by_signals
from tests.bench import report
from tests.bench.catalogue import MEASUREMENTS
from tests.bench.figure import Figure
from tests.bench.ground import ground
from tests.bench.machine import described

SEED = 20261122


def main() -> None:
    asked = _asked()
    chosen = asked.names or list(MEASUREMENTS)
    unknown = [name for name in chosen if name not in MEASUREMENTS]
    if unknown:
        sys.exit(f"no measurement {', '.join(unknown)}: choose of {', '.join(MEASUREMENTS)}")
    figures: list[Figure] = []
    machine = described()
    command = " ".join(["python -m tests.bench", *asked.names, *(["--quick"] if asked.quick else []), f"--seed {asked.seed}"])
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000)  # as a service does (casebus/service.py): parts of ours are measured in this process
    with ended_by_signals(), ground() as servers:
        for name in chosen:
            print(f"… {name}: {(MEASUREMENTS[name].__doc__ or '').partition(chr(10))[0]}", file=sys.stderr, flush=True)
            for figure in MEASUREMENTS[name](servers, asked.seed, quick=asked.quick):
                figures.append(figure)
                print(report.line(figure), flush=True)
                report.write_json(figures)  # at once: a run that is ended keeps what it has
            if not asked.quick:
                report.write_table(figures, machine, command)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASUREMENTS)}; all, unless named")
    parser.add_argument("--quick", action="store_true", help="a tenth of the load; the table in the docs stays as it is")
    parser.add_argument("--seed", type=int, default=SEED)
    return parser.parse_args()


if __name__ == "__main__":
    main()
