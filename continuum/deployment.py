"""The secrets of a deployment on one machine: what deploy/compose.yaml mounts."""

import secrets
from pathlib import Path
from typing import Annotated

import typer
from cryptography.fernet import Fernet

from casebus.envelope import Role
from continuum.stack import SERVICES, issuer

ADMINISTRATOR = "postgres"
READABLE = 0o444
"""In a folder that only its owner may enter: a container reads its mounted file as a user that this machine doesn't know."""


def write_secrets(folder: Path, *, database: str, region: str) -> None:
    """Passwords, databases' URLs, the development issuer's keys and the console's token. What is there stays."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    tokens = issuer(folder)
    _keep(folder / f"{ADMINISTRATOR}.url", _url(ADMINISTRATOR, _password(folder, ADMINISTRATOR), database, "postgres"))
    for service in SERVICES:
        for role in (service, f"{service}_owner"):
            _keep(folder / f"{role}.url", _url(role, _password(folder, role), database, service))
    board = tokens.token(actor="console", role=Role.COORDINATOR, agency="regional-office", region=region, reads_only=True, hours=24 * 365)
    _keep(folder / "console.token", board)
    _keep(folder / "seal.key", Fernet.generate_key().decode())


def make_secrets(
    folder: Annotated[Path, typer.Argument(help="Where they are written; only its owner may enter it.")],
    database: Annotated[str, typer.Option(help="Where the services find PostgreSQL.")] = "postgres:5432",
    region: Annotated[str, typer.Option(help="Whose board the console shows.")] = "north",
) -> None:
    """Make the secrets that compose mounts, with those of the development issuer. What is there stays; not in production.

    Example: `continuum secrets deploy/secrets`
    """
    write_secrets(folder, database=database, region=region)
    typer.echo(f"the secrets are in {folder}")


def _password(folder: Path, role: str) -> str:
    return _keep(folder / f"{role}.password", secrets.token_urlsafe(24))


def _url(role: str, password: str, database: str, name: str) -> str:
    return f"postgresql+psycopg://{role}:{password}@{database}/{name}"


def _keep(file: Path, text: str) -> str:
    """The file's text; `text` where there was no file."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(text)
        file.chmod(READABLE)
    return file.read_text()
