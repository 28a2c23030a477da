"""Child processes that never outlive us: not a stop, not a crash, and on Linux not even a kill -9 of ours."""

import contextlib
import fcntl
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

LEASH = Path(__file__).with_name("leash.py")
LOG_LIMIT = 8_000_000
TICK = 0.02


class LocalFailure(Exception):
    """This machine stopped us. The first line of its text says what happened and what to do; a log's end may follow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """An account of this machine that a program runs as."""

    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """What to run: the command with its absolute path, a log that takes its output, additions to our environment."""

    name: str
    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM


class Child:
    """A running program. Made by `Supervisor.start`."""

    def __init__(self, program: Program, on_end: Callable[["Child"], None]) -> None:
        self.program = program
        self.stop_asked = False
        self._ended = threading.Event()
        self._log_start = _room_in(program.log)
        begun: Future[subprocess.Popen[bytes]] = Future()
        threading.Thread(target=self._keep, args=(begun, on_end), name=f"keeper of {program.name}", daemon=True).start()
        self._process = begun.result()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code (negative: the signal that ended it), None while it runs."""
        return self._process.returncode if self._ended.is_set() else None

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it has ended, waiting for that as long as said."""
        return self._ended.wait(seconds)

    def ask_to_stop(self) -> None:
        """Sends the program's stop signal and returns at once."""
        self.stop_asked = True
        self._process.send_signal(self.program.stop_signal)

    def kill(self) -> None:
        """Ends it and its own children without asking, and waits for that."""
        self.stop_asked = True
        _kill_group(self.pid)
        self._ended.wait()

    def log_tail(self, lines: int = 15) -> str:
        """The end of what this child, not an earlier one, wrote to its log."""
        with self.program.log.open("rb") as log:
            log.seek(self._log_start)
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])

    def failure(self, what: str) -> LocalFailure:
        """An error that says what happened to this child, with the end of its log."""
        return LocalFailure(f"{self.program.name} {what} (its log: {self.program.log})\n{self.log_tail()}".rstrip())

    def _keep(self, begun: "Future[subprocess.Popen[bytes]]", on_end: Callable[["Child"], None]) -> None:
        # The system ties a child's life to the thread that forked it, so this thread stays as long as the child.
        try:
            process = _spawn(self.program)
        except OSError as problem:
            begun.set_exception(LocalFailure(f"{self.program.name} cannot be started: {problem}"))
            return
        begun.set_result(process)
        with contextlib.suppress(ChildProcessError):  # already waited for by send_signal
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        _kill_group(process.pid)  # what it started and left behind, while its number is still its own
        process.wait()
        self._ended.set()
        on_end(self)


class Supervisor:
    """Starts children and ends them all when closed. Safe to use from several threads."""

    def __init__(self) -> None:
        self._children: list[Child] = []
        self._crashed: queue.SimpleQueue[Child] = queue.SimpleQueue()
        self._held = ExitStack()
        self._door = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def start(self, program: Program) -> Child:
        """Starts a program; raises LocalFailure if the system refuses, or the supervisor has been closed."""
        with self._door:
            if self._closed:
                raise LocalFailure(f"{program.name} is not started: everything is being stopped")
            child = Child(program, self._on_end)
            self._children.append(child)
            return child

    def hold(self, resource: AbstractContextManager[object]) -> None:
        """Keeps a resource (a lock) until the last child has ended."""
        self._held.enter_context(resource)

    def await_ready(self, child: Child, ready: Callable[[], bool], *, seconds: float) -> None:
        """Returns once `ready` says so; raises LocalFailure if the child ends first or the time is over."""
        deadline = time.monotonic() + seconds
        while not ready():
            if child.wait(TICK):
                child.stop_asked = True  # said here, not again by next_crash
                raise child.failure(f"ended with code {child.code} before it was ready")
            if time.monotonic() > deadline:
                raise child.failure(f"is not ready after {seconds:.0f} s")

    def next_crash(self, seconds: float | None = None) -> Child | None:
        """The next child that ended without being asked to, or None when none did within the time."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            try:
                child = self._crashed.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return None
            if not child.stop_asked:
                return child

    def stop(self, *children: Child, within: float = 10.0) -> None:
        """Asks the children to stop, all at once, and kills those that still run after nine tenths of the time."""
        deadline = time.monotonic() + within * 0.9
        for child in children:
            child.ask_to_stop()
        for child in children:
            if not child.wait(max(0.0, deadline - time.monotonic())):
                child.kill()

    def close(self, *, within: float = 10.0) -> None:
        """Stops all children, and only then lets go of what is held. Nothing can be started afterwards."""
        with self._door:
            self._closed = True
        self.stop(*self._children, within=within)
        self._held.close()

    def _on_end(self, child: Child) -> None:
        self._crashed.put(child)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Makes SIGTERM and SIGHUP end us as Ctrl-C does, so that `with` blocks stop what they started. Main thread only."""
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Holds a lock file; raises LocalFailure when another process holds it. The lock ends with its process, however that ends."""
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise LocalFailure(
                f"{what} in {path.parent} belongs to another run of continuum (process {holder}): stop that one first"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def end_orphan(pid_file: Path, *, mark: str) -> None:
    """Kills the process whose number the file's first line gives, if its command line holds `mark`; then removes the file."""
    if not pid_file.exists():
        return
    first_line = pid_file.read_text().partition("\n")[0].strip()
    if first_line.isdigit() and mark in command_line(int(first_line)):
        _kill_group(int(first_line))
        while mark in command_line(int(first_line)):
            time.sleep(TICK)
    pid_file.unlink(missing_ok=True)


def command_line(pid: int) -> str:
    """The command line of a process, empty when there is none with this number."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            return ""
    return subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout


def _spawn(program: Program) -> subprocess.Popen[bytes]:
    account = f"{program.account.uid}:{program.account.gid}" if program.account else "-"
    leash = (sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), account)
    with program.log.open("ab") as log:
        return subprocess.Popen(
            (*leash, *program.command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **program.environment},
            cwd=program.folder,
            start_new_session=True,  # a terminal's Ctrl-C is for us; we stop the children in order
        )


def _room_in(log: Path) -> int:
    log.parent.mkdir(parents=True, exist_ok=True)
    size = log.stat().st_size if log.exists() else 0
    if size < LOG_LIMIT:
        return size
    log.replace(log.with_suffix(log.suffix + ".old"))
    return 0


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # PermissionError: only its zombie is left (macOS)
        os.killpg(pid, signal.SIGKILL)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
