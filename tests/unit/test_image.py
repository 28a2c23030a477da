"""What goes into the image: the packages that run the services, with the very hashes that everybody else installs, and nothing else."""

import re
import tomllib
from pathlib import Path

CLONE = Path(__file__).parents[2]
PIN = re.compile(r"^([a-z0-9.-]+)==(\S+)", re.MULTILINE)


def locked(file: str) -> dict[str, str]:
    """Each package with all that the lock file says of it."""
    blocks = re.split(r"\n(?=[a-z])", (CLONE / file).read_text().strip())
    return {found[1]: block for block in blocks if (found := PIN.match(block))}


def named(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=; ]", one)[0].lower() for one in requirements}


def test_the_image_has_what_the_services_need_at_the_versions_that_are_tested() -> None:
    run, all_of_it = locked("requirements-run.lock"), locked("requirements.lock")
    wanted = tomllib.loads((CLONE / "pyproject.toml").read_text())["project"]
    assert named(wanted["dependencies"]) <= run.keys(), "make locks"
    assert not named([one for extra in wanted["optional-dependencies"].values() for one in extra]) & run.keys()
    for name, block in run.items():
        assert PIN.match(block)[2] == PIN.match(all_of_it[name])[2], "make locks"  # type: ignore[index]  # every block is a pin
        assert set(re.findall(r"sha256:\w+", block)) == set(re.findall(r"sha256:\w+", all_of_it[name])), name


def test_what_the_image_copies_is_there() -> None:
    lines = (CLONE / ".dockerignore").read_text().splitlines()
    assert [line for line in lines if line.startswith("!") and not (CLONE / line[1:]).exists()] == []
