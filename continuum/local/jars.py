"""The jars of a jgo lock file, in the ordinary Maven cache, each known by its SHA-256."""

import hashlib
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from jgo.env import LockedDependency, LockFile
from jgo.maven import Artifact, MavenContext

from continuum.local.process import LocalFailure

DOWNLOADS_AT_ONCE = 16  # small files: the time goes into asking
TIMEOUT_SECONDS = 60


def fetch(lock: Path) -> tuple[Path, ...]:
    """All jars of the lock file, checked; downloads those that the cache lacks or holds damaged.

    Raises LocalFailure when one cannot be had, or is not the file that was locked.
    """
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        return tuple(pool.map(_fetch_one, _locked(lock)))


def _locked(lock: Path) -> Iterable[LockedDependency]:
    dependencies: list[LockedDependency] = LockFile.load(lock).dependencies
    return dependencies


def _fetch_one(jar: LockedDependency) -> Path:
    cached = _path(_artifact(jar, MavenContext()))
    if cached.exists() and _is_locked(jar, cached):
        return cached
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cached.parent, prefix=".continuum-") as folder:
        downloaded = _download(jar, Path(folder))
        if not _is_locked(jar, downloaded):
            raise LocalFailure(f"{jar.artifactId} {jar.version} as downloaded is not the file that was locked: its SHA-256 differs")
        downloaded.replace(cached)  # whole or not at all: others read this cache
    return cached


def _download(jar: LockedDependency, folder: Path) -> Path:
    artifact = _artifact(jar, MavenContext(repo_cache=folder, timeout=TIMEOUT_SECONDS))
    try:
        artifact.resolve()
    except (requests.RequestException, RuntimeError) as problem:
        raise LocalFailure(
            f"{jar.artifactId} {jar.version} cannot be downloaded ({type(problem).__name__}): is the network up?"
        ) from problem
    return _path(artifact)


def _artifact(jar: LockedDependency, context: MavenContext) -> Artifact:
    return context.project(jar.groupId, jar.artifactId).at_version(jar.version).artifact(jar.classifier or "", jar.packaging)


def _path(artifact: Artifact) -> Path:
    path = artifact.cached_path
    assert path is not None  # every context of ours has a cache
    return path


def _is_locked(jar: LockedDependency, file: Path) -> bool:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == jar.sha256
