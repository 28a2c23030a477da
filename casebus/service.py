"""One service as a process: its API beside threads of plain synchronous code for the relay, the consumers and whatever else it runs."""

import gc
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event as Signal
from threading import Thread
from time import monotonic, time
from typing import ClassVar

import uvicorn
from fastapi import FastAPI
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from casebus import metrics, telemetry, tracing
from casebus.cluster import Cluster
from casebus.codec import Codec
from casebus.consumer import Consumer, rest_after
from casebus.errors import LogBroken
from casebus.kafka import Log, name_of
from casebus.relay import Relay, claim
from casebus.settings import MissingSetting
from casebus.topics import Topic

API_SECONDS = 3
"""What requests in flight have when the service is told to end."""
JOB_SECONDS = 1.5
"""What the jobs have after that. One that is still waiting for a broker is left: everything it does is done again by the next."""
FEW, TOGETHER_SECONDS = 100, 0.15
"""A relay that has sent fewer waits a little for what is stated next, to send it together; at most so long."""
LOOK_SECONDS = 0.05
"""How often a relay looks for what another process of its service has stated; of its own it is told at once."""
TELEMETRY_SECONDS = 0.4
"""And what is left for the last spans, after the jobs."""
log = telemetry.logger(__name__)
Job = Callable[[Signal], None]


@dataclass
class RelayLoop:
    """Keeps one Relay alive: waits as a standby, and makes it again after a lost session, a fatal producer or a missing broker."""

    engine: Engine
    cluster: Cluster
    owner: str
    topics: Mapping[str, Topic]
    codec: Codec
    watermark_seconds: float
    wake: Signal = field(default_factory=Signal)
    stopped_because: str | None = None
    name: ClassVar = "relay"

    def run(self, stop: Signal) -> None:
        while not stop.is_set():
            try:
                with self.engine.connect() as connection:
                    self._serve(connection, stop)
            except LogBroken as error:
                self.stopped_because = str(error)
                log.error("relay stopped", reason=str(error))
                stop.wait(5)
            except Exception as error:  # noqa: BLE001  # whatever failed: a new session, a new producer, new barriers
                metrics.RELAY_FAILURES.labels(self.owner).inc()
                log.warning("relay begins again", error=name_of(error))
                stop.wait(0.5)

    def _serve(self, connection: Connection, stop: Signal) -> None:
        working = metrics.RELAY_WORKING.labels(self.owner)
        working.set(0)
        try:
            while not claim(connection):
                if stop.wait(0.5):
                    return
            kafka = Log(self.cluster)
            try:
                relay = Relay(connection, kafka, dict(self.topics), self.owner, self.codec)
                working.set(1)
                self._pump(relay, stop)
            finally:
                working.set(0)
                kafka.close()
        finally:
            connection.invalidate()  # the claim ends with the session

    def _pump(self, relay: Relay, stop: Signal) -> None:
        self.stopped_because = None
        due, every = 0.0, max(self.watermark_seconds, 0.01)
        while not stop.is_set():
            if (now := monotonic()) >= due:
                relay.barrier()
                due = now + every - time() % every  # all owners at the same moments: who reads them learns of all at once
            began = monotonic()
            sent = relay.drain()
            if sent:
                metrics.PUBLISHED.labels(self.owner).inc(sent)
                stop.wait(rest_after(monotonic() - began, TOGETHER_SECONDS) if sent < FEW else 0)
            self.wake.wait(LOOK_SECONDS)
            self.wake.clear()
        relay.drain()


@dataclass(kw_only=True)
class Service:
    """What runs in this process: jobs in threads, by name, and the web server. A job that ends unasked is named by `faults`."""

    name: str
    app: FastAPI
    port: int
    host: str = "127.0.0.1"
    jobs: Mapping[str, Job]
    faults: list[str] = field(default_factory=list)
    _stop: Signal = field(default_factory=Signal)

    def run(self) -> None:
        """Until SIGTERM or SIGINT; then everything ends within 5 s, with nothing lost: what is not sent waits in the outbox."""
        config = uvicorn.Config(
            self.app, host=self.host, port=self.port, log_config=None, timeout_graceful_shutdown=API_SECONDS, access_log=False
        )
        server = uvicorn.Server(config)

        def end(*_: object) -> None:  # before the server listens, and once more when it raises what it caught, at its end
            server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        threads = [Thread(target=self._work, args=(name, job), name=name, daemon=True) for name, job in self.jobs.items()]
        for thread in threads:
            thread.start()
        gc.collect()
        gc.freeze()  # what is there now stays: no collection looks at it again, which would take longer than a hundred requests
        gc.set_threshold(100_000)  # young things, two batches of records among them, are mostly gone by themselves when it comes to them
        server.run()
        self._stop.set()
        deadline = monotonic() + JOB_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - monotonic()))
        tracing.finish(TELEMETRY_SECONDS)

    def _work(self, name: str, job: Job) -> None:
        mend = "start the service again"
        try:
            job(self._stop)
            ended = "it ended"
        except Exception as error:  # noqa: BLE001  # whatever ended it, /readyz must say so
            ended = type(error).__name__
            if isinstance(error, MissingSetting):
                mend = f"{error}; then {mend}"
        if not self._stop.is_set():
            self.faults.append(f"{name} does not run any more ({ended}): {mend}")
            log.error("job ended", job=name, reason=ended)


def bus_faults(engine: Engine, relay: RelayLoop | None, consumers: list[Consumer]) -> list[str]:
    """For /readyz: what keeps this service from doing its work."""
    found = [worker.stopped_because for worker in [relay, *consumers] if worker is not None and worker.stopped_because]
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        found.append(f"the database does not answer ({type(error).__name__})")
    return found
