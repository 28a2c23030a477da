"""HTTP of a service: its commands as routes and as a batch, problems by RFC 9457, health, metrics, API pages that need no network."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, FastAPI, Header, Response
from fastapi import Request as HttpRequest
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from casebus import telemetry
from casebus.command import Command
from casebus.database import FAILURES, unavailable
from casebus.desk import Answer, Desk, Request, Spec, Target
from casebus.errors import Fix, Invalid, NotYet, Rejected, TooLarge
from casebus.group_commit import GroupCommit
from casebus.idempotency import KEPT
from casebus.identity import Principal, Verifier
from casebus.problems import invalid, problem
from casebus.registry import RegistryAway
from casebus.traffic import Traffic

BATCH_LIMIT = 200
BODY_LIMIT = 2_000_000
PROBLEM = "application/problem+json"
KEY_SAYS = f"1–128 visible characters, new for each command; sent twice within {KEPT.days} days, done once"
OURS: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
"""FastAPI's own telemetry: off, casebus/traffic.py is ours."""
log = telemetry.logger(__name__)


def _places_seen(given: object) -> object:
    """By owner; checked as a whole, because a complaint about one of its keys would repeat the key."""
    places = given.items() if isinstance(given, dict) else [(None, None)]
    if len(places) > 8 or not all(isinstance(name, str) and type(seq) is int and 0 <= seq < 10**9 for name, seq in places):
        raise ValueError('places by owner, for example {"intake": 3}')
    return given


def _writable(key: str) -> str:
    """A key that the answer can repeat; whether it is a good one, the command's own answer says."""
    if any("\ud800" <= character <= "\udfff" for character in key):
        raise ValueError("use visible characters")
    return key


class BatchItem(BaseModel):
    """One command of a batch, as its single route would get it. `key` is its Idempotency-Key, `version` its If-Match."""

    model_config = ConfigDict(extra="forbid")
    key: Annotated[str, AfterValidator(_writable)]
    command: str
    id: UUID | None = None
    version: Annotated[int, Field(ge=0, lt=10**9, strict=True)] | None = None
    case_seen: Annotated[dict[str, int], BeforeValidator(_places_seen)] = Field(default_factory=dict)
    body: dict[str, Any] = Field(default_factory=dict)


class Batch(BaseModel):
    model_config = ConfigDict(extra="forbid")
    commands: Annotated[list[BatchItem], Field(min_length=1, max_length=BATCH_LIMIT)]


class BatchAnswer(BaseModel):
    """`body` is what the single route would have answered: a view, or a problem."""

    key: str
    status: int
    version: int | None
    case_seen: dict[str, int]
    body: dict[str, Any]
    retry_after: int | None


class BatchAnswers(BaseModel):
    answers: list[BatchAnswer]


def build_app(title: str, description: str, verifier: Verifier, ready: Callable[[], list[str]], routers: Sequence[APIRouter]) -> FastAPI:
    """The app of a service. `ready` says what is wrong, in words an operator can act on; empty when all is well."""
    app = FastAPIOffline(title=title, description=description, version="1", docs_url="/docs", redoc_url=None, telemetry=OURS)
    app.state.verifier = verifier
    for router in routers:
        app.include_router(router, prefix="/api")
    app.include_router(_health(ready))
    _answer_errors(app)
    app.add_middleware(_Bounded)
    app.add_middleware(Traffic)
    return app


class _Bounded:
    """Refuses a body that is too large before it is read, and one that doesn't say how large it is. Nothing leaves as a bare error."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        if b"transfer-encoding" in headers or not re.fullmatch(b"[0-9]{1,9}", length) or int(length) > BODY_LIMIT:
            refused = _refuse(TooLarge(f"Send at most {BODY_LIMIT} bytes, with a Content-Length; split a batch."))
            return await refused(scope, receive, send)
        try:
            await self._app(scope, receive, send)
        except Exception as error:  # noqa: BLE001  # here, before the server would log its values with the trace
            log.error("request failed", error=type(error).__name__, where=_place(error))
            detail = "Nothing was changed. Tell the operators the time."
            said = {"type": "about:blank", "title": "Our mistake", "status": 500, "detail": detail}
            await _json(said, 500)(scope, receive, send)


def principal(request: HttpRequest) -> Principal:
    """The bearer of the request's token."""
    verifier: Verifier = request.app.state.verifier
    return verifier.principal(request.headers.get("authorization"))


Caller = Annotated[Principal, Depends(principal)]


Answering = Callable[[HttpRequest], Awaitable[Response]]


def command_routes(desk: Desk) -> APIRouter:
    """One POST route for each command, and the batch."""
    router = APIRouter(tags=["commands"])
    together = GroupCommit(desk)
    for spec in desk.specs.values():
        _add_route(router, together, spec)

    def batch(body: Batch, caller: Caller) -> BatchAnswers:
        raise NotImplementedError  # it says what answer_batch takes and gives

    async def answer_batch(request: HttpRequest) -> Response:
        caller = principal(request).may_change()
        return _json({"answers": [_batch_answer(a) for a in await together.run(caller, _batch_of(await _body(request)))]})

    summary = "Up to 200 commands, each with its own answer"
    router.add_api_route(
        "/commands/batch", batch, methods=["POST"], summary=summary, responses=_PROBLEMS, route_class_override=_answered_by(answer_batch)
    )
    return router


def _answered_by(answer: Answering) -> type[APIRoute]:
    """A route that FastAPI describes by its endpoint's signature and `answer` serves: to solve the signature costs as much as a command."""

    class Described(APIRoute):
        async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
            if not self.methods or scope["method"] not in self.methods:
                return await super().handle(scope, receive, send)
            response = await answer(HttpRequest(scope, receive))
            return await response(scope, receive, send)

    return Described


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": HTTPStatus(status).phrase, "content": {PROBLEM: {}}} for status in (401, 403, 404, 409, 412, 422, 428, 503)
}


def _add_route(router: APIRouter, together: GroupCommit, spec: Spec) -> None:
    def on_existing(caller: Caller, id: UUID, body: Command, headers: Annotated[CommandHeaders, Depends(command_headers)]) -> Response:
        raise NotImplementedError  # it says what answer_one takes

    def on_new(caller: Caller, body: Command, headers: Annotated[CommandHeaders, Depends(command_headers)]) -> Response:
        raise NotImplementedError

    async def answer_one(request: HttpRequest) -> Response:
        caller, headers = principal(request).may_change(), request.headers
        asked = Request(
            key=headers.get("idempotency-key", ""),
            command=spec.name,
            id=_id(request.path_params["id"]) if addressed else None,
            version=read_version(headers.get("if-match")),
            case_seen=read_seen(headers.get("case-seen")),
            body=await _body(request),
        )
        [answer] = await together.run(caller, [asked])
        return _respond(answer, spec)

    addressed = spec.target is not Target.NEW
    described = on_existing if addressed else on_new
    described.__annotations__["body"] = spec.model
    router.add_api_route(
        spec.path,
        described,
        methods=["POST"],
        operation_id=spec.name,
        summary=spec.name.replace("-", " ").capitalize(),
        description=(spec.handler.__doc__ or "").strip(),
        status_code=200 if addressed else 201,
        responses=_PROBLEMS,
        route_class_override=_answered_by(answer_one),
    )


async def _body(request: HttpRequest) -> bytes:
    """As it was sent. Raises Invalid for another type than JSON."""
    if not re.match(r"application/([!-~]+\+)?json\b", request.headers.get("content-type", ""), re.IGNORECASE):
        raise Invalid("Send JSON.", Fix("Content-Type", "application/json"))
    return await request.body()


def _id(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise Invalid("Mend the address.", Fix("path.id", "a UUID")) from None


def _batch_of(body: bytes) -> list[Request]:
    """The commands of a batch, each still as it was sent. Raises Invalid."""
    try:
        items = Batch.model_validate(json.loads(body)).commands
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_input=False)) from None
    except (ValueError, RecursionError):
        raise Invalid("The body can't be read.", Fix("body", "JSON in UTF-8")) from None
    return [
        Request(key=item.key, command=item.command, id=item.id, version=item.version, case_seen=item.case_seen, body=item.body)
        for item in items
    ]


class CommandHeaders(BaseModel):
    idempotency_key: str
    if_match: str | None
    case_seen: str | None


def command_headers(
    idempotency_key: Annotated[str, Header(description=KEY_SAYS)] = "",
    if_match: Annotated[str | None, Header(description='The version you saw, as in its ETag: "3"')] = None,
    case_seen: Annotated[str | None, Header(description="What you have seen of the case, as answers say: intake=3,planning=1")] = None,
) -> CommandHeaders:
    return CommandHeaders(idempotency_key=idempotency_key, if_match=if_match, case_seen=case_seen)


def read_version(if_match: str | None) -> int | None:
    """The version in an If-Match header; None without one. Raises Invalid for anything but one strong ETag of ours."""
    if if_match is None:
        return None
    if not re.fullmatch(r'"[0-9]{1,9}"', if_match):
        raise Invalid("The version can't be read.", Fix("If-Match", 'one ETag as you got it, for example "3"'))
    return int(if_match.strip('"'))


def seen_by_reader(
    case_seen: Annotated[str | None, Header(description="What you have seen of the case, as answers say: intake=3,planning=1")] = None,
) -> dict[str, int]:
    """The places that a reader has seen."""
    return read_seen(case_seen)


Seen = Annotated[dict[str, int], Depends(seen_by_reader)]
"""For a reading route: `desk.see(case_id, seen)` waits until the service has it too."""


def read_seen(case_seen: str | None) -> dict[str, int]:
    """The places in a Case-Seen header. Raises Invalid where it isn't `owner=number` with commas between."""
    if not case_seen:
        return {}
    if not re.fullmatch(r"[a-z]{1,20}=[0-9]{1,9}(, ?[a-z]{1,20}=[0-9]{1,9}){0,7}", case_seen):
        raise Invalid("What you have seen can't be read.", Fix("Case-Seen", "as you got it, for example intake=3,planning=1"))
    return {owner.strip(): int(seq) for owner, seq in (part.split("=") for part in case_seen.split(","))}


def _respond(answer: Answer, spec: Spec) -> Response:
    headers = {}
    if answer.version is not None:
        headers["ETag"] = f'"{answer.version}"'
    if answer.case_seen:
        headers["Case-Seen"] = ",".join(f"{owner}={seq}" for owner, seq in answer.case_seen.items())
    if answer.retry_after is not None:
        headers["Retry-After"] = str(answer.retry_after)
    if answer.status == HTTPStatus.CREATED and "id" in answer.body:
        headers["Location"] = f"/api{spec.path}/{answer.body['id']}"
    return _json(answer.body, answer.status, headers)


def _json(said: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(said), status, headers, "application/json" if status < 300 else PROBLEM)


def _batch_answer(answer: Answer) -> dict[str, Any]:
    return {name: getattr(answer, name) for name in BatchAnswer.model_fields}


def _refuse(error: Rejected) -> Response:
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return _json(problem(error), error.status, headers)


def _answer_errors(app: FastAPI) -> None:
    """Every error leaves as a problem; none echoes what was sent."""

    @app.exception_handler(Rejected)
    async def rejected(_: HttpRequest, error: Rejected) -> Response:
        return _refuse(error)

    @app.exception_handler(RequestValidationError)
    async def malformed(_: HttpRequest, error: RequestValidationError) -> Response:
        return _refuse(invalid(error.errors()))

    @app.exception_handler(DataError)
    async def not_storable(_: HttpRequest, error: DataError) -> Response:
        return _refuse(Invalid("Something in it can't be kept.", Fix("body", "numbers of a usual size, text without control characters")))

    @app.exception_handler(HTTPException)
    async def other(_: HttpRequest, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        detail = "The body is not JSON in UTF-8." if status == HTTPStatus.BAD_REQUEST else "See /docs for what this service offers."
        said = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
        return JSONResponse(said, status, error.headers, PROBLEM)

    async def away(_: HttpRequest, error: Exception) -> Response:
        if not unavailable(error):
            raise error
        log.warning("database away", error=type(error).__name__)
        detail = "The database can't be reached or can't write now. Send it again with the same Idempotency-Key."
        return _refuse(NotYet(detail, retry_after=1))

    for kind in FAILURES:
        app.add_exception_handler(kind, away)

    @app.exception_handler(RegistryAway)
    async def unexplained(_: HttpRequest, error: RegistryAway) -> Response:
        log.warning("registry away", reason=str(error))
        return _refuse(NotYet("An event can't be read while the schema registry is away. Ask again.", retry_after=1))


def _place(error: BaseException) -> str:
    """File and line of the innermost frame: enough to find it, and no value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else ""


def _health(ready: Callable[[], list[str]]) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/livez")
    async def livez() -> Mapping[str, str]:
        """The process answers, also while all of its threads wait for a database."""
        return {"status": "ok"}

    @router.get("/readyz", responses={503: {}})
    def readyz() -> Response:
        """Whether it can do its work now, and if not, why."""
        wrong = ready()
        return JSONResponse({"status": "not ready" if wrong else "ok", "because": wrong}, 503 if wrong else 200)

    @router.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
