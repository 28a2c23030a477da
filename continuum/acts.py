"""What is to be done to a case: dated commands in order, written before any id or version is known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid5

Json = str | int | bool | None | list[str] | Mapping[str, str | list[str]]

OWNERS = ("intake", "planning", "referral", "monitoring")
"""The services that take part in an import, in the order in which each ends its part."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """One command on one day.

    `key` is its idempotency key: the same input gives the same key. `about` is our word for the aggregate that it changes and `makes` for
    the one that it creates, both within the case ("case", "referral 2019-04-01"); two acts about one thing are never under way together.
    `occurred_at` is when it happened, `entered_at` (not earlier) when it can be told; both aware, in UTC. `spot` is the place in the
    input that it stems from.
    """

    key: UUID
    service: str
    command: str
    about: str | None = None
    makes: str | None = None
    agency: str
    occurred_at: datetime
    entered_at: datetime
    body: Mapping[str, Json] = field(default_factory=dict)
    spot: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CasePlan:
    """A case's acts by `entered_at`; the first one makes the case. `handle` names it on this machine, and no person. `lead`: who leads it
    after them all."""

    handle: UUID
    lead: str
    acts: tuple[Act, ...]


def beginning(plan: CasePlan, import_id: UUID, at: datetime) -> Act:
    """The act that opens a further import of a case which exists, by who made it: the plan's acts may hand the lead over."""
    body: dict[str, Json] = {"import_id": str(import_id), "owners": list(OWNERS)}
    return _of_import(plan, "begin-import", "intake", plan.acts[0].agency, body, at)


def completions(plan: CasePlan, import_id: UUID, at: datetime) -> list[Act]:
    """The acts by which every owner ends its part of a case's import."""
    return [_of_import(plan, "complete-import", owner, plan.lead, {"import_id": str(import_id)}, at) for owner in OWNERS]


def _of_import(plan: CasePlan, command: str, service: str, agency: str, body: Mapping[str, Json], at: datetime) -> Act:
    return Act(
        key=uuid5(plan.handle, f"{command} {service} {body['import_id']}"),
        service=service,
        command=command,
        about="case",
        agency=agency,
        occurred_at=at,
        entered_at=at,
        body=body,
        spot=plan.acts[0].spot,
    )
