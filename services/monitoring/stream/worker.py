"""The Faust worker, the only place that imports Faust.

Faust acknowledges a message whose agent raised, and a kill -9 can lose or double table updates. So nothing that must not be lost passes
through here; the agent catches, counts and goes on; and what is applied twice changes nothing (ledger.py).
"""

import asyncio
import logging
from typing import Any, Final

import faust
from faust.auth import Credentials
from faust.web import Request, Response, View
from prometheus_client import generate_latest

from casebus import metrics, telemetry
from casebus.cluster import Cluster
from casebus.codec import Codec
from casebus.registry import RegistryAway, schema_ids
from casebus.topics import case_topics, read_topics
from services.monitoring.stream.ledger import Ledger
from services.monitoring.stream.settings import StreamSettings

APP: Final = "monitoring.stream"
"""Faust's app id: the consumer group, and the beginning of the changelogs' names."""
TABLE: Final = "cases"
CHANGELOG: Final = f"{APP}-{TABLE}-changelog"
SESSION_SECONDS: Final = 10.0
"""How long the group waits for a worker that was killed, unless another takes its place at once."""
REPEAT_SECONDS: Final = 30.0
AGAIN_SECONDS: Final = 1.0

log = telemetry.logger(__name__)


class Stream:
    """What happened since the start, and whether the table is recovered."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.errors = 0
        self.ready = False

    def take(self, message: Any) -> bool:
        """Apply a message; False where it has to be given again, since the registry doesn't answer.

        Whatever it raises is counted and logged, never raised: Faust would acknowledge it just the same.
        """
        try:
            applied = self.ledger.take(topic=message.topic, key=message.key, headers=message.headers, value=message.value)
        except RegistryAway as away:
            log.warning("waits for the registry", reason=str(away))
            return False
        except Exception as error:  # noqa: BLE001  # one record costs itself, whatever is wrong with it
            self._refuse(message, error)
        else:
            metrics.EVENTS.labels(APP, "applied" if applied else "passed").inc()
        return True

    async def recovered(self) -> None:
        """The table is as the changelog says."""
        self.ledger.recount()
        self.ready = True

    def trend(self) -> dict[str, Any]:
        """The windows as they are now. `at` is the greatest time of recording seen, None where nothing is."""
        flow = self.ledger.flow
        return {"estimate": True, "at": flow.latest and flow.latest.isoformat(), "windows": flow.rows(), "errors": self.errors}

    def _refuse(self, message: Any, error: Exception) -> None:
        self.errors += 1
        metrics.EVENTS.labels(APP, "error").inc()
        if self.errors & (self.errors - 1) == 0:  # the 1st, 2nd, 4th, 8th …: a flood of rubbish is not a flood of lines
            place = {"topic": message.topic, "partition": message.partition, "offset": message.offset}
            log.warning("record passed over", error=type(error).__name__, errors=self.errors, **place)


def make_app(settings: StreamSettings) -> faust.App:
    """The app with its table, its agent and its pages. It creates no topic: schemas/topics declares them, the changelog's too."""
    topics = case_topics(read_topics())
    app = _Diskless(APP, **_configuration(settings, topics[0].partitions))
    # Keyed by case as the topics are, with as many partitions: a case's record lies in the partition that its events come from.
    cases = app.Table(TABLE, key_type=bytes, value_type=bytes, partitions=topics[0].partitions)
    stream = Stream(Ledger(Codec(schema_ids(settings.registry_url)), cases))
    cases.on_recover(stream.recovered)
    source = app.topic(*(topic.name for topic in topics), key_serializer="raw", value_serializer="raw", allow_empty=True)

    async def follow(events: Any) -> None:
        async for event in events.events():
            while not stream.take(event.message):
                await asyncio.sleep(AGAIN_SECONDS)

    app.agent(source, name="follow")(follow)
    _add_pages(app, stream)
    return app


def run(settings: StreamSettings) -> None:
    """Runs until SIGTERM or SIGINT; ends the process."""
    telemetry.configure(APP, level="WARNING")
    for handler in logging.getLogger().handlers:
        handler.addFilter(_OneOfAKind())
    worker = faust.Worker(make_app(settings), quiet=True, override_logging=False, redirect_stdouts=False)
    worker.spinner = None  # it writes to the terminal even when told to be quiet
    worker.execute_from_commandline()


class _OneOfAKind(logging.Filter):
    """While the broker is away its client says so many times a second: each message once in a while is enough."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.name, str(record.msg)
        if record.created - self._said.get(kind, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return False
        self._said[kind] = record.created
        return True


class _Diskless(faust.App):
    """Its tables are in memory and its changelogs in Kafka, so it makes no folders where it happens to run."""

    def _create_directories(self) -> None:
        return None


def _configuration(settings: StreamSettings, partitions: int) -> dict[str, Any]:
    return {
        "env_prefix": "CONTINUUM_FAUST",  # else a stray WEB_BIND or BROKER_URL in the environment would win over what stands here
        "broker": [f"kafka://{address.strip()}" for address in settings.kafka.bootstrap.split(",")],
        "broker_credentials": _credentials(settings.kafka),
        "canonical_url": f"http://{APP}/",  # whatever the port: Faust refuses an assignment made for another address
        "broker_session_timeout": SESSION_SECONDS,
        "consumer_auto_offset_reset": "earliest",
        "consumer_group_instance_id": f"{APP}-1",
        "processing_guarantee": "at_least_once",
        "key_serializer": "raw",
        "value_serializer": "raw",
        "store": "memory://",
        "table_standby_replicas": 0,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "topic_partitions": partitions,
        "stream_wait_empty": False,
        "web_bind": settings.host,
        "web_host": "127.0.0.1",
        "web_port": settings.port,
        "web_router_enabled": False,
        "web_tables_enabled": False,
        "worker_redirect_stdouts": False,
    }


def _credentials(cluster: Cluster) -> Credentials | None:
    """The cluster's protocol and login in Faust's terms; None for a plain connection."""
    trust, login = cluster.trust(), cluster.login
    if cluster.protocol.signs_in and login is not None:
        return faust.SASLCredentials(username=login.username, password=login.password, mechanism=login.mechanism.value, ssl_context=trust)
    return faust.SSLCredentials(trust) if trust else None


def _add_pages(app: faust.App, stream: Stream) -> None:
    async def trend(web: View, request: Request) -> Response:
        if not stream.ready:
            return web.json({"title": "The table is being recovered", "status": 503}, status=503, headers={"Retry-After": "1"})
        return web.json(stream.trend())

    async def livez(web: View, request: Request) -> Response:
        return web.json({"status": "alive"})

    async def metrics(web: View, request: Request) -> Response:
        return web.bytes(generate_latest(), content_type="text/plain")

    for path, page in (("/flow/trend/", trend), ("/livez/", livez), ("/livez", livez), ("/metrics/", metrics)):
        app.page(path, name=path)(page)
