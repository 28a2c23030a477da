"""Child processes: they are watched, they stop, and they never outlive us."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from continuum.local.process import LocalFailure, Program, Supervisor, command_line, end_orphan, locked
from tests.waiting import until

SLEEPER = "import time; print('awake', flush=True); time.sleep(60)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('awake', flush=True); time.sleep(60)"


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor() as supervisor:
        yield supervisor


def python(tmp_path: Path, code: str) -> Program:
    return Program(name="sample", command=(sys.executable, "-c", code), log=tmp_path / "sample.log")


def says_awake(tmp_path: Path) -> Callable[[], bool]:
    return lambda: (tmp_path / "sample.log").read_text().endswith("awake\n")


def test_a_child_that_ends_by_itself_is_noticed(supervisor: Supervisor, tmp_path: Path) -> None:
    child = supervisor.start(python(tmp_path, "raise SystemExit(3)"))
    assert supervisor.next_crash(10) is child
    assert child.code == 3


def test_a_child_that_was_asked_to_stop_is_no_crash(supervisor: Supervisor, tmp_path: Path) -> None:
    child = supervisor.start(python(tmp_path, SLEEPER))
    supervisor.stop(child)
    assert child.code == -signal.SIGTERM
    assert supervisor.next_crash(0) is None


def test_a_child_that_dies_before_it_is_ready_fails_with_the_end_of_its_own_log(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "sample.log").write_text("from an earlier run\n")
    child = supervisor.start(python(tmp_path, "print('no room'); raise SystemExit(1)"))
    with pytest.raises(LocalFailure, match=r"sample ended with code 1 before it was ready .*\nno room") as failure:
        supervisor.await_ready(child, lambda: False, seconds=10)
    assert "earlier" not in str(failure.value)


def test_a_child_that_is_never_ready_fails_in_time(supervisor: Supervisor, tmp_path: Path) -> None:
    child = supervisor.start(python(tmp_path, SLEEPER))
    with pytest.raises(LocalFailure, match="not ready"):
        supervisor.await_ready(child, lambda: False, seconds=0.1)


def test_a_program_that_does_not_exist_fails_with_its_name(supervisor: Supervisor, tmp_path: Path) -> None:
    child = supervisor.start(Program(name="ghost", command=("/nowhere/ghost",), log=tmp_path / "ghost.log"))
    with pytest.raises(LocalFailure, match="/nowhere/ghost: No such file"):
        supervisor.await_ready(child, lambda: False, seconds=10)


def test_a_child_that_does_not_listen_is_killed_in_time(supervisor: Supervisor, tmp_path: Path) -> None:
    child = supervisor.start(python(tmp_path, DEAF))
    supervisor.await_ready(child, says_awake(tmp_path), seconds=10)
    supervisor.close(within=0.5)
    assert child.code == -signal.SIGKILL


def test_nothing_starts_after_the_end(tmp_path: Path) -> None:
    with Supervisor() as supervisor:
        pass
    with pytest.raises(LocalFailure, match="being stopped"):
        supervisor.start(python(tmp_path, SLEEPER))


def test_what_a_child_started_ends_with_it(supervisor: Supervisor, tmp_path: Path) -> None:
    grandchild = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]).pid, flush=True)"
    child = supervisor.start(python(tmp_path, grandchild))
    assert child.wait(10)
    until(lambda: SLEEPER not in command_line(int(child.log_tail().split()[0])))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children of a parent that was killed")
def test_nothing_survives_a_kill_of_the_parent(tmp_path: Path) -> None:
    parent = (
        "from pathlib import Path; from continuum.local.process import *; import sys, threading\n"
        f"program = Program(name='sample', command=(sys.executable, '-c', {DEAF!r}), log=Path({str(tmp_path / 'sample.log')!r}))\n"
        "supervisor = Supervisor()\n"
        "starter = threading.Thread(target=lambda: print(supervisor.start(program).pid, flush=True)); starter.start(); starter.join()\n"
        "supervisor.next_crash()"
    )
    process = subprocess.Popen((sys.executable, "-c", parent), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        pid = int(process.stdout.readline())
    until(lambda: (tmp_path / "sample.log").exists() and says_awake(tmp_path)())
    assert DEAF in command_line(pid), "the child outlived the thread that started it, and is there to be killed"
    process.kill()
    process.wait()
    until(lambda: DEAF not in command_line(pid))


def test_a_folder_belongs_to_one_run_at_a_time(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with locked(lock, "the sample"), pytest.raises(LocalFailure, match=f"process {os.getpid()}"), locked(lock, "the sample"):
        pass
    with locked(lock, "the sample"):
        pass


def test_an_orphan_of_ours_is_ended_and_a_stranger_with_its_number_is_not(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    process = subprocess.Popen((sys.executable, "-c", SLEEPER, "our-mark"), stdout=subprocess.DEVNULL, start_new_session=True)
    until(lambda: "our-mark" in command_line(process.pid))
    pid_file.write_text(f"{process.pid}\n")
    end_orphan(pid_file, mark="another mark")
    assert process.poll() is None
    assert not pid_file.exists()
    pid_file.write_text(f"{process.pid}\n")
    end_orphan(pid_file, mark="our-mark")
    assert process.wait(10) == -signal.SIGKILL
