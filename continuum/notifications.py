"""Messages that didn't go out, as operators see them and try them again."""

from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from continuum.local.process import LocalFailure
from continuum.operations import database_of

MONITORING = "monitoring"


def list_dead() -> None:
    """Show the messages that didn't go out, and why. Neither addresses nor cases are shown.

    Example: `continuum notifications list`
    """
    from services.monitoring.telling import delivery

    table = Table("delivery", "channel", "attempts", "because", "since", "recipient")
    with database_of(MONITORING) as engine, engine.connect() as connection:
        for one in delivery.dead(connection):
            table.add_row(str(one.id), one.channel, str(one.attempts), one.because or "", one.since.isoformat(), one.recipient)
    Console(width=200 if not Console().is_terminal else None).print(
        table if table.row_count else "every message went out, or is on its way"
    )


def retry_dead(
    one: Annotated[UUID | None, typer.Argument(metavar="DELIVERY", help="As `notifications list` shows it.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """Try a message again from the beginning, or all: once what kept them back is put right.

    Example: `continuum notifications retry --all`
    """
    if (one is None) != every:
        raise typer.BadParameter("name a delivery, or say --all")
    from services.monitoring.telling import delivery

    with database_of(MONITORING) as engine, engine.begin() as connection:
        count = delivery.revive(connection, one)
    if not count and not every:
        raise LocalFailure("there is no dead delivery of this id: `continuum notifications list` shows them")
    typer.echo(f"{count} are tried again")
