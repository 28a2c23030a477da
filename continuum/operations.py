"""What operators do to a service's store and log: refill an emptied broker, rebuild copies, settle what is in quarantine."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, NullPool, create_engine

from casebus import quarantine as kept
from casebus.assembly import Blueprint
from casebus.codec import Codec
from casebus.kafka import Log
from casebus.rebuild import rebuild
from casebus.registry import schema_ids
from casebus.relay import RelayRuns, reseed
from casebus.schemas import LockedIds
from casebus.settings import given
from casebus.topic_admin import apply
from casebus.topics import read_topics
from casebus.track import Track
from continuum.local.process import LocalFailure
from continuum.stack import CLONE, SERVICES, chosen_cluster, home_folder, last_run

Service = Annotated[str, typer.Argument(help=f"One of: {', '.join(SERVICES)}.")]
Number = Annotated[int, typer.Argument(help="The entry's number, as `quarantine list` shows it.")]
TrackName = Annotated[str, typer.Option("--track", help="copies or reactions.")]
SCHEMAS = {"copies": "copy", "reactions": "own"}


def blueprint_of(service: str) -> Blueprint:
    """The service's design; its code is read only now. Raises typer.BadParameter for what is no service."""
    if service not in SERVICES:
        raise typer.BadParameter(f"one of: {', '.join(SERVICES)}")
    main = import_module(f"services.{service}.main")
    if service == "monitoring":
        folder = Path(os.environ.get("CONTINUUM_POLICIES") or CLONE / "deploy" / "policies")
        found: Blueprint = main.blueprint(import_module("services.monitoring.policies").read_policies(folder))
    else:
        found = main.BLUEPRINT
    return found


@contextmanager
def database_of(service: str) -> Iterator[Engine]:
    """The service's database as its owner: DATABASE_URL, else that of the local run."""
    url = given("DATABASE_URL")
    if url is None:
        databases = last_run(home_folder())["databases"]
        url = databases[service] if isinstance(databases, Mapping) else ""
    engine = create_engine(url, poolclass=NullPool)
    try:
        yield engine
    finally:
        engine.dispose()


def track_of(service: str, track: str) -> Track:
    """Raises typer.BadParameter where the service has no such track."""
    schema = SCHEMAS.get(track)
    found = [one for one in blueprint_of(service).tracks(Codec(schema_ids(os.environ.get("SCHEMA_REGISTRY_URL")))) if one.schema == schema]
    if not found:
        raise typer.BadParameter(f"{service} has no track of this name: copies or reactions")
    return found[0]


def reseed_service(service: Service) -> None:
    """Send everything that a service ever stated again: after its topic was lost, emptied or trimmed. Readers drop what they had.

    Example: `continuum reseed intake`
    """
    design = blueprint_of(service)
    topics = design.topics()
    cluster = chosen_cluster(home_folder())
    apply(cluster, read_topics())
    with database_of(service) as engine:
        try:
            count = reseed(engine, Log(cluster), topics)
        except RelayRuns as error:
            raise LocalFailure(str(error)) from None
    typer.echo(f"{count} events of {service} will be sent, in a new generation")


def rebuild_service(service: Service) -> None:
    """Empty a service's copies of the others and read them again from Kafka. What it did itself is not repeated.

    Example: `continuum rebuild monitoring`
    """
    blueprint_of(service)
    with database_of(service) as engine:
        rebuild(engine)
    typer.echo(f"the copies of {service} are read again from the beginning")


def list_quarantine(
    service: Service,
    state: Annotated[str, typer.Option(help="OPEN, REPLAYED or DISCARDED.")] = "OPEN",
) -> None:
    """Show what could not be applied, and why.

    Example: `continuum quarantine list monitoring`
    """
    if state not in ("OPEN", "REPLAYED", "DISCARDED"):
        raise typer.BadParameter("OPEN, REPLAYED or DISCARDED", param_hint="--state")
    table = Table("track", "number", "topic", "partition", "offset", "case", "seq", "type", "reason", "since")
    with database_of(service) as engine, engine.connect() as connection:
        for name, schema in SCHEMAS.items():
            if any(track.schema == schema for track in blueprint_of(service).tracks(Codec(LockedIds()))):
                for one in kept.entries(connection, schema, state=state):
                    table.add_row(name, *_row(one))
    Console(width=200 if not Console().is_terminal else None).print(table if table.row_count else f"nothing is {state} in {service}")


def show_quarantined(service: Service, number: Number, track: TrackName = "copies") -> None:
    """Show one entry, with its headers. The value is not shown: it may hold anything.

    Example: `continuum quarantine show monitoring 7`
    """
    one = track_of(service, track)
    with database_of(service) as engine, engine.connect() as connection, _known_entry():
        record = kept.record_of(connection, one.schema, number)
        entry = next(e for e in kept.entries(connection, one.schema) if e.id == number)
    for name, value in zip(("number", "topic", "partition", "offset", "case", "seq", "type", "reason", "since"), _row(entry), strict=True):
        typer.echo(f"{name:<10}{value}")
    typer.echo(f"{'bytes':<10}{len(record.value or b'')}")
    for header, text in record.headers:
        typer.echo(f"  {header}: {(text or b'').decode('latin-1')!r}")


def replay_quarantined(
    service: Service,
    number: Number,
    track: TrackName = "copies",
    *,
    do: Annotated[bool, typer.Option("--do", help="Do it; without this, only say what would happen.")] = False,
) -> None:
    """Try an entry again, and what was parked behind it. Without --do nothing is changed.

    Example: `continuum quarantine replay monitoring 7 --do`
    """
    with database_of(service) as engine, _known_entry():
        tally = kept.replay(engine, track_of(service, track), number, dry_run=not do)
    said = "done" if do and not tally.reasons else "would be"
    typer.echo(f"{said}: {tally.applied} applied, {tally.duplicates} known already, {tally.parked} still wait")
    for reason in tally.reasons:
        typer.echo(f"refused: {reason}")
    if tally.reasons:
        raise typer.Exit(1)


def discard_quarantined(
    service: Service,
    number: Number,
    because: Annotated[str, typer.Option("--because", help="Why it is given up, and who says so.")],
    track: TrackName = "copies",
) -> None:
    """Give an entry up: its case goes on without it.

    Example: `continuum quarantine discard monitoring 7 --because "test record of 3 May, Ops"`
    """
    with database_of(service) as engine, _known_entry():
        tally = kept.discard(engine, track_of(service, track), number, because)
    typer.echo(f"discarded; {tally.applied} events that waited behind it are applied")


@contextmanager
def _known_entry() -> Iterator[None]:
    try:
        yield
    except (kept.NoSuchEntry, ValueError) as error:
        raise LocalFailure(str(error)) from None


def _row(one: kept.Entry) -> tuple[str, ...]:
    told = (one.id, one.topic, one.part, one.log_offset, one.subject, one.seq, one.type, one.reason, one.quarantined_at.isoformat())
    return tuple("" if value is None else str(value) for value in told)
