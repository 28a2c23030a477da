"""`python -m services.monitoring.stream worker | rebuild`."""

import sys

from casebus.cluster import Cluster
from casebus.derived import StillRead, forget
from casebus.registry import RegistryAway
from casebus.schemas import UnknownSchema
from casebus.settings import MissingSetting, read_cluster
from casebus.topics import read_topics
from services.monitoring.stream import worker
from services.monitoring.stream.settings import StreamSettings


def main(arguments: list[str]) -> int:
    """Runs the command. 2: it is none, or a setting is missing; 1: a worker still runs."""
    try:
        match arguments:
            case ["worker"]:
                worker.run(StreamSettings.from_environment())
            case ["rebuild"]:
                _rebuild(read_cluster())
            case _:
                return _say("usage: python -m services.monitoring.stream worker|rebuild", 2)
    except (MissingSetting, UnknownSchema, RegistryAway) as missing:
        return _say(missing, 2)
    except StillRead as reader:
        return _say(reader, 1)
    return 0


def _rebuild(cluster: Cluster) -> None:
    changelogs = [topic for topic in read_topics() if topic.name == worker.CHANGELOG]
    forget(cluster, worker.APP, changelogs, patience=worker.SESSION_SECONDS * 1.5)


def _say(what: object, code: int) -> int:
    print(what, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
