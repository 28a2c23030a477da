"""The databases of a deployment: each made by the server's administrator, and brought to its newest tables by its owner."""

from typing import LiteralString

import psycopg
import typer
from psycopg import sql
from sqlalchemy import make_url

from casebus.migrate import migrate
from casebus.settings import needed
from continuum.local.postgres import SERVICE_TRANSACTION_TIMEOUT
from continuum.operations import Service
from continuum.stack import CLONE, SERVICES


def provision(admin_url: str, service: str, *, owner_password: str, password: str) -> None:
    """Make the service's database, the role that owns it (`<service>_owner`) and the service's own, and set both passwords.

    What is there stays. Nobody else may connect, and the service's role may make nothing in it: its rights come from `migrate`.
    """
    owner, role = sql.Identifier(f"{service}_owner"), sql.Identifier(service)
    server = make_url(admin_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True, connect_timeout=10) as connection:

        def run(statement: LiteralString, *parts: sql.Composable) -> None:
            connection.execute(sql.SQL(statement).format(*parts))

        for name, secret in ((f"{service}_owner", owner_password), (service, password)):
            if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone() is None:
                run("CREATE ROLE {}", sql.Identifier(name))
            run("ALTER ROLE {} LOGIN PASSWORD {}", sql.Identifier(name), sql.Literal(secret))
        run("ALTER ROLE {} SET transaction_timeout = {}", role, sql.Literal(SERVICE_TRANSACTION_TIMEOUT))
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [service]).fetchone() is None:
            run("CREATE DATABASE {}", role)
        run("ALTER DATABASE {} OWNER TO {}", role, owner)
        run("REVOKE ALL ON DATABASE {} FROM PUBLIC", role)
        run("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}", role, role)


def provision_service(service: Service) -> None:
    """Make a service's database and its two roles, as the server's administrator (DATABASE_URL). Again, it sets the passwords.

    CONTINUUM_OWNER_PASSWORD is for the role that owns the tables, CONTINUUM_ROLE_PASSWORD for the service's own; with _FILE, each
    names a file.

    Example: `continuum provision intake`
    """
    _known(service)
    passwords = {"owner_password": needed("CONTINUUM_OWNER_PASSWORD"), "password": needed("CONTINUUM_ROLE_PASSWORD")}
    provision(needed("DATABASE_URL"), service, **passwords)
    typer.echo(f"{service} has its database and its roles")


def migrate_service(service: Service) -> None:
    """Bring a service's database to its newest tables, as their owner (DATABASE_URL), and give the service's role its rights.

    Example: `continuum migrate intake`
    """
    _known(service)
    migrate(needed("DATABASE_URL"), CLONE / "services" / service / "migrations" / "versions", service)
    typer.echo(f"the tables of {service} are the newest")


def _known(service: str) -> None:
    if service not in SERVICES:
        raise typer.BadParameter(f"one of: {', '.join(SERVICES)}")
