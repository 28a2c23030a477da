"""One service as a process: its API beside threads of plain synchronous code for the relay, the consumers and whatever else it runs."""

import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event as Signal
from threading import Thread
from time import monotonic

import uvicorn
from fastapi import FastAPI
from sqlalchemy import Connection, Engine, text

from casebus import telemetry
from casebus.codec import Codec
from casebus.consumer import Consumer
from casebus.errors import LogBroken
from casebus.kafka import Log
from casebus.relay import Relay, claim
from casebus.topics import Topic
from casebus.track import Track

STOP_SECONDS = 4
log = telemetry.logger(__name__)
Job = Callable[[Signal], None]


@dataclass
class RelayLoop:
    """Keeps one Relay alive: waits as a standby, and makes it again after a lost session, a fatal producer or a missing broker."""

    engine: Engine
    bootstrap: str
    owner: str
    topics: Mapping[str, Topic]
    codec: Codec
    watermark_seconds: float
    wake: Signal = field(default_factory=Signal)
    stopped_because: str | None = None

    def run(self, stop: Signal) -> None:
        while not stop.is_set():
            try:
                with self.engine.connect() as connection:
                    self._serve(connection, stop)
            except LogBroken as error:
                self.stopped_because = str(error)
                log.error("relay stopped", reason=str(error))
                stop.wait(5)
            except Exception as error:
                telemetry.RELAY_FAILURES.labels(self.owner).inc()
                log.warning("relay begins again", error=type(error).__name__)
                stop.wait(0.5)

    def _serve(self, connection: Connection, stop: Signal) -> None:
        try:
            while not claim(connection):
                if stop.wait(0.5):
                    return
            kafka = Log(self.bootstrap)
            try:
                self._pump(Relay(connection, kafka, dict(self.topics), self.owner, self.codec), stop)
            finally:
                kafka.close()
        finally:
            connection.invalidate()  # the claim ends with the session

    def _pump(self, relay: Relay, stop: Signal) -> None:
        self.stopped_because = None
        due = 0.0
        while not stop.is_set():
            if (now := monotonic()) >= due:
                relay.barrier()
                due = now + self.watermark_seconds
            sent = relay.drain()
            if sent:
                telemetry.PUBLISHED.labels(self.owner).inc(sent)
            self.wake.wait(0.02)
            self.wake.clear()
        relay.drain()


@dataclass(kw_only=True)
class Service:
    """What runs in this process. `jobs` are named; a job that returns early without being told to is reported by `faults`."""

    name: str
    app: FastAPI | None
    port: int
    jobs: Mapping[str, Job]

    def run(self) -> None:
        """Until SIGTERM or SIGINT; then everything ends within 5 s, with nothing lost: what is not sent waits in the outbox."""
        for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises what it caught once more, at its end
            signal.signal(number, lambda *_: None)
        stop = Signal()
        threads = [Thread(target=job, args=(stop,), name=name, daemon=True) for name, job in self.jobs.items()]
        for thread in threads:
            thread.start()
        if self.app is not None:
            self._serve(self.app)
        else:
            _wait_for_signal()
        stop.set()
        for thread in threads:
            thread.join(STOP_SECONDS)

    def _serve(self, app: FastAPI) -> None:
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, log_config=None, timeout_graceful_shutdown=3, access_log=False)
        uvicorn.Server(config).run()


def _wait_for_signal() -> None:
    ours, theirs = socket.socketpair()
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    theirs.setblocking(False)
    ours.recv(1)


def bus_faults(engine: Engine, relay: RelayLoop | None, consumers: list[Consumer]) -> list[str]:
    """For /readyz: what keeps this service from doing its work."""
    found = [worker.stopped_because for worker in [relay, *consumers] if worker is not None and worker.stopped_because]
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except Exception as error:
        found.append(f"the database does not answer ({type(error).__name__})")
    return found


def consumers_of(engine: Engine, bootstrap: str, tracks: list[Track]) -> list[Consumer]:
    return [Consumer(engine, bootstrap, track) for track in tracks]
