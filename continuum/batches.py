"""Client of `POST /api/commands/batch`: packs commands, sends packs in parallel, and sends again what a service could not take yet."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Event
from typing import Final, Self
from uuid import UUID

import httpx
from pydantic import BaseModel, Field, JsonValue, ValidationError

MOST_COMMANDS: Final = 200
_PATH = "/api/commands/batch"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_ANSWER_SECONDS = 60.0
_VERSION_WANTED = (httpx.codes.PRECONDITION_FAILED, httpx.codes.PRECONDITION_REQUIRED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """One command. `id` is the aggregate addressed, `version` the one seen of it, `case_seen` what the service must have seen."""

    key: UUID
    command: str
    id: str | None = None
    version: int | None = None
    case_seen: Mapping[str, int]
    body: Mapping[str, object]


class Answer(BaseModel, frozen=True):
    """What became of one command: below 300 `body` is the resource's view, else a problem (RFC 9457)."""

    key: UUID
    status: int
    version: int | None = None
    case_seen: dict[str, int] = Field(default_factory=dict)
    body: dict[str, JsonValue] = Field(default_factory=dict)
    retry_after: int | None = None

    @property
    def accepted(self) -> bool:
        """Whether the command was done, now or when its key was first seen."""
        return self.status < httpx.codes.MULTIPLE_CHOICES

    def view(self, field: str) -> JsonValue:
        """A field of the resource's view; None where there is none or the command was refused."""
        return self.body.get(field) if self.accepted else None

    def problem(self, field: str) -> JsonValue:
        """A member of the problem; None where there is none or the command was accepted."""
        return None if self.accepted else self.body.get(field)


class _Answers(BaseModel):
    answers: list[Answer]


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """Commands of one case for one service, done in this order and in one batch; at most MOST_COMMANDS."""

    service: str
    commands: tuple[Command, ...]


class BatchFailed(Exception):
    """A service turned a whole batch away, or gave no usable answer within the client's patience. Sending it again does nothing twice."""

    def __init__(self, service: str, why: str) -> None:
        super().__init__(f"{service} did not take a batch of commands: {why}")
        self.service = service


class Batches:
    """Sends runs to the services behind `doors` (for each a client with base URL and credentials), `parallel` batches at a time.

    A batch or a command that is answered 503 (or 429, or 5xx, or not at all) is sent again, up to `patience` times in all; one that is
    stale (412) or lacked its version (428) once more with the version in the answer. `wait` sleeps for seconds.
    """

    def __init__(
        self, doors: Mapping[str, httpx.Client], *, parallel: int = 3, patience: int = 20, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self._doors, self._patience, self._wait = doors, patience, wait
        self._pool = ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="batches")
        self._ended = Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def send(self, runs: Sequence[Run]) -> list[tuple[Answer, ...]]:
        """The answers to each run's commands, in order; raises BatchFailed."""
        packs = [(service, pack) for service in self._doors for pack in _packed([run for run in runs if run.service == service])]
        answers: dict[UUID, Answer] = {}
        for got in self._pool.map(lambda job: self._deliver(*job), packs):
            answers |= got
        return [tuple(answers[command.key] for command in run.commands) for run in runs]

    def _deliver(self, service: str, commands: Sequence[Command]) -> dict[UUID, Answer]:
        delivery = _Delivery(commands)
        for attempt in range(self._patience):
            if self._ended.is_set():
                break
            answers, asked_pause = self._post(service, delivery.todo)
            if delivery.take(answers):
                self._wait(min(asked_pause or _FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE))
            if not delivery.todo:
                break
        if len(delivery.answers) < len(commands):
            raise BatchFailed(service, "no answer")
        return delivery.answers

    def _post(self, service: str, commands: Sequence[Command]) -> tuple[list[Answer], float]:
        """The answers, none where the service is away; and the seconds that it asks us to wait, 0 where it doesn't say."""
        try:
            response = self._doors[service].post(_PATH, json={"commands": [_as_json(command) for command in commands]})
        except httpx.TransportError:
            return [], 0.0
        if _later(response.status_code):
            return [], _seconds(response.headers.get("Retry-After", ""))
        if response.status_code != httpx.codes.OK:
            raise BatchFailed(service, f"HTTP {response.status_code}")
        answers = _read(service, response)
        return answers, float(max((answer.retry_after or 0 for answer in answers), default=0))


def open_doors(urls: Mapping[str, str], token: str) -> dict[str, httpx.Client]:
    """A client of each service for the bearer of a token; the caller closes them."""
    headers = {"Authorization": f"Bearer {token}"}
    return {service: httpx.Client(base_url=url, headers=headers, timeout=_ANSWER_SECONDS, trust_env=False) for service, url in urls.items()}


class _Delivery:
    """Commands on their way: what was answered, and what is to be sent (again)."""

    def __init__(self, commands: Sequence[Command]) -> None:
        self.todo = list(commands)
        self.answers: dict[UUID, Answer] = {}
        self._renewed: set[UUID] = set()

    def take(self, answers: Sequence[Answer]) -> bool:
        """Note the answers to `todo`; whether some of it must wait before it is sent again."""
        got = {answer.key: answer for answer in answers}
        self.answers |= got
        late = [command for command in self.todo if command.key not in got or _later(got[command.key].status)]
        self.todo = late + [renewed for command in self.todo if (renewed := self._renew(command, got.get(command.key)))]
        return bool(late)

    def _renew(self, command: Command, answer: Answer | None) -> Command | None:
        if answer is None or answer.status not in _VERSION_WANTED or command.key in self._renewed:
            return None
        current = answer.problem("version")
        if not isinstance(current, int):
            return None
        self._renewed.add(command.key)
        return replace(command, version=current)


def _read(service: str, response: httpx.Response) -> list[Answer]:
    try:
        return _Answers.model_validate_json(response.content).answers
    except ValidationError:
        raise BatchFailed(service, "its answer can't be read") from None


def _packed(runs: Sequence[Run]) -> list[list[Command]]:
    """Whole runs side by side, in packs of at most MOST_COMMANDS."""
    packs: list[list[Command]] = []
    for run in runs:
        if not packs or len(packs[-1]) + len(run.commands) > MOST_COMMANDS:
            packs.append([])
        packs[-1].extend(run.commands)
    return packs


def _as_json(command: Command) -> dict[str, object]:
    return {
        "key": str(command.key),
        "command": command.command,
        "id": command.id,
        "version": command.version,
        "case_seen": dict(command.case_seen),
        "body": dict(command.body),
    }


def _later(status: int) -> bool:
    return status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR


def _seconds(text: str) -> float:
    return float(text) if text.isdecimal() else 0.0
