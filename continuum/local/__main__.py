"""`python -m continuum.local`: a broker in the foreground, for work on one part of the project. `make kafka` runs it."""

import os
import sys
from pathlib import Path

from continuum.local import kafka, ports
from continuum.local.process import LocalFailure, Supervisor, ended_by_signals


def main() -> None:
    home = Path(os.environ.get("CONTINUUM_HOME", ".continuum")).absolute()
    port, controller_port = ports.choose(8492, 8493)
    try:
        with ended_by_signals(), Supervisor() as supervisor:
            print(
                f"Kafka answers on {kafka.start(supervisor, home=home, port=port, controller_port=controller_port)}; Ctrl-C ends it.",
                flush=True,
            )
            if crashed := supervisor.next_crash():
                raise crashed.failure(f"ended with code {crashed.code}")
    except KeyboardInterrupt:
        print("Kafka has stopped.")
    except LocalFailure as failure:
        sys.exit(str(failure))


if __name__ == "__main__":
    main()
