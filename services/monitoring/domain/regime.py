"""Which policy holds where and when: an agency's before its region's, that before the one for everywhere; each from its adoption on."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from services.monitoring.domain.policy import ADOPTED, Policy

FORM = TypeAdapter(Policy)
EVERYWHERE = "*"
OWN = ("policy", "version", "region", "agency")
"""What a policy never takes from another."""
BY_RULE = ("duties", "counts", "ladders")
"""The sections that are taken rule by rule; of every other one holds the last that is written, as a whole."""
Scope = tuple[str, str]
"""A region and an agency; "" for all of its agencies."""
Written = Mapping[str, Any]
"""What a policy's file says."""


def scope_of(written: Written) -> Scope:
    return str(written.get("region", "")), str(written.get("agency") or "")


def policy_of(scope: Scope, written: Mapping[Scope, Written], context: str | None = None) -> Policy:
    """The whole of a policy, with what it takes of others. Raises ValidationError."""
    return FORM.validate_python(_laid_over([written[each] for each in _chain(scope) if each in written]), context=context)


def _chain(scope: Scope) -> list[Scope]:
    region, agency = scope
    return list(dict.fromkeys([(EVERYWHERE, ""), (region, ""), (EVERYWHERE, agency), scope]))


def _laid_over(chain: Sequence[Written]) -> dict[str, Any]:
    """The last one's own fields, and of each section the last that is written."""
    whole: dict[str, Any] = {}
    for one in chain:
        for name, value in one.items():
            before = whole.get(name)
            whole[name] = {**before, **value} if name in BY_RULE and isinstance(before, dict) and isinstance(value, dict) else value
    own = {name: chain[-1][name] for name in OWN if name in chain[-1]}
    stamps = [f"{one.get('policy')}/{one.get('version')}" for one in reversed(chain[:-1])]
    return {name: value for name, value in whole.items() if name not in OWN} | own | {"based_on": tuple(stamps)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Adoption:
    """One version of what is written for one scope, and since when it holds: None for what was there at the beginning."""

    since: datetime | None
    written: Written


@dataclass(frozen=True, slots=True)
class Version:
    """A policy, from when it held: None: always."""

    since: datetime | None
    policy: Policy


@dataclass(frozen=True, slots=True)
class Regime:
    """The policies of one agency in one region, the oldest first, which held always."""

    versions: tuple[Version, ...]

    def at(self, moment: datetime) -> Policy:
        """The one in force when something was recorded then."""
        return next(one.policy for one in reversed(self.versions) if one.since is None or one.since <= moment)

    def after(self, moment: datetime) -> list[tuple[datetime, Policy]]:
        """What was adopted later than that."""
        return [(one.since, one.policy) for one in self.versions if one.since is not None and one.since > moment]

    @property
    def newest(self) -> Policy:
        return self.versions[-1].policy

    def below(self, watermark: datetime) -> "Regime":
        """What was known of it."""
        if len(self.versions) == 1:
            return self
        return Regime(tuple(one for one in self.versions if one.since is None or one.since < watermark))


class Regimes:
    """The regime of every region and agency; each is made once."""

    def __init__(self, find: Callable[[str, str], Regime]) -> None:
        self._find = find
        self._found: dict[Scope, Regime] = {}

    def of(self, region: str, agency: str = "") -> Regime:
        found = self._found.get((region, agency))
        if found is None:
            found = self._found[region, agency] = self._find(region, agency)
        return found


def always(find: Callable[[str, str], Policy]) -> Regimes:
    """Policies that never changed."""
    return Regimes(lambda region, agency: Regime((Version(None, find(region, agency)),)))


def held_always(written: Mapping[Scope, Written]) -> Regimes:
    """What is written for each scope, as if it had held always; one of them is for everywhere. Raises ValidationError when asked."""
    order = sorted(written, key=lambda scope: (scope[0] != EVERYWHERE, bool(scope[1]), scope))
    return adopted(Adoption(since=None, written=written[scope]) for scope in order)


def adopted(adoptions: Iterable[Adoption]) -> Regimes:
    """As they were adopted, the oldest first; one of the first is for everywhere. Policies that are equal are one object."""
    history = list(adoptions)
    scopes = {scope_of(one.written) for one in history}
    made: dict[tuple[int, ...], Policy] = {}

    def whole(scope: Scope, written: Mapping[Scope, Written]) -> Policy:
        key = tuple(id(written[each]) for each in _chain(scope) if each in written)
        if key not in made:
            made[key] = policy_of(scope, written, ADOPTED)
        return made[key]

    def find(region: str, agency: str) -> Regime:
        nearest = [each for each in reversed(_chain((region, agency))) if each in scopes]
        versions: list[Version] = []
        written: dict[Scope, Written] = {}
        for one in history:
            written[scope_of(one.written)] = one.written
            scope = next((each for each in nearest if each in written), None)
            policy = whole(scope, written) if scope is not None and scope_of(one.written) in _chain(scope) else None
            if policy is None or (versions and versions[-1].policy is policy):
                continue
            if versions and versions[-1].since == one.since:
                versions.pop()
            versions.append(Version(one.since, policy))
        return Regime(tuple(versions))

    return Regimes(find)


@dataclass(frozen=True, slots=True)
class Law:
    """The regimes that hold for one case, as they were known below a watermark."""

    regimes: Regimes
    region: str
    watermark: datetime

    def of(self, agency: str) -> Regime:
        return self.regimes.of(self.region, agency).below(self.watermark)
