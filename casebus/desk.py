"""Commands: what may be asked of a service. One request or a batch of 200 goes the same way, in one transaction, each with its own answer.

idempotency → what the caller has seen → load as a set → authorise → version → handler → save as a set → events → answers.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

from pydantic import ValidationError
from sqlalchemy import Connection, Engine

from casebus import idempotency, metrics, tracing
from casebus.access import Act, Standing, authorise
from casebus.aggregate import Aggregate
from casebus.case_seen import Tracks, wait_to_see
from casebus.cause import Cause
from casebus.codec import Codec
from casebus.command import Command, OnBehalf
from casebus.envelope import Origin, Role
from casebus.errors import Absent, Conflict, Fix, Forbidden, Invalid, NotYet, Rejected, Stale, Unversioned
from casebus.problems import invalid, problem
from casebus.work import Work

NOT_SEEN = "This service has not yet seen what you have seen. Ask again."


class Target(Enum):
    """What a command is about."""

    NEW = "something that it makes; its id is made here"
    VERSIONED = "something that exists, in the version that the caller saw"
    CASE = "a case, to which it adds a fact"


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """One command of a service. `handler(id, command, work)` returns the aggregate as it is afterwards; `view` is what the caller reads."""

    name: str
    path: str
    model: type[Command]
    handler: Callable[[UUID, Any, Any], Aggregate]
    view: Callable[[Any], dict[str, Any]]
    act: Act = Act.COMMAND
    target: Target = Target.VERSIONED
    case_of: Callable[[Any], UUID | None] = lambda _: None
    """For NEW: the case it belongs to, if there is one already."""
    operator: bool = False
    """Only for role OPERATOR, COORDINATOR or INTEGRATOR: what no case owns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One command as it was asked for. `body` is not yet checked, or it is what the command's model made of it."""

    key: str
    command: str
    body: Command | Mapping[str, Any]
    id: UUID | None = None
    version: int | None = None
    case_seen: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What became of one command: `body` is a view, or what problem() made of a refusal."""

    key: str
    status: int
    version: int | None = None
    case_seen: Mapping[str, int] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    retry_after: int | None = None

    @property
    def is_done(self) -> bool:
        """Whether it changed something, rather than was refused."""
        return self.status < 300


@dataclass(slots=True)
class _Item:
    """A request on its way."""

    request: Request
    spec: Spec | None = None
    command: Command | None = None
    cause: Cause | None = None
    id: UUID = field(default_factory=uuid4)
    case_id: UUID | None = None
    answer: Answer | None = None

    @property
    def about(self) -> UUID:
        """The id by which the Work finds the case."""
        return self.case_id or self.id

    @property
    def digest(self) -> bytes:
        """Of what is asked for, however it was spelt: the same fact brought by another import is the same request."""
        assert self.command is not None  # only what was read is claimed
        body = self.command.model_dump_json(exclude_unset=True, exclude={"on_behalf": {"import_id"}})
        return hashlib.sha256(f"{self.request.command} {self.request.id} {body}".encode()).digest()


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Runs a service's commands. `tracks` are the schemas whose inboxes must have what a caller has seen; `wake` tells the relay."""

    service: str
    engine: Engine
    codec: Codec
    make_work: Callable[[Connection], Work]
    specs: Mapping[str, Spec]
    tracks: Tracks
    wake: Callable[[], None] = lambda: None

    def run(self, who: Cause, requests: Sequence[Request]) -> list[Answer]:
        """An answer for each request, in their order. Raises only what is nobody's fault (a database that is away)."""
        items = [_Item(request) for request in requests]
        for item in items:
            with _answering(item):
                self._read(item, who)
        self._await(items)
        with metrics.COMMAND_SECONDS.labels(self.service).time(), self.engine.begin() as connection:
            self._transact(connection, who, [item for item in items if item.answer is None])
        self.wake()
        answers = [item.answer for item in items if item.answer is not None]
        for item in items:
            metrics.COMMANDS.labels(item.spec.name if item.spec else "unknown", str(item.answer.status if item.answer else 0)).inc()
        return answers

    def see(self, case_id: UUID, seen: Mapping[str, int]) -> None:
        """For reading: wait until our tracks have what the caller has seen. Raises NotYet."""
        if seen and wait_to_see(self.engine, self.tracks, [(case_id, seen)]):
            raise NotYet(NOT_SEEN, retry_after=1)

    def _read(self, item: _Item, who: Cause) -> None:
        """Find the command, check its body, say who acts."""
        request = item.request
        idempotency.check_key(request.key)
        spec = self.specs.get(request.command)
        if spec is None:
            raise Invalid("No such command.", Fix("command", f"one of: {', '.join(sorted(self.specs))}"))
        item.spec = spec
        try:
            item.command = spec.model.model_validate(request.body)  # of that model already: the same object
        except ValidationError as error:
            raise invalid(error.errors(include_url=False, include_input=False)) from None
        item.cause = acting(who, item.command.on_behalf)
        if spec.operator and who.actor_role not in (Role.OPERATOR, Role.COORDINATOR, Role.INTEGRATOR):
            raise Forbidden("This needs role OPERATOR, COORDINATOR or INTEGRATOR.")
        if spec.target is Target.NEW:
            item.case_id = spec.case_of(item.command)
        elif request.id is None:
            raise Invalid("Say what the command is about.", Fix("id", "the id of what exists"))
        else:
            item.id = request.id

    def _await(self, items: Sequence[_Item]) -> None:
        """Wait, together, until our tracks have what the callers have seen; who would have to wait longer is told to ask again."""
        waiting = [item for item in items if item.answer is None and item.request.case_seen]
        if not waiting:
            return
        with self.engine.begin() as connection:
            work = self.reader(connection)
            work.load({item.about for item in waiting})
            seen = [(_case_of(work, item), _of_others(item.request.case_seen, self.service)) for item in waiting]
        for index in wait_to_see(self.engine, self.tracks, seen):
            item = waiting[index]
            item.answer = refusal(item.request.key, NotYet(NOT_SEEN, retry_after=1))

    def reader(self, connection: Connection) -> Work:
        """A Work that locks nothing, for reading."""
        work = self.make_work(connection)
        work.only_reads()
        return work

    def _transact(self, connection: Connection, who: Cause, items: list[_Item]) -> None:
        principal = f"{who.actor_agency} {who.actor}"
        first = {item.request.key: item for item in reversed(items)}
        known = idempotency.claim(connection, principal, {key: item.digest for key, item in first.items()})
        for item in items:
            key = item.request.key
            item.answer = _remembered(item, known.get(key, (first[key].digest, None)))
        fresh = [item for item in items if item.answer is None and item is first[item.request.key]]
        work = self.make_work(connection)
        work.load({item.about for item in fresh})
        for item in fresh:
            with _answering(item):
                self._handle(item, work)
        last = work.save()
        for item in fresh:
            item.answer = self._sealed(item, work, last)
        for item in items:
            if item.answer is None:  # the same request a second time in this batch
                item.answer = first[item.request.key].answer
        idempotency.store(connection, principal, [item.answer for item in fresh if item.answer])

    def _handle(self, item: _Item, work: Work) -> None:
        assert item.spec is not None and item.command is not None and item.cause is not None  # noqa: PT018  # set by _read, together
        work.cause = item.cause
        work.mark()
        try:
            happened_by(work.now, item.cause.occurred_at)
            standing = work.standing(item.about)
            authorise(item.cause, Act.BEGIN if item.spec.target is Target.NEW and item.case_id is None else item.spec.act, standing)
            if standing is not None:
                work.cause = replace(item.cause, lead_epoch=standing.lead_epoch)
                _check_import(item.cause, standing)
            if item.spec.target is Target.VERSIONED:
                _check_version(item.request, work.version(item.id))
            aggregate = item.spec.handler(item.id, item.command, work)
        except Rejected:
            work.undo()
            raise
        status = 201 if item.spec.target is Target.NEW else 200
        item.answer = Answer(key=item.request.key, status=status, version=aggregate.version, body=item.spec.view(aggregate))

    def _sealed(self, item: _Item, work: Work, last: Mapping[UUID, int]) -> Answer:
        """The answer with the place of its case in our log."""
        assert item.answer is not None  # it was handled or refused
        case_id = _case_of(work, item)
        return replace(item.answer, case_seen={self.service: last[case_id]}) if item.answer.is_done and case_id in last else item.answer


@contextmanager
def _answering(item: _Item) -> Iterator[None]:
    """A refusal is the item's answer, and no error."""
    try:
        yield
    except Rejected as error:
        item.answer = refusal(item.request.key, error)


def acting(who: Cause, on_behalf: OnBehalf | None) -> Cause:
    """Who acts, by the token alone; an integrator may name the agency, the time and the origin in the body."""
    traced = replace(who, traceparent=tracing.traceparent())
    if on_behalf is None:
        return traced
    if who.actor_role is not Role.INTEGRATOR:
        raise Forbidden("Only role INTEGRATOR may act on behalf of an agency. Leave out on_behalf.")
    return replace(
        traced,
        agency=on_behalf.agency,
        on_behalf_of=on_behalf.agency,
        origin=on_behalf.origin,
        occurred_at=on_behalf.occurred_at,
        import_id=on_behalf.import_id,
    )


def _case_of(work: Work, item: _Item) -> UUID:
    """The case behind what a command is about; an unknown id is taken for a case's."""
    standing = work.standing(item.about)
    return standing.case_id if standing else item.about


def refusal(key: str, error: Rejected) -> Answer:
    """A refused command as its caller reads it."""
    return Answer(key=key, status=error.status, version=error.version, body=problem(error), retry_after=error.retry_after)


def _remembered(item: _Item, before: tuple[bytes, dict[str, Any] | None]) -> Answer | None:
    """The answer that was given before; a refusal where the key was used for something else; None where there is none yet."""
    digest, stored = before
    if digest != item.digest:
        error = Invalid("This Idempotency-Key was used for another request.", Fix("Idempotency-Key", "a new one for each command"))
        return refusal(item.request.key, error)
    return None if stored is None else Answer(key=item.request.key, **stored)


def _of_others(seen: Mapping[str, int], service: str) -> dict[str, int]:
    """Without what the service itself stated: a command works on its own tables."""
    return {owner: seq for owner, seq in seen.items() if owner != service}


def _check_version(request: Request, current: int | None) -> None:
    if current is None:
        raise Absent
    if request.version is None:
        raise Unversioned(
            "Send the version you saw (If-Match, or version in a batch).", Fix("If-Match", "the ETag that you read"), version=current
        )
    if request.version != current:
        raise Stale("Read it again, look whether your command is still right, and send it with the version you then see.", version=current)


def _check_import(cause: Cause, standing: Standing) -> None:
    """History is brought by the import that was begun: what another one started would never be decided."""
    if cause.origin is Origin.IMPORT and standing.importing is not None and cause.import_id != standing.importing:
        raise Conflict("Another import of this case was begun: use its import_id, or begin yours at intake (begin-import).")


def happened_by(now: datetime, moment: datetime | None) -> None:
    """Raises Invalid for a time that hasn't come yet."""
    if moment is not None and moment > now:
        raise Invalid("That time lies in the future.", Fix("on_behalf.occurred_at", "a time that has passed, in system time"))
