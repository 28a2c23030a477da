"""`python -m services.monitoring.stream worker | rebuild`."""

import sys

from casebus.derived import StillRead, forget
from casebus.settings import needed
from casebus.topics import Kind, read_topics
from services.monitoring.stream import worker
from services.monitoring.stream.settings import StreamSettings


def main(arguments: list[str]) -> int:
    """Runs the command; 2 where it is none, 1 where a worker still runs."""
    match arguments:
        case ["worker"]:
            worker.run(StreamSettings.from_environment())
            return 0
        case ["rebuild"]:
            return _rebuild(needed("KAFKA_BOOTSTRAP"))
        case _:
            print("usage: python -m services.monitoring.stream worker|rebuild", file=sys.stderr)
            return 2


def _rebuild(bootstrap: str) -> int:
    changelogs = [topic for topic in read_topics() if topic.kind is Kind.CHANGELOG and topic.name.startswith(f"{worker.APP}-")]
    try:
        forget(bootstrap, worker.APP, changelogs, patience=worker.SESSION_SECONDS * 1.5)
    except StillRead as why:
        print(why, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
