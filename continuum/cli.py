"""The command line. Exit codes: 0 done, 1 it could not be done (one line says why), 2 the call was wrong."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from psycopg import OperationalError
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from casebus.cluster import Cluster
from casebus.envelope import Role
from casebus.kafka import BrokerFailure
from casebus.registry import Refused, Registry, RegistryAway, publish
from casebus.schema_checks import check as check_schemas
from casebus.schemas import UnknownSchema
from casebus.settings import MissingSetting
from continuum import databases, deployment, operations
from continuum import notifications as told
from continuum.batches import BatchFailed
from continuum.figures import NotSettled
from continuum.local.process import LocalFailure, ended_by_signals

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode="markdown", help="Keeps a person from being forgotten between agencies."
)
schemas = typer.Typer(no_args_is_help=True, help="The events' schemas.")
topics = typer.Typer(no_args_is_help=True, help="The broker's topics.")
imports = typer.Typer(no_args_is_help=True, help="Histories from elsewhere.")
quarantine = typer.Typer(no_args_is_help=True, help="Records that could not be applied.")
app.add_typer(schemas, name="schemas")
app.add_typer(topics, name="topics")
app.add_typer(imports, name="import")
policy = typer.Typer(no_args_is_help=True, help="What the policies do, and others would.")
app.add_typer(quarantine, name="quarantine")
notifications = typer.Typer(no_args_is_help=True, help="Messages to people that didn't go out.")
app.add_typer(notifications, name="notifications")
app.add_typer(policy, name="policy")


@contextmanager
def clear_failures() -> Iterator[None]:
    """A failure is one line on stderr and exit code 1."""
    try:
        yield
    except LocalFailure as failure:
        typer.echo(f"continuum: {failure}", err=True)
        raise typer.Exit(1) from None
    except (BatchFailed, NotSettled, MissingSetting, RegistryAway, Refused, UnknownSchema) as failure:
        typer.echo(f"continuum: {failure}", err=True)
        raise typer.Exit(1) from None
    except (OSError, SQLAlchemyError, OperationalError, BrokerFailure) as failure:
        typer.echo(f"continuum: {_in_one_line(failure)}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _in_one_line(failure: Exception) -> str:
    """A server that is away, a disk that is full: what the system says of it, without what was asked of it."""
    if isinstance(failure, OSError) and failure.strerror:
        return f"{failure.strerror}: {failure.filename or 'see the logs'}"
    return str(getattr(failure, "orig", failure)).strip().partition("\n")[0] or type(failure).__name__


@app.command()
def up(
    policies: Annotated[
        Path | None, typer.Option(help="The folder of the policy files; without it, that of the clone.", exists=True, file_okay=False)
    ] = None,
) -> None:
    """Run everything on this machine, without a history: PostgreSQL, Kafka, the services, Faust, the console. Ctrl-C ends it.

    Example: `continuum up --policies my-region/`
    """
    from continuum.stack import PLAIN, home_folder, running

    console = Console(stderr=True)
    manner = replace(PLAIN, step=console.print, policies=policies.absolute() if policies else PLAIN.policies)
    with clear_failures(), ended_by_signals(), running(home_folder(), manner) as run:
        console.print(f"[bold]continuum is running:[/] {run.page}", highlight=False)
        for name, url in run.urls.items():
            console.print(f"  {name:<11}{url}/docs" if name not in ("console", "stream") else f"  {name:<11}{url}", highlight=False)
        while True:
            if (mended := run.mend(1.0)) is not None:
                console.print(f"[yellow]{mended} ended and was started again.[/] Its log: {run.home / 'logs' / mended}.log")


@app.command("pass")
def let_pass(span: Annotated[str, typer.Argument(help="How much, as 4h or 14d.", metavar="SPAN")]) -> None:
    """Let time pass in what runs on this machine, an hour after the other, to see what becomes of a case that nobody looks at.

    It never goes back. Example: `continuum pass 3d`
    """
    from continuum.passing import in_the_local_run, read_span
    from continuum.progress import shown
    from continuum.stack import home_folder

    with clear_failures():
        much = read_span(span)
        with shown(Console(stderr=True), "hours pass") as watch:
            end = in_the_local_run(home_folder(), much, watch)
        typer.echo(f"it is {end:%Y-%m-%d %H:%M} UTC there now")


@app.command()
def demo(*, check: Annotated[bool, typer.Option(help="Sixty days without a person, checked; the last line is JSON.")] = False) -> None:
    """Run everything with the sample's history, which goes on at about a day a second.

    Example: `continuum demo --check`
    """
    from continuum.demo import Demo
    from continuum.stack import home_folder

    with clear_failures():
        found = Demo(home_folder(), Console(stderr=True), checking=check).run()
        if found is not None:
            typer.echo(json.dumps(found))
            if any(found[name] for name in ("alerts_false", "alerts_missing", "parked", "quarantined")):
                raise typer.Exit(1)


@imports.command()
def ssda903(
    folder: Annotated[Path, typer.Argument(help="The folder with the CSV files.", exists=True, file_okay=False)],
    until: Annotated[str | None, typer.Option(help="Import what happened before this day; everything, without it.", metavar="DAY")] = None,
) -> None:
    """Import the English return on looked-after children into the running services. The same files again add nothing.

    Example: `continuum import ssda903 returns/ --until 2021-06-01`
    """
    from continuum.importing import import_return, read_day

    with clear_failures():
        troubles = import_return(folder, read_day(until), Console(stderr=True), typer.echo)
        if troubles:
            raise typer.Exit(1)


@imports.command("csv")
def import_csv(
    path: Annotated[Path, typer.Argument(help="The event log.", metavar="FILE", exists=True, dir_okay=False)],
    mapping: Annotated[Path, typer.Option(help="What its columns and activities are (docs/import.md).", exists=True, dir_okay=False)],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is wrong and what would be sent, and send nothing.")] = False,
) -> None:
    """Import an agency's history from an event log: case, activity, time, agency. The same file again adds nothing.

    Example: `continuum import csv --mapping map.yaml --dry-run log.csv`
    """
    from continuum.importing import import_log

    with clear_failures():
        if import_log(path, mapping, dry_run=dry_run, console=Console(stderr=True), say=typer.echo):
            raise typer.Exit(1)


@imports.command("people")
def import_people(path: Annotated[Path, typer.Argument(help="The CSV file.", exists=True, dir_okay=False)]) -> None:
    """List who can be told of alerts, from a CSV file: person, agency, region, functions, and team, deputy, absent_from, absent_until.

    Example: `continuum import people people.csv`
    """
    from continuum.people import bring_in

    with clear_failures():
        refused = bring_in(path)
        for each in refused:
            typer.echo(each, err=True)
        if refused:
            raise typer.Exit(1)


@policy.command("backtest")
def policy_backtest(
    path: Annotated[Path, typer.Option("--policy", help="The policy file that is tried.", exists=True, dir_okay=False)],
    since: Annotated[str | None, typer.Option(help="Alerts from this day on; all, without it.", metavar="DAY")] = None,
    *,
    as_told: Annotated[bool, typer.Option("--as-told", help="What was imported counts from when it was told, as for the clocks.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON instead of the table.")] = False,
) -> None:
    """Count the alerts that another policy would have raised, beside today's, by agency, rule and rung. Nothing is changed or sent.

    Example: `continuum policy backtest --policy new.yaml --since 2026-01-01`
    """
    from continuum.backtest import run

    with clear_failures():
        found = run(path, since, as_told=as_told, console=Console(stderr=True))
    if as_json:
        typer.echo(found.as_json())
    else:
        Console(width=None if Console().is_terminal else 200).print(found.table())


@policy.command("explain")
def policy_explain(
    case: Annotated[UUID, typer.Argument(help="The case's id.")],
    token: Annotated[str, typer.Option(envvar="CONTINUUM_TOKEN", help="Who asks: only who may read the case is answered.")],
    monitoring: Annotated[
        str | None, typer.Option(envvar="CONTINUUM_MONITORING_URL", help="Monitoring's address; that of the local run, without it.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="What the API says, as one line of JSON.")] = False,
) -> None:
    """Show the clocks of a case on its timeline: started, moved, due, met or missed, by which policy, and who was told. Times are in UTC.

    Example: `CONTINUUM_TOKEN=$(continuum token --persona nurse) continuum policy explain 8e55b0a8-9072-4635-ae6b-7bde7d539d83`
    """
    from continuum.explain import address, ask, show

    with clear_failures():
        found = ask(address(monitoring), token, case)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        show(found, Console(width=None if Console().is_terminal else 200))


@app.command()
def token(
    *,
    agency: Annotated[str, typer.Option(help="The agency it acts for.")] = "city-hospital",
    role: Annotated[Role, typer.Option(help="What its bearer may do.", case_sensitive=False)] = Role.WORKER,
    region: Annotated[str, typer.Option(help="The region of the agency.")] = "north",
    actor: Annotated[str, typer.Option(help="An opaque id, never a login.")] = "worker-1",
    persona: Annotated[str | None, typer.Option(help="One of: nurse, teacher, shelter, supervisor, coordinator, integrator.")] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="It may change nothing.")] = False,
) -> None:
    """Print a token of the development issuer (not in production): for any agency and role, or a persona.

    Example: `continuum token --persona nurse`
    """
    from continuum.personas import PERSONAS, Persona
    from continuum.stack import home_folder, issuer

    if persona is not None and persona not in PERSONAS:
        raise typer.BadParameter(f"one of: {', '.join(PERSONAS)}", param_hint="--persona")
    who = PERSONAS[persona] if persona else Persona(actor=actor, role=role, agency=agency, region=region)
    try:
        tokens = issuer(home_folder())
    except RuntimeError as error:
        typer.echo(f"continuum: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(tokens.token(actor=who.actor, role=who.role, agency=who.agency, region=who.region, reads_only=read_only))


def _operation(run: Callable[..., None]) -> Callable[..., None]:
    """A function of operations.py as a command: a failure is one line."""

    @wraps(run)
    def command(**given: object) -> None:
        with clear_failures():
            run(**given)

    return command


app.command("secrets")(_operation(deployment.make_secrets))
app.command("provision")(_operation(databases.provision_service))
app.command("migrate")(_operation(databases.migrate_service))
app.command("reseed")(_operation(operations.reseed_service))
app.command("rebuild")(_operation(operations.rebuild_service))
notifications.command("list")(_operation(told.list_dead))
notifications.command("retry")(_operation(told.retry_dead))
quarantine.command("list")(_operation(operations.list_quarantine))
quarantine.command("show")(_operation(operations.show_quarantined))
quarantine.command("replay")(_operation(operations.replay_quarantined))
quarantine.command("discard")(_operation(operations.discard_quarantined))


@schemas.command("check")
def schemas_check() -> None:
    """Check schemas and topics: owners, keys, consumers, compatibility, personal data.

    Example: `continuum schemas check`
    """
    found = check_schemas()
    for bad in found:
        typer.echo(str(bad), err=True)
    if found:
        raise typer.Exit(1)
    typer.echo("schemas and topics are in order")


@schemas.command("publish")
def schemas_publish(
    registry: Annotated[str, typer.Option(envvar="SCHEMA_REGISTRY_URL", help="The registry's address, with the path of its API.")],
) -> None:
    """Bring every version of every schema to a registry, in order. Those that it has already stay as they are.

    Example: `continuum schemas publish --registry http://registry:8081`
    """
    schemas_check()
    with clear_failures():
        outcomes = publish(Registry(registry))
    for one in outcomes:
        if one.new:
            typer.echo(f"{one.type} version {one.version} has the id {one.id}")
    typer.echo(f"{len(outcomes)} versions are there, {sum(one.new for one in outcomes)} of them new")
    if other := sum(one.id != one.locked for one in outcomes):
        typer.echo(f"{other} ids are not those of schemas/ids.lock: whoever reads or writes must be given SCHEMA_REGISTRY_URL")


Bootstrap = Annotated[str | None, typer.Option(envvar="KAFKA_BOOTSTRAP", help="The broker; that of the local run, without it.")]


@topics.command("diff")
def topics_diff(bootstrap: Bootstrap = None) -> None:
    """Show how the broker's topics, and who may write and read them, differ from what is declared. Exit code 1 when they do.

    Example: `continuum topics diff`
    """
    from casebus import rights
    from casebus.topic_admin import diff
    from casebus.topics import read_topics

    with clear_failures():
        cluster, declared = _cluster(bootstrap), read_topics()
        changes = diff(cluster, declared) + rights.diff(cluster, declared)
    for change in changes:
        typer.echo(f"{change.topic} {change.what}")
    if changes:
        raise typer.Exit(1)


@topics.command("apply")
def topics_apply(
    bootstrap: Bootstrap = None,
    replication: Annotated[int | None, typer.Option(help="Copies of each new topic; three, or one a broker, without it.", min=1)] = None,
) -> None:
    """Create missing topics, set what differs, and let each service write its own and read what it consumes. It deletes nothing.

    Example: `continuum topics apply --replication 3`
    """
    from casebus import rights
    from casebus.topic_admin import apply
    from casebus.topics import read_topics

    with clear_failures():
        cluster, declared = _cluster(bootstrap), read_topics()
        changes = apply(cluster, declared, replication=replication) + rights.apply(cluster, declared)
    for change in changes:
        typer.echo(f"{change.topic} {change.what}" + ("" if change.possible else " (left as it is)"))
    if not all(change.possible for change in changes):
        raise typer.Exit(1)


def _cluster(bootstrap: str | None) -> Cluster:
    from continuum.stack import chosen_cluster, home_folder

    return chosen_cluster(home_folder(), bootstrap)
