"""Commands: what may be asked of a service. One request or a batch of 200 goes the same way, in one transaction, each with its own answer.

idempotency → what the caller has seen → load as a set → authorise → version → handler → save as a set → events → answers.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Self
from uuid import UUID, uuid4

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator
from sqlalchemy import Connection, Engine, text

from casebus import idempotency, telemetry
from casebus.access import Act, authorise
from casebus.cause import Cause
from casebus.codec import Codec
from casebus.envelope import Origin, Role
from casebus.errors import Absent, Fix, Forbidden, Invalid, NotYet, Rejected, Stale, Unversioned
from casebus.shelf import Aggregate
from casebus.work import Work

SEEN_SECONDS = 2.0
"""How long a command waits for its service to see what its caller has seen."""

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,62}$")]
"""An agency, a region, a type of service."""


class OnBehalf(BaseModel):
    """An integrator's: for which agency, when it happened, and whether it is history. `occurred_at` is needed for IMPORT and OFFLINE."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    agency: Slug
    origin: Origin = Origin.LIVE
    occurred_at: AwareDatetime | None = None
    import_id: UUID | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.origin not in (Origin.LIVE, Origin.OFFLINE, Origin.IMPORT):
            raise ValueError("origin must be LIVE, OFFLINE or IMPORT")
        if (self.origin is Origin.LIVE) != (self.occurred_at is None):
            raise ValueError("occurred_at goes with IMPORT and OFFLINE, and only with them")
        if (self.origin is Origin.IMPORT) != (self.import_id is not None):
            raise ValueError("import_id goes with IMPORT, and only with it")
        return self


class Command(BaseModel):
    """The body of a command. Unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    on_behalf: OnBehalf | None = None


class Target(Enum):
    """What a command is about."""

    NEW = "something that it makes; its id is made here"
    VERSIONED = "something that exists, in the version that the caller saw"
    CASE = "a case, to which it adds a fact"


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """One command of a service. `handler(id, command, work)` returns the aggregate as it is afterwards; `view` is what the caller gets of it."""

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
    """One command as it was asked for. `body` is not yet checked."""

    key: str
    command: str
    body: Mapping[str, Any]
    id: UUID | None = None
    version: int | None = None
    case_seen: Mapping[str, int] = field(default_factory=dict)

    @property
    def digest(self) -> bytes:
        """Of what is asked for: the same fact brought by another import is the same request."""
        body = dict(self.body)
        if isinstance(body.get("on_behalf"), dict):
            body["on_behalf"] = {name: value for name, value in body["on_behalf"].items() if name != "import_id"}
        return hashlib.sha256(orjson.dumps([self.command, self.id, body], option=orjson.OPT_SORT_KEYS, default=str)).digest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What became of one command: `body` is a view, or what problem() made of a refusal."""

    key: str
    status: int
    version: int | None = None
    case_seen: Mapping[str, int] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    retry_after: int | None = None


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


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Runs a service's commands. `tracks` are the schemas whose inboxes must have what a caller has seen; `wake` tells the relay."""

    service: str
    engine: Engine
    codec: Codec
    make_work: Callable[[Connection], Work]
    specs: Mapping[str, Spec]
    tracks: Mapping[str, frozenset[str]]
    """By schema, the topics that the track reads."""
    wake: Callable[[], None] = lambda: None

    def run(self, who: Cause, requests: Sequence[Request]) -> list[Answer]:
        """An answer for each request, in their order. Raises only what is nobody's fault (a database that is away)."""
        items = [_Item(request) for request in requests]
        for item in items:
            self._guard(item, lambda item=item: self._read(item, who))  # type: ignore[misc]  # bound at once
        self._await(items)
        with telemetry.COMMAND_SECONDS.labels(self.service).time(), self.engine.begin() as connection:
            self._transact(connection, who, [item for item in items if item.answer is None])
        self.wake()
        answers = [item.answer for item in items if item.answer is not None]
        for item in items:
            telemetry.COMMANDS.labels(item.spec.name if item.spec else "unknown", str(item.answer.status if item.answer else 0)).inc()
        return answers

    def see(self, case_id: UUID, seen: Mapping[str, int]) -> None:
        """For reading: wait until our tracks have what the caller has seen. Raises NotYet."""
        end = time.monotonic() + SEEN_SECONDS
        while seen:
            with self.engine.begin() as connection:
                if not any(self._lacking(connection, [(case_id, seen)])):
                    return
            if time.monotonic() > end:
                raise NotYet("This service has not yet seen what you have seen. Ask again.", retry_after=1)
            time.sleep(0.01)

    def _guard(self, item: _Item, step: Callable[[], None]) -> bool:
        try:
            step()
        except Rejected as error:
            item.answer = refusal(item.request.key, error)
        return item.answer is None

    def _read(self, item: _Item, who: Cause) -> None:
        """Find the command, check its body, say who acts."""
        request = item.request
        idempotency.check_key(request.key)
        spec = self.specs.get(request.command)
        if spec is None:
            raise Invalid("No such command.", Fix("command", f"one of: {', '.join(sorted(self.specs))}"))
        item.spec = spec
        try:
            item.command = spec.model.model_validate(request.body)
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
        """Wait, together and at most SEEN_SECONDS, until our tracks have what the callers have seen; who must wait longer is told to ask again."""
        waiting = [item for item in items if item.answer is None and item.request.case_seen]
        if not waiting:
            return
        with self.engine.begin() as connection:
            work = self.reader(connection)
            work.load({item.about for item in waiting})
            seen = [(item, _case_of(work, item), item.request.case_seen) for item in waiting]
        end = time.monotonic() + SEEN_SECONDS
        while seen:
            with self.engine.begin() as connection:
                behind = self._lacking(connection, [(case_id, wanted) for _, case_id, wanted in seen], self.service)
            seen = [one for one, lacks in zip(seen, behind, strict=True) if lacks]
            if seen and time.monotonic() > end:
                for item, _, _ in seen:
                    item.answer = refusal(item.request.key, NotYet("This service has not yet seen what you have seen. Ask again.", retry_after=1))
                return
            if seen:
                time.sleep(0.01)

    def _lacking(self, connection: Connection, seen: Sequence[tuple[UUID, Mapping[str, int]]], own: str | None = None) -> list[bool]:
        """For each case, whether one of our tracks has not yet applied what its caller has seen. What a track doesn't read doesn't count."""
        lacks = [False] * len(seen)
        for schema, topics in self.tracks.items():
            rows = connection.execute(
                text(f"SELECT subject, topic, seq FROM {schema}.inbox WHERE subject = ANY(CAST(:cases AS uuid[]))"),
                {"cases": sorted({case_id for case_id, _ in seen})},
            )
            found = {(subject, topic): seq for subject, topic, seq in rows}
            for index, (case_id, wanted) in enumerate(seen):
                for owner, seq in wanted.items():
                    topic = f"{owner}.case.v1"
                    lacks[index] |= owner != own and topic in topics and found.get((case_id, topic), 0) < seq
        return lacks

    def reader(self, connection: Connection) -> Work:
        """A Work that locks nothing, for reading."""
        work = self.make_work(connection)
        work.only_reads()
        return work

    def _transact(self, connection: Connection, who: Cause, items: list[_Item]) -> None:
        fresh = []
        known = idempotency.claim(connection, who.actor, {item.request.key: item.request.digest for item in reversed(items)})
        for item in items:
            item.answer = _remembered(known, item.request)
            if item.answer is None:
                fresh.append(item)
                known[item.request.key] = (item.request.digest, None)
        work = self.make_work(connection)
        work.load({item.about for item in fresh})
        done = [item for item in fresh if self._guard(item, lambda item=item: self._handle(item, work)) or self._done(item)]  # type: ignore[misc]
        last = work.save()
        for item in done:
            self._seal(item, work, last)
        for item in items:
            if item.answer is None:  # the same key and body a second time in this batch
                item.answer = next(d.answer for d in fresh if d.request.key == item.request.key)
        idempotency.store(connection, who.actor, [i.answer for i in done if i.answer], [i.request.key for i in fresh if not self._done(i)])

    @staticmethod
    def _done(item: _Item) -> bool:
        return item.answer is not None and item.answer.status < 300

    def _handle(self, item: _Item, work: Work) -> None:
        assert item.spec and item.command and item.cause  # set by _read
        work.cause = item.cause
        work.mark()
        try:
            happened_by(work.now, item.cause.occurred_at)
            standing = work.standing(item.about)
            authorise(item.cause, Act.BEGIN if item.spec.target is Target.NEW and item.case_id is None else item.spec.act, standing)
            if standing is not None:
                work.cause = replace(item.cause, lead_epoch=standing.lead_epoch)
            if item.spec.target is Target.VERSIONED:
                _check_version(item.request, work.version(item.id))
            aggregate = item.spec.handler(item.id, item.command, work)
        except Rejected:
            work.undo()
            raise
        status = 201 if item.spec.target is Target.NEW else 200
        item.answer = Answer(key=item.request.key, status=status, version=aggregate.version, body=item.spec.view(aggregate))

    def _seal(self, item: _Item, work: Work, last: Mapping[UUID, int]) -> None:
        """Give the answer the place of its case in our log."""
        assert item.answer is not None  # only what was done is sealed
        case_id = _case_of(work, item)
        if case_id in last:
            item.answer = replace(item.answer, case_seen={self.service: last[case_id]})


def acting(who: Cause, on_behalf: OnBehalf | None) -> Cause:
    """Who acts, by the token alone; an integrator may name the agency, the time and the origin in the body."""
    traced = replace(who, traceparent=telemetry.traceparent())
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


def problem(error: Rejected) -> dict[str, Any]:
    """RFC 9457: the class's title, what to do, and the fields with their fixes. No value that was sent."""
    name = type(error).__name__.lower()
    said: dict[str, Any] = {"type": f"urn:continuum:problem:{name}", "title": error.title, "status": error.status, "detail": error.detail}
    if error.fixes:
        said["errors"] = [{"field": fix.field, "fix": fix.fix} for fix in error.fixes]
    if error.version is not None:
        said["version"] = error.version
    return said


def invalid(errors: Sequence[Mapping[str, Any]]) -> Invalid:
    """Pydantic's complaints as field and fix; its messages never hold the value."""
    fixes = [Fix(".".join(str(part) for part in e["loc"] if part != "body") or "body", str(e["msg"])) for e in errors[:20]]
    return Invalid("Mend the fields below and send it again with the same Idempotency-Key.", *fixes)


def _remembered(known: Mapping[str, tuple[bytes, dict[str, Any] | None]], request: Request) -> Answer | None:
    """The answer that was given before; a refusal where the key was used for something else; None where it is new."""
    before = known.get(request.key)
    if before is None:
        return None
    digest, stored = before
    if digest != request.digest:
        error = Invalid("This Idempotency-Key was used for another request.", Fix("Idempotency-Key", "a new one for each command"))
        return refusal(request.key, error)
    return None if stored is None else Answer(key=request.key, **stored)


def _check_version(request: Request, current: int | None) -> None:
    if current is None:
        raise Absent
    if request.version is None:
        raise Unversioned(
            "Send the version you saw (If-Match, or version in a batch).", Fix("If-Match", "the ETag that you read"), version=current
        )
    if request.version != current:
        raise Stale("Read it again, look whether your command is still right, and send it with the version you then see.", version=current)


def happened_by(now: datetime, moment: datetime | None) -> None:
    """Raises Invalid for a time that hasn't come yet."""
    if moment is not None and moment > now:
        raise Invalid("That time lies in the future.", Fix("on_behalf.occurred_at", "a time that has passed, in system time"))
