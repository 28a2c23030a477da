"""How every service is put together from its parts; `main.py` of a service is its Blueprint and one call."""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event as Signal
from typing import TypeVar

from fastapi import APIRouter
from sqlalchemy import Connection, Engine

from casebus import database, telemetry
from casebus.cluster import Cluster
from casebus.codec import Codec
from casebus.consumer import Consumer
from casebus.copies import Copies
from casebus.desk import Desk, Spec
from casebus.event import Event
from casebus.gauges import Gauges
from casebus.http import build_app, command_routes
from casebus.idempotency import Forgetting
from casebus.identity import Verifier
from casebus.kafka import Ends
from casebus.registry import RegistryAway, schema_ids
from casebus.schemas import UnknownSchema
from casebus.service import Job, RelayLoop, Service, bus_faults
from casebus.settings import MissingSetting, ServiceSettings
from casebus.topics import Kind, Topic, read_topics
from casebus.track import Handler, Track
from casebus.work import Work

S = TypeVar("S", bound=ServiceSettings)
COPIED_AT_ONCE, DONE_AT_ONCE = 5000, 1000
"""Records a transaction. Copies lock nothing that requests wait for: theirs may be long, and cost fewer rows a record."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What a service's further jobs may need."""

    engine: Engine
    codec: Codec
    cluster: Cluster
    make_work: Callable[[Connection], Work]
    wake: Callable[[], None]
    busy: Signal = field(default_factory=Signal)
    """Set by a job of which the work is more urgent than the copies: these wait a while."""


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """A service: its name, what it does and reads, its copies and reactions, and further jobs by their `--only` name."""

    name: str
    title: str
    description: str
    make_work: Callable[[Connection, Codec], Work]
    specs: Callable[[], dict[str, Spec]]
    reading: Callable[[Desk], APIRouter]
    copies: Mapping[type[Event], Handler]
    reactions: Mapping[type[Event], Handler]
    make_copies: Callable[[Connection, Codec], Work] = Copies
    """The Work of the copies."""
    jobs: Callable[[Parts], Mapping[str, Job]] = field(default=lambda _: {})
    gauges: Callable[[Connection], None] = field(default=lambda _: None)
    """Looks up the metrics that only this service has."""

    def topics(self) -> dict[str, Topic]:
        """The event topics that this service writes."""
        return {t.name: t for t in read_topics() if t.owner == self.name and t.kind in (Kind.CASE, Kind.WATCH)}

    def work_on(self, codec: Codec, schema: str = "own") -> Callable[[Connection], Work]:
        make = self.make_copies if schema == "copy" else self.make_work
        return lambda connection: make(connection, codec)

    def tracks(self, codec: Codec) -> list[Track]:
        """Copies and reactions, each where there are any."""
        partitions = {topic.name: topic.partitions for topic in read_topics()}
        made = []
        for schema, handlers, most in (("copy", self.copies, COPIED_AT_ONCE), ("own", self.reactions, DONE_AT_ONCE)):
            if handlers:
                topics = {kind.TOPIC: partitions[kind.TOPIC] for kind in handlers}
                work = self.work_on(codec, schema)
                made.append(
                    Track(service=self.name, schema=schema, topics=topics, handlers=handlers, make_work=work, codec=codec, most=most)
                )
        return made

    def desk(self, engine: Engine, codec: Codec, wake: Callable[[], None] = lambda: None) -> Desk:
        tracks = {track.schema: frozenset(track.topics) for track in self.tracks(codec)}
        return Desk(
            service=self.name, engine=engine, codec=codec, make_work=self.work_on(codec), specs=self.specs(), tracks=tracks, wake=wake
        )


class UnknownPart(Exception):
    """A service has no part of that name; the message lists those it has."""


def build(blueprint: Blueprint, settings: ServiceSettings, only: str | None = None) -> Service:
    """Connect and wire; nothing runs yet. `only` names one part of the process, None is all of it.

    Every process answers /livez, /readyz and /metrics; /api only where `api` runs. Raises UnknownPart, and what `schema_ids` raises.
    """
    engine = database.connect(settings.database_url)
    codec = Codec(schema_ids(settings.registry_url))
    relay = RelayLoop(engine, settings.kafka, blueprint.name, blueprint.topics(), codec, settings.watermark_seconds)
    parts = Parts(engine=engine, codec=codec, cluster=settings.kafka, make_work=blueprint.work_on(codec), wake=relay.wake.set)
    consumers = _consumers(parts, blueprint.tracks(codec))
    reading = list(consumers.values())
    offered: dict[str, Mapping[str, Job]] = {
        "api": {"forgetting": Forgetting(engine).run},
        "relay": {"relay": relay.run},
        "consumer": {track: consumer.run for track, consumer in consumers.items()},
        **{track: {track: consumer.run} for track, consumer in consumers.items()},
        **{name: {name: job} for name, job in blueprint.jobs(parts).items()},
    }
    if only is not None and only not in offered:
        raise UnknownPart(f"{blueprint.name} has no part {only}: choose one of {', '.join(offered)}")
    chosen = offered if only is None else {only: offered[only]}
    desk = blueprint.desk(engine, codec, relay.wake.set)
    faults: list[str] = []
    app = build_app(
        blueprint.title,
        blueprint.description,
        Verifier(settings.public_key, production=settings.production),
        lambda: bus_faults(engine, relay, reading) + faults,
        [blueprint.reading(desk), command_routes(desk)] if "api" in chosen else [],
    )
    gauges = Gauges(
        engine=engine,
        ends=Ends(settings.kafka),
        owner=blueprint.name,
        tracks=blueprint.tracks(codec),
        stopped=lambda: {relay.name: bool(relay.stopped_because), "job": bool(faults)} | {c.name: bool(c.stopped_because) for c in reading},
        more=blueprint.gauges,
    )
    jobs = {name: job for group in chosen.values() for name, job in group.items()} | {"gauges": gauges.run}
    return Service(name=blueprint.name, app=app, host=settings.host, port=settings.port, jobs=jobs, faults=faults)


def _consumers(parts: Parts, tracks: list[Track]) -> dict[str, Consumer]:
    """By the tracks' names. The copies give way; reactions are somebody's work, too."""
    busy: dict[str, Callable[[], bool]] = {"own": lambda: False, "copy": parts.busy.is_set}
    return {track.name: Consumer(parts.engine, parts.cluster, track, busy[track.schema]) for track in tracks}


def run(design: Callable[[S], Blueprint], settings_of: type[S]) -> None:
    """The whole of a service's process. `design` gives its blueprint by its settings."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", help="one part of the process: api, relay, consumer, or a job of its own")
    only = parser.parse_args().only
    try:
        settings = settings_of.from_environment()
        blueprint = design(settings)
        telemetry.configure(blueprint.name, otlp_endpoint=settings.otlp_endpoint)
        service = build(blueprint, settings, only)
    except (MissingSetting, UnknownPart, UnknownSchema, RegistryAway) as error:
        sys.exit(str(error))
    service.run()
