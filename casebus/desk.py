"""Commands: what may be asked of a service. One request or a batch of 200 goes the same way, in one transaction, each with its own answer.

idempotency → what the caller has seen → load as a set → authorise → version → handler → save as a set → events → answers.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Connection, Engine
from uuid_utils.compat import uuid4

from casebus import idempotency, metrics, tracing
from casebus.access import Act, Standing, authorise
from casebus.aggregate import Aggregate
from casebus.case_seen import Tracks, wait_to_see
from casebus.cause import Cause, in_epoch
from casebus.codec import Codec
from casebus.command import Command, OnBehalf
from casebus.envelope import Origin, Role
from casebus.errors import Absent, Conflict, Fix, Forbidden, Invalid, NotYet, Rejected, Stale, Unversioned
from casebus.idempotency import Claim
from casebus.problems import invalid, problem
from casebus.work import Work

NOTHING = UUID(int=0)
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
    """One command as it was asked for. `body` is not yet checked: JSON as it was sent, or what was read of it."""

    key: str
    command: str
    body: bytes | Mapping[str, Any]
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
    claim: Claim
    spec: Spec | None = None
    command: Command | None = None
    cause: Cause | None = None
    digest: bytes = b""
    """Of what is asked for, however it was spelt: the same fact brought by another import is the same request."""
    id: UUID = NOTHING
    about: UUID = NOTHING
    """The id by which the Work finds the case: what it addresses, or the case that something new belongs to."""
    made: Aggregate | None = None
    """What the handler left."""
    place_of: UUID = NOTHING
    """The case whose place in our log the answer tells."""
    answer: Answer | None = None

    @property
    def begins(self) -> bool:
        """Whether it makes something that belongs to no case yet."""
        return self.spec is not None and self.spec.target is Target.NEW and self.about == self.id


@dataclass(slots=True)
class Asked:
    """Requests that were read together. What is `open` has to be committed; the others were refused before."""

    items: list[_Item]
    open: list[_Item] = field(init=False)

    def __post_init__(self) -> None:
        self.close_refused()

    def close_refused(self) -> None:
        self.open = [item for item in self.items if item.answer is None]


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
        asked = self.read(who, requests)
        self.wait_to_see(asked)
        self.commit([asked])
        return self.answers(asked)

    def read(self, who: Cause, requests: Sequence[Request]) -> Asked:
        """Find each command, check its body, say who acts."""
        principal = f"{who.actor_agency} {who.actor}"
        items = [_Item(request, (principal, request.key)) for request in requests]
        trace = tracing.traceparent()
        traced = replace(who, traceparent=trace) if trace else who
        for item in items:
            try:
                self._read(item, traced)
            except Rejected as error:
                item.answer = refusal(item.request.key, error)
        return Asked(items)

    def must_wait(self, asked: Asked) -> bool:
        """Whether a caller has seen what other services stated."""
        return any(_of_others(item.request.case_seen, self.service) for item in asked.open)

    def wait_to_see(self, asked: Asked) -> None:
        """Wait, together, until our tracks have what the callers have seen; who would have to wait longer is told to ask again."""
        waiting = [item for item in asked.open if _of_others(item.request.case_seen, self.service)]
        if not waiting:
            return
        with self.engine.begin() as connection:
            work = self.reader(connection)
            work.load({item.about for item in waiting})
            seen = [(_case_of(work, item), _of_others(item.request.case_seen, self.service)) for item in waiting]
        for index in wait_to_see(self.engine, self.tracks, seen):
            item = waiting[index]
            item.answer = refusal(item.request.key, NotYet(NOT_SEEN, retry_after=1))
        asked.close_refused()

    def commit(self, together: Sequence[Asked], engine: Engine | None = None) -> None:
        """Do what is open, in one transaction, on the desk's engine or the one given."""
        items = [item for asked in together for item in asked.open]
        while True:
            try:
                with (engine or self.engine).begin() as connection:
                    self._transact(connection, items)
                return self.wake()
            except idempotency.Raced:  # one of them is answered now, so this ends
                for item in items:
                    item.answer = None

    def answers(self, asked: Asked) -> list[Answer]:
        """Of what was refused or committed, in the order of the requests."""
        answers = [item.answer for item in asked.items if item.answer is not None]
        for item, answer in zip(asked.items, answers, strict=True):
            metrics.COMMANDS.labels(item.spec.name if item.spec else "unknown", str(answer.status)).inc()
        return answers

    def see(self, case_id: UUID, seen: Mapping[str, int]) -> None:
        """For reading: wait until our tracks have what the caller has seen. Raises NotYet."""
        if seen and wait_to_see(self.engine, self.tracks, [(case_id, seen)]):
            raise NotYet(NOT_SEEN, retry_after=1)

    def _read(self, item: _Item, who: Cause) -> None:
        request = item.request
        idempotency.check_key(request.key)
        spec = self.specs.get(request.command)
        if spec is None:
            raise Invalid("No such command.", Fix("command", f"one of: {', '.join(sorted(self.specs))}"))
        item.spec = spec
        try:
            body, model = request.body, spec.model
            item.command = model.model_validate_json(body) if isinstance(body, bytes) else model.model_validate(body)
        except ValidationError as error:
            raise invalid(error.errors(include_url=False, include_input=False)) from None
        item.cause = acting(who, item.command.on_behalf)
        if spec.operator and who.actor_role not in (Role.OPERATOR, Role.COORDINATOR, Role.INTEGRATOR):
            raise Forbidden("This needs role OPERATOR, COORDINATOR or INTEGRATOR.")
        if spec.target is Target.NEW:
            item.id = uuid4()
            item.about = spec.case_of(item.command) or item.id
        elif request.id is None:
            raise Invalid("Say what the command is about.", Fix("id", "the id of what exists"))
        else:
            item.id = item.about = request.id
        said = item.command.model_dump_json(exclude_unset=True, exclude={"on_behalf": {"import_id"}})
        item.digest = hashlib.sha256(f"{request.command} {request.id} {said}".encode()).digest()

    def reader(self, connection: Connection) -> Work:
        """A Work that locks nothing, for reading."""
        work = self.make_work(connection)
        work.only_reads()
        return work

    def _transact(self, connection: Connection, items: Sequence[_Item]) -> None:
        first = {item.claim: item for item in reversed(items)}
        known = idempotency.answered(connection, first)
        for item in items:
            item.answer = _remembered(item, known.get(item.claim, (first[item.claim].digest, None)))
        fresh = [item for item in items if item.answer is None and item is first[item.claim]]
        work = self.make_work(connection)
        work.load({item.about for item in fresh if not item.begins})
        for item in fresh:
            work.mark()
            try:
                self._handle(item, work)
            except Rejected as error:
                work.undo()
                item.answer = refusal(item.request.key, error)
        last = work.save()
        done: dict[Claim, tuple[bytes, Answer]] = {}
        refused = [item for item in fresh if item.answer is not None]
        for item in fresh:
            if item.answer is None:
                item.answer = self._done(item, last)
                done[item.claim] = item.digest, item.answer
        _look_again(connection, refused)
        for item in items:
            if item.answer is None:  # the same request a second time
                item.answer = first[item.claim].answer
        idempotency.store(connection, done)

    def _handle(self, item: _Item, work: Work) -> None:
        assert item.spec is not None and item.command is not None and item.cause is not None  # noqa: PT018  # set by _read, together
        work.cause = item.cause
        happened_by(work, item.cause.occurred_at)
        standing = work.standing(item.about)
        authorise(item.cause, Act.BEGIN if item.begins else item.spec.act, standing)
        if standing is not None:
            work.cause = in_epoch(item.cause, standing.lead_epoch)
            _check_import(item.cause, standing)
        if item.spec.target is Target.VERSIONED:
            _check_version(item.request, work.version(item.id))
        item.made = item.spec.handler(item.id, item.command, work)
        item.place_of = standing.case_id if standing else item.about

    def _done(self, item: _Item, last: Mapping[UUID, int]) -> Answer:
        """With the place of its case in our log."""
        assert item.spec is not None and item.made is not None  # noqa: PT018  # it was handled
        return Answer(
            key=item.request.key,
            status=201 if item.spec.target is Target.NEW else 200,
            version=item.made.version,
            case_seen={self.service: last[item.place_of]} if item.place_of in last else {},
            body=item.spec.view(item.made),
        )


def acting(who: Cause, on_behalf: OnBehalf | None) -> Cause:
    """Who acts, by the token alone; an integrator may name the agency, the time and the origin in the body."""
    if on_behalf is None:
        return who
    if who.actor_role is not Role.INTEGRATOR:
        raise Forbidden("Only role INTEGRATOR may act on behalf of an agency. Leave out on_behalf.")
    return replace(
        who,
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


def _look_again(connection: Connection, refused: Sequence[_Item]) -> None:
    """One may have been refused because the same request, sent twice, was done while this one waited for its rows."""
    known = idempotency.answered(connection, [item.claim for item in refused])
    for item in refused:
        if item.claim in known:
            item.answer = _remembered(item, known[item.claim])


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


def happened_by(work: Work, moment: datetime | None) -> None:
    """Raises Invalid for a time that hasn't come yet."""
    if moment is not None and moment > work.now:
        raise Invalid("That time lies in the future.", Fix("on_behalf.occurred_at", "a time that has passed, in system time"))
