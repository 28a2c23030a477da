"""Monitoring's API and the stream's trend, as typed answers or one of four errors."""

from collections.abc import Generator, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar
from uuid import UUID

import httpx
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

Model = TypeVar("Model", bound=BaseModel)
Item = TypeVar("Item", bound=BaseModel)


class Trouble(StrEnum):
    """Why there is no answer; each has its own advice on the page."""

    UNREACHABLE = "UNREACHABLE"  # nobody answers, or answers that it can't now
    TOKEN = "TOKEN"  # missing, expired or refused
    UNREADABLE = "UNREADABLE"  # it answers something else than the API promises


class NoAnswer(Exception):
    """A service gave no usable answer; `trouble` says which kind."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble


class NotThere(Exception):
    """Monitoring has no such case or list, or this token may not see it."""


class Refused(Exception):
    """Monitoring did not do what was asked; `detail` and the fixes are its words, which name fields and never repeat a value."""

    def __init__(self, status: int, detail: str, fixes: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.status, self.detail, self.fixes = status, detail, fixes


class Wire(BaseModel):
    """Part of an answer: immutable; what we don't know yet is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class CaseCell(Wire):
    holder: str
    stage: str
    count: int


class FlowCell(Wire):
    source: str = Field(alias="from")
    target: str = Field(alias="to")
    count: int


class AlertCell(Wire):
    rung: str
    age: str
    count: int


class RuleCount(Wire):
    rule: str
    open: int
    raised: int


class CaseCount(Wire):
    total: int
    cells: tuple[CaseCell, ...]


class FlowCount(Wire):
    total: int
    cells: tuple[FlowCell, ...]


class FirstAlert(Wire):
    """One of those that have waited longest; `told_at` is since when it is the turn of its rung."""

    alert_id: UUID
    case_id: UUID
    rule: str
    state: str
    rung: str
    target_agency: str
    told_at: AwareDatetime


class AlertCount(Wire):
    total: int
    raised: int
    escalated: int
    cells: tuple[AlertCell, ...]
    by_rule: tuple[RuleCount, ...]
    first: tuple[FirstAlert, ...] = ()


class FollowUps(Wire):
    done: int
    missed: int
    made_up: int


class Blind(Wire):
    owner: str
    since: AwareDatetime


class Board(Wire):
    """GET /api/board: every number of the page, counted at one moment. `at` is system time."""

    at: AwareDatetime
    watermark: AwareDatetime | None
    cases: CaseCount
    flow: FlowCount
    alerts: AlertCount
    follow_ups: FollowUps
    blind: tuple[Blind, ...]
    held: int
    note: str | None = None


class CaseItem(Wire):
    case_id: UUID
    holder: str
    lead: str
    stage: str
    priority: str | None
    since: AwareDatetime | None
    open_alerts: int


class HandOffItem(Wire):
    case_id: UUID
    source: str = Field(alias="from")
    target: str = Field(alias="to")
    at: AwareDatetime


class AlertItem(FirstAlert):
    """`targets` and `worker` are opaque ids: the directory holds no names."""

    also_agency: str | None = None
    agency: str
    targets: tuple[str, ...] = ()
    due_at: AwareDatetime
    raised_at: AwareDatetime
    worker: str | None = None
    until: AwareDatetime | None = None
    version: int

    @property
    def is_open(self) -> bool:
        return self.state not in ("RESOLVED", "AUTO_CLEARED")


class Place(Wire):
    """An event on the case's timeline, and from when it counts."""

    type: str
    effective_at: AwareDatetime


class Failed(Place):
    why: str


class Why(Wire):
    """GET /api/alerts/{id}/why; without a start, the facts that are known now no longer give it."""

    started_by: Place | None
    deadline: AwareDatetime | None = None
    failed: tuple[Failed, ...] = ()


class Entry(Wire):
    """One event on a case's timeline."""

    occurred_at: AwareDatetime
    recorded_at: AwareDatetime
    owner: str
    type: str
    agency: str
    origin: str
    case_seq: int


class Listing(Wire, Generic[Item]):
    """One page of a list; `next` asks for the page after it, None at the end."""

    total: int
    items: tuple[Item, ...]
    next: str | None


class Timeline(Wire):
    items: tuple[Entry, ...]


class Window(Wire):
    start: AwareDatetime
    source: str = Field(alias="from")
    target: str = Field(alias="to")
    count: int


class Trend(Wire):
    """The stream's windows over the flow, by length: an estimate, never to be added to the board's numbers."""

    windows: Mapping[str, tuple[Window, ...]]


class FileToken(httpx.Auth):
    """Sends the token that the file holds at that moment, so that a new one needs no restart."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the bearer token; raises NoAnswer when the file can't be read."""
        try:
            token = self._path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            raise NoAnswer(Trouble.TOKEN) from None
        request.headers["Authorization"] = f"Bearer {token}"
        yield request


class Monitoring:
    """Monitoring's API. Every method raises NoAnswer; the lists raise NotThere too."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._last: tuple[str, Board] | None = None

    def board(self, *, whole: bool = True) -> Board:
        """The board; unless `whole`, the same object as before while its numbers (not its times) are the same. One caller at a time."""
        known = {"If-None-Match": self._last[0]} if self._last and not whole else {}
        response = _get(self._http, "/api/board", headers=known)
        if response.status_code == httpx.codes.NOT_MODIFIED and self._last:
            return self._last[1]
        board = _read(Board, response)
        etag = response.headers.get("ETag")
        self._last = (etag, board) if etag else None
        return board

    def now(self) -> datetime:
        """The system time."""
        return _read(Board, _get(self._http, "/api/board")).at

    def cases(self, filters: Mapping[str, str]) -> Listing[CaseItem]:
        """Open cases by `holder` and `stage`."""
        return _read(Listing[CaseItem], _get(self._http, "/api/cases", params=filters))

    def hand_offs(self, filters: Mapping[str, str]) -> Listing[HandOffItem]:
        """Hand-offs by `from` and `to`."""
        return _read(Listing[HandOffItem], _get(self._http, "/api/hand-offs", params=filters))

    def alerts(self, filters: Mapping[str, str]) -> Listing[AlertItem]:
        """Open alerts by `rung`, `age` and `rule`."""
        return _read(Listing[AlertItem], _get(self._http, "/api/alerts", params=filters))

    def alert(self, alert_id: UUID) -> AlertItem:
        """One alert, whatever its state."""
        return _read(AlertItem, _get(self._http, f"/api/alerts/{alert_id}"))

    def why(self, alert_id: UUID) -> Why:
        """Why there is this alert."""
        return _read(Why, _get(self._http, f"/api/alerts/{alert_id}/why"))

    def timeline(self, case_id: UUID) -> Timeline:
        """What happened to a case, from all owners."""
        return _read(Timeline, _get(self._http, f"/api/cases/{case_id}/timeline"))


class Fix(Wire):
    field: str
    fix: str


class Problem(Wire):
    """Why something was refused (RFC 9457)."""

    detail: str
    errors: tuple[Fix, ...] = ()


class Desk:
    """Monitoring's commands about alerts, as who holds the acting token."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def act(self, path: str, *, version: int, key: str, said: Mapping[str, str]) -> None:
        """Do what the command of this path does, in the version that was seen; the same key again does it once. Raises NoAnswer,
        NotThere and Refused."""
        headers = {"If-Match": f'"{version}"', "Idempotency-Key": key}
        try:
            response = self._http.post(f"/api{path}", json=dict(said), headers=headers)
        except httpx.TransportError:
            raise NoAnswer(Trouble.UNREACHABLE) from None
        if response.is_success:
            return
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise NoAnswer(Trouble.TOKEN)
        if response.status_code == httpx.codes.NOT_FOUND:
            raise NotThere
        if response.is_server_error:
            raise NoAnswer(Trouble.UNREACHABLE)
        problem = _read(Problem, response)
        raise Refused(response.status_code, problem.detail, tuple(f"{one.field}: {one.fix}" for one in problem.errors))


class Stream:
    """The Faust worker's pages."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def trend(self) -> Trend:
        """The windows as they are now; raises NoAnswer."""
        return _read(Trend, _get(self._http, "/flow/trend/"))


def _get(
    http: httpx.Client, path: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    try:
        response = http.get(path, params=params, headers=headers)
    except httpx.TransportError:
        raise NoAnswer(Trouble.UNREACHABLE) from None
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise NoAnswer(Trouble.TOKEN)
    if response.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.NOT_FOUND, httpx.codes.UNPROCESSABLE_ENTITY):
        raise NotThere
    if response.is_server_error:
        raise NoAnswer(Trouble.UNREACHABLE)
    return response


def _read(model: type[Model], response: httpx.Response) -> Model:
    try:
        return model.model_validate_json(response.content)
    except ValidationError:
        raise NoAnswer(Trouble.UNREADABLE) from None
