"""`python -m tests.faults [NAME …] [--short] [--hours H] [--seed N]`: strikes, one fault after the other, and says what came of it.

Exit code 1 when anything was lost, doubled, out of order or falsely told, when a fault never struck, or could not be run here.
"""

import argparse
import random
import sys
import time
import traceback

from tests.faults import report
from tests.faults.outcome import NotRun, Outcome
from tests.faults.registry import FAULTS, Fault, by_name


def main() -> None:
    asked = _arguments()
    try:
        faults = by_name(asked.names)
    except KeyError as error:
        sys.exit(f"there is no fault {error}: choose of {', '.join(fault.name for fault in FAULTS)}")
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(10**6)
    end = time.monotonic() + asked.hours * 3600
    totals: dict[str, Outcome] = {}
    failed: list[str] = []
    rounds = 0
    while rounds == 0 or time.monotonic() < end:
        for fault in faults:
            _strike(fault, seed + rounds, totals, failed, short=asked.short)
            report.write_json(totals.values())
        rounds += 1
    report.write_page(totals, seed, short=asked.short)
    print(f"{len(totals)} of {len(faults)} faults ran in {rounds} round(s) from seed {seed}: {', '.join(failed) or 'all hold'}")
    sys.exit(1 if failed else 0)


def _strike(fault: Fault, seed: int, totals: dict[str, Outcome], failed: list[str], *, short: bool) -> None:
    try:
        outcome = fault.strike(seed, short=short)
    except NotRun as reason:
        failed.append(f"{fault.name} was not run ({reason})")
    except Exception:  # noqa: BLE001  # the next fault is struck all the same; this one has failed
        traceback.print_exc()
        failed.append(f"{fault.name} failed (seed {seed})")
    else:
        totals[fault.name] = totals[fault.name].plus(outcome) if fault.name in totals else outcome
        print(outcome, flush=True)
        if not outcome.holds:
            failed.append(f"{fault.name} {'did harm' if outcome.struck else 'never struck'} (seed {seed})")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which faults; all of them without a name")
    parser.add_argument("--short", action="store_true", help="the short versions, as the gate runs them")
    parser.add_argument("--hours", type=float, default=0.0, help="go on with new seeds for so long; one round at least")
    parser.add_argument("--seed", type=int, help="of all that is random; one is made and told without it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
