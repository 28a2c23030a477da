"""Reads the policy files. A file that isn't right is refused with its name, the field and the fix, before anything runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from casebus.settings import MissingSetting
from services.monitoring.domain.policy import Policy

_FORM = TypeAdapter(Policy)
EVERYWHERE = "*"


class BadPolicy(MissingSetting):
    """A policy that can't be used; the message names file, field and fix."""


@dataclass(frozen=True, slots=True)
class Policies:
    """By region; the one for "*" holds everywhere else."""

    by_region: Mapping[str, Policy]

    def of(self, region: str) -> Policy:
        return self.by_region.get(region) or self.by_region[EVERYWHERE]

    def must_time(self, duties: Iterable[str]) -> None:
        """Raises BadPolicy where a policy lacks the times of one of these duties."""
        for policy in self.by_region.values():
            if missing := sorted(set(duties) - policy.duties.keys()):
                raise BadPolicy(f"the policy of region {policy.region}: duties: write the times of {missing[0]}")


def read_policies(folder: Path) -> Policies:
    """Every `*.yaml` of the folder. Raises BadPolicy."""
    found: dict[str, Policy] = {}
    for path in sorted(folder.glob("*.yaml")):
        policy = _read(path)
        if policy.region in found:
            raise BadPolicy(f"{path.name}: region: there is another policy for it; keep one")
        found[policy.region] = policy
    if EVERYWHERE not in found:
        raise BadPolicy(f'{folder.name}: no policy for region "*": add one that holds where no other does')
    return Policies(found)


def _read(path: Path) -> Policy:
    try:
        return _FORM.validate_python(yaml.safe_load(path.read_text("utf-8")))
    except UnicodeDecodeError:
        raise BadPolicy(f"{path.name}: this is not text in UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise BadPolicy(f"{path.name}: line {mark.line + 1 if mark else '?'}: this is not YAML") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise BadPolicy(f"{path.name}: {field}: {first['msg'].removeprefix('Value error, ')}") from None
