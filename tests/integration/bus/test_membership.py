"""Looking who reads what of a group, while its broker comes and goes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from casebus.cluster import Cluster
from casebus.membership import unread
from continuum.local import kafka, ports, postgres
from continuum.local.process import Supervisor

ASKS_TOO_EARLY = """
import sys
from casebus.cluster import Cluster
from casebus.kafka import BrokerFailure
from casebus.membership import unread
try:
    unread(Cluster(sys.argv[1]), "some.readers", {"some": 2}, but="me")
except BrokerFailure as silence:  # it keeps what was asked alive, as whoever handles it does
    print("no answer", flush=True)
    sys.stdin.readline()
    for left in reversed(range(60)):
        try:
            print(len(unread(Cluster(sys.argv[1]), "some.readers", {"some": 2}, but="me")))
            break
        except BrokerFailure:
            if not left:
                raise
"""


@pytest.fixture
def own_broker(local_home: Path) -> Iterator[tuple[str, int]]:
    """One that may be frozen: its address and its process."""
    home = local_home / "own-broker"
    with Supervisor() as supervisor:
        port, controller_port = ports.choose(0, 0)
        address = kafka.start(supervisor, home=home, port=port, controller_port=controller_port)
        yield address, int((home / "kafka" / "pid").read_text())
    postgres.erase(home)


def test_an_answer_that_comes_too_late_ends_no_process(own_broker: tuple[str, int]) -> None:
    address, pid = own_broker
    os.kill(pid, signal.SIGSTOP)
    try:
        command = (sys.executable, "-c", ASKS_TOO_EARLY, address)
        asking = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert asking.stdout is not None
        assert asking.stdout.readline() == "no answer\n"
    finally:
        os.kill(pid, signal.SIGCONT)
    said, complaint = asking.communicate("\n", timeout=480)
    assert (asking.returncode, said) == (0, "2\n"), (asking.returncode, said, complaint[-2000:])
    assert len(unread(Cluster(address), "some.readers", {"some": 2, "other": 1}, but="me")) == 3
