"""Many at once, and workers that die: each person gets one message, and no message is lost or said in other words.

`CONTINUUM_STORM=50000 .venv/bin/pytest -s tests/integration/monitoring/test_storm.py -k storm` runs it larger, and prints how long it took.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from casebus.contracts.intake import Priority
from casebus.identity import new_key_pair
from continuum.local import ports
from continuum.stack import CLONE
from services.monitoring.settings import Mail
from services.monitoring.telling import gathering
from tests.integration.monitoring.telling import listed, running, told
from tests.integration.monitoring.world import Case, World
from tests.receivers import MailBox
from tests.unit.monitoring.story import day
from tests.waiting import until

ALERTS = int(os.environ.get("CONTINUUM_STORM", "2000"))
PEOPLE = 40


@pytest.fixture
def world(telling_world: World) -> World:
    return telling_world


def test_a_storm_after_an_outage_sends_each_person_one_message(world: World, box: MailBox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all priorities, while two workers tell all the time. The last cases of a storm are few: by then only the time to settle holds."""
    monkeypatch.setattr(gathering, "SETTLES", timedelta(seconds=10))
    for number in range(PEOPLE):
        listed(world, f"p{number}", agency=f"agency-{number}")
    priorities = list(Priority)[:4]
    for number in range(ALERTS):
        case = Case(world, f"case {number}", lead=f"agency-{number % PEOPLE}", priority=priorities[number // PEOPLE % 4])
        case.receive(day(0)).open(day(0))
        if number % 1000 == 999:
            world.settle()
    world.go(day(1))
    world.step(day(15.5))
    world.settle()
    with running(world, workers=2):
        began = time.monotonic()
        world.state(day(15.5))
        world.decide()
        decided = time.monotonic()
        until(lambda: len(box.mails) == PEOPLE and not world.rows("SELECT FROM own.delivery WHERE state = 'QUEUED'"), 120)
        ended = time.monotonic()
    print(f"\n{ALERTS} alerts: decided in {decided - began:.1f} s, {PEOPLE} messages {ended - decided:.1f} s later")
    world.step(day(17))
    told(world)
    assert set(Counter(to for to, _ in box.mails).values()) == {1}
    assert sum(int(mail["Subject"].split()[1]) for _, mail in box.mails) == ALERTS


@contextmanager
def dying_workers(world: World, mail: Mail, folder: Path, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that do nothing but tell; each that was killed is to be started again by `start`."""
    (folder / "key.pem").write_bytes(new_key_pair()[1])
    assert world.telling.offer.seal is not None
    (folder / "seal.key").write_text(" ".join(world.telling.offer.seal.keys))
    found = [start(world, mail, folder) for _ in range(count)]
    try:
        yield found
    finally:
        for each in found:
            each.kill()
            each.wait(30)


def start(world: World, mail: Mail, folder: Path) -> subprocess.Popen[bytes]:
    settings = {
        "DATABASE_URL": world.engine.url.render_as_string(hide_password=False),
        "KAFKA_BOOTSTRAP": f"127.0.0.1:{ports.choose(0)[0]}",  # nobody is there, and telling needs nobody
        "CONTINUUM_PORT": str(ports.choose(0)[0]),
        "CONTINUUM_JWT_PUBLIC_KEY": str(folder / "key.pem"),
        "CONTINUUM_POLICIES": str(CLONE / "deploy" / "policies"),
        "CONTINUUM_SEAL_KEY_FILE": str(folder / "seal.key"),
        "CONTINUUM_SMTP_HOST": mail.host,
        "CONTINUUM_SMTP_PORT": str(mail.port),
        "CONTINUUM_SMTP_FROM": mail.sender,
        "CONTINUUM_SMTP_SECURITY": mail.security,
        "PYTHONPATH": str(CLONE),
    }
    command = [sys.executable, "-m", "services.monitoring.main", "--only", "notifications"]
    return subprocess.Popen(command, env=os.environ | settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_workers_that_are_killed_lose_no_message_and_say_none_differently(world: World, box: MailBox, tmp_path: Path) -> None:
    """Two processes share the work; one after the other is killed while mails go out. What one of them held, the next one has."""
    people = [f"p{number}" for number in range(60)]
    for person in people:
        listed(world, person)
    Case(world, priority=Priority.CRITICAL).receive(day(0)).open(day(0))
    world.go(day(1))
    world.go(day(15.1))
    dice = Random(7)

    box.answer = slowly
    assert world.telling.mail is not None
    with dying_workers(world, world.telling.mail, tmp_path, 2) as workers:
        for kill in range(1, 4):
            until(lambda kill=kill: len(box.mails) >= 10 * kill, 60)  # type: ignore[misc]  # a lambda with a default
            victim = dice.randrange(2)
            workers[victim].send_signal(signal.SIGKILL)
            workers[victim].wait(30)
            workers[victim] = start(world, world.telling.mail, tmp_path)
            world.do("UPDATE own.delivery SET next_at = clock_timestamp() WHERE state = 'QUEUED'")  # the time of what it held is over
        until(lambda: len({to for to, _ in box.mails}) == len(people), 60)
        until(lambda: all_settled(world), 60)
    said = defaultdict(set)
    for to, mail in box.mails:
        said[to].add((mail["Message-ID"], mail.get_content()))
    assert {len(each) for each in said.values()} == {1}
    assert world.rows("SELECT state, count(*) FROM own.delivery GROUP BY 1") == [("SENT", len(people))]


def slowly(_: str) -> str:
    """So that there is somebody to kill."""
    time.sleep(0.02)
    return "250 taken"


def all_settled(world: World) -> bool:
    """Where one is held still, its time is over."""
    world.do("UPDATE own.delivery SET next_at = clock_timestamp() WHERE state = 'QUEUED' AND next_at > clock_timestamp()")
    return not world.rows("SELECT FROM own.delivery WHERE state = 'QUEUED'")
