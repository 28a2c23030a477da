"""Reads the policy files. A file that isn't right is refused with its name, the line, the field and the fix, before anything runs.

A file is for a region, or for an agency in it. It holds what differs: a section that it leaves out is its region's, else that of "*".
`duties`, `counts` and `ladders` are taken rule by rule, every other section as a whole.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError
from sqlalchemy import Connection

from casebus.codec import Codec
from casebus.settings import MissingSetting
from services.monitoring.domain.calendar import Duration
from services.monitoring.domain.policy import Policy
from services.monitoring.domain.regime import BY_RULE, EVERYWHERE, Regimes, Scope, Written, always, policy_of, scope_of
from services.monitoring.domain.rule import Needs, Rule
from services.monitoring.policy_text import Document, Unreadable, read

Wrong = tuple[tuple[str, ...], str]
"""Where something stands, and what to write instead."""


class BadPolicy(MissingSetting):
    """Policies that can't be used; each line of the message names file, line, field and fix."""


class Rulebook(Protocol):
    """What says which policies hold: the files (Policies), or what was adopted of them (adoptions.py)."""

    def known(self, connection: Connection, codec: Codec) -> Regimes: ...


@dataclass(frozen=True, slots=True)
class Policies:
    """By region, and by region and agency; the one for "*" holds everywhere else. `files`: what was read."""

    by_region: Mapping[str, Policy]
    by_agency: Mapping[Scope, Policy] = field(default_factory=dict)
    files: Collection[Document] = ()

    @property
    def documents(self) -> dict[Scope, Written]:
        return {scope_of(file.value): file.value for file in self.files}

    @property
    def places(self) -> dict[Scope, str]:
        """Of each policy's file its name, and the line of the version."""
        return {scope_of(file.value): f"{file.name}: line {file.place(('version',))[0]}" for file in self.files}

    def of(self, region: str, agency: str = "") -> Policy:
        """An agency's own, else its region's, else that for everywhere."""
        own = self.by_agency.get((region, agency)) or self.by_agency.get((EVERYWHERE, agency))
        return own or self.by_region.get(region) or self.by_region[EVERYWHERE]

    def known(self, _: Connection, __: Codec) -> Regimes:
        """As if they had held always: for who has not adopted any."""
        return always(self.of)

    def all(self) -> list[Policy]:
        return [*self.by_region.values(), *self.by_agency.values()]

    def must_cover(self, rules: Collection[Rule]) -> None:
        """Raises BadPolicy where a file says something of a rule that there isn't, or a policy nothing of what one of these rules needs."""
        for document in self.files:
            must_fit(document, rules)
        known = {rule.name: rule for rule in rules}
        for policy in self.all():
            where = f"the policy of region {policy.region}"
            for rule in known.values():
                if rule.needs and rule.name not in getattr(policy, rule.needs):
                    raise BadPolicy(f"{where}: {rule.needs}: write {rule.name}, or `{rule.name}: off`")


def read_policies(folder: Path) -> Policies:
    """Every `*.yaml` of the folder. Raises BadPolicy with every mistake of the first file that has one."""
    files: dict[Scope, Document] = {}
    for path in sorted(folder.glob("*.yaml")):
        document = read_document(path)
        scope = scope_of(document.value)
        if scope in files:
            raise BadPolicy(f"{path.name}: line {document.place(('region',))[0]}: region: there is another policy for it; keep one")
        files[scope] = document
    if (EVERYWHERE, "") not in files:
        raise BadPolicy(f'{folder.name}: no policy for region "*": add one that holds where no other does')
    documents = {scope: file.value for scope, file in files.items()}
    made: dict[Scope, Policy] = {}
    for scope, file in sorted(files.items(), key=lambda one: (one[0][0] != EVERYWHERE, one[0])):
        try:
            made[scope] = policy_of(scope, documents)
        except ValidationError as error:
            raise BadPolicy("\n".join(file.complaints(error))) from None
    return Policies(
        by_region={region: policy for (region, agency), policy in made.items() if not agency},
        by_agency={scope: policy for scope, policy in made.items() if scope[1]},
        files=tuple(files.values()),
    )


def must_fit(document: Document, rules: Collection[Rule]) -> None:
    """Raises BadPolicy where it times or counts what no rule of that name asks for (a misspelt duty would be watched by another's time), or
    gives no time to a duty that needs some."""
    wrong = [*_unfitting(document, rules), *_timeless(document, {rule.name for rule in rules if not rule.may_take_none})]
    if wrong:
        raise BadPolicy("\n".join(f"{document.name}: line {document.place(loc)[0]}: {'.'.join(loc)}: {fix}" for loc, fix in wrong))


def _unfitting(document: Document, rules: Collection[Rule]) -> Iterator[Wrong]:
    for section in BY_RULE:
        for name, said in (document.value.get(section) or {}).items():
            if fix := _unheard(section, str(name), said, rules):
                yield (section, str(name)), fix


def _timeless(document: Document, needing: Collection[str]) -> Iterator[Wrong]:
    """Duties that would be due the moment they begin."""
    for name, said in (document.value.get("duties") or {}).items():
        within = said["within"] if said and name in needing else {}
        times = {(str(each),): span for each, span in within.items()} if isinstance(within, dict) else {(): within}
        for priority, span in times.items():
            if not Duration.read(span).count:
                yield ("duties", name, "within", *priority), "write a time above 0, as 4h or 2bd; or `off` for the duty"


def _unheard(section: str, name: str, said: object, rules: Collection[Rule]) -> str:
    """What to write instead; nothing where a rule takes it."""
    fitting = [rule.name for rule in rules if section == "ladders" or rule.needs == section or (section == Needs.TIME and not rule.needs)]
    if name not in fitting:
        near = get_close_matches(name, fitting, n=1, cutoff=0) or ["a rule"]
        return f"no rule asks for it here; write {near[0]}, or leave it out"
    asks = section == "ladders" or any(rule.name == name and rule.needs for rule in rules)
    return "" if asks or said is False else "it has no time of its own; write `off`, or leave it out"


def read_document(path: Path) -> Document:
    """One file. Raises BadPolicy."""
    try:
        document = read(path)
    except Unreadable as error:
        raise BadPolicy(str(error)) from None
    if "based_on" in document.value:
        raise BadPolicy(f"{path.name}: line {document.place(('based_on',))[0]}: based_on: leave it out")
    return document
