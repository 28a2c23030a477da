"""The migrations of a service are one chain: two that were written at the same time, both after the same one, are found before they run."""

import re
from itertools import pairwise

import pytest

from continuum.stack import CLONE, SERVICES

NAMES = re.compile(r'^(revision|down_revision) = "?(\w+)"?$', re.MULTILINE)


@pytest.mark.parametrize("service", SERVICES)
def test_each_migration_follows_the_one_before_and_bears_its_number(service: str) -> None:
    files = sorted((CLONE / "services" / service / "migrations" / "versions").glob("*.py"))
    names = [dict(NAMES.findall(file.read_text())) for file in files]
    assert [one["revision"] for one in names] == [f"{number:04}" for number in range(1, len(files) + 1)]
    assert [file.name[:4] for file in files] == [one["revision"] for one in names]
    assert all(later["down_revision"] == earlier["revision"] for earlier, later in pairwise(names))
