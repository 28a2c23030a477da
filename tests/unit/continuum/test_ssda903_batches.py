"""The client of the batch endpoint, against a server that is slow, stale or away."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from continuum.batches import MOST_COMMANDS, Answer, Batches, BatchFailed, Command, Run, open_doors

Item = dict[str, Any]


@dataclass
class Server:
    """Answers each command by `answer(item, times this key came)`; `away` are responses for whole batches that come first."""

    answer: Callable[[Item, int], Item] = lambda item, times: {"status": 200, "version": 1}
    away: list[httpx.Response | httpx.TransportError] = field(default_factory=list)
    batches: list[list[Item]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    _times: dict[str, int] = field(default_factory=dict)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            answer = self.away.pop(0)
            if isinstance(answer, httpx.TransportError):
                raise answer
            return answer
        commands = json.loads(request.content)["commands"]
        self.batches.append(commands)
        return httpx.Response(200, json={"answers": [self._one(item) for item in commands]})

    def _one(self, item: Item) -> Item:
        times = self._times[item["key"]] = self._times.get(item["key"], 0) + 1
        return {"key": item["key"], "version": None, "case_seen": {}, "body": {}} | self.answer(item, times)

    def send(self, runs: Sequence[Run], patience: int = 5) -> list[tuple[Answer, ...]]:
        doors = {name: httpx.Client(transport=httpx.MockTransport(self), base_url=f"http://{name}") for name in ("intake", "referral")}
        with Batches(doors, patience=patience, wait=self.pauses.append) as batches:
            return batches.send(runs)


def command(name: str = "triage-case", version: int | None = None) -> Command:
    return Command(key=uuid4(), command=name, version=version, case_seen={"intake": 3}, body={"priority": "LOW"})


def run(*commands: Command, service: str = "intake") -> Run:
    return Run(service=service, commands=commands)


def test_many_cases_share_few_batches_and_each_run_gets_its_own_answers() -> None:
    server = Server(answer=lambda item, times: {"status": 200, "version": item["version"]})
    runs = [run(command(version=2 * n), command(version=2 * n + 1)) for n in range(150)]
    answers = server.send([*runs, run(command(version=7), service="referral")])
    assert sorted(len(batch) for batch in server.batches) == [1, 100, MOST_COMMANDS]
    assert [[answer.version for answer in got] for got in answers] == [[2 * n, 2 * n + 1] for n in range(150)] + [[7]]


def test_a_command_travels_whole() -> None:
    server = Server()
    asked = Command(key=UUID(int=1), command="triage-case", id="case-1", version=4, case_seen={"intake": 3}, body={"crisis": False})
    server.send([run(asked)])
    assert server.batches == [
        [
            {
                "key": str(UUID(int=1)),
                "command": "triage-case",
                "id": "case-1",
                "version": 4,
                "case_seen": {"intake": 3},
                "body": {"crisis": False},
            }
        ]
    ]


def test_a_command_that_is_too_early_is_sent_again_alone_after_the_pause_asked_for() -> None:
    early, ready = command("early"), command("ready")
    server = Server(
        answer=lambda item, times: {"status": 503, "retry_after": 2} if item["command"] == "early" and times < 3 else {"status": 200}
    )
    ((one, two),) = server.send([run(early, ready)])
    assert (one.accepted, two.accepted) == (True, True)
    assert [[item["command"] for item in batch] for batch in server.batches] == [["early", "ready"], ["early"], ["early"]]
    assert server.pauses == [2, 2]


def test_a_command_that_stays_too_early_is_refused_in_the_end() -> None:
    server = Server(answer=lambda item, times: {"status": 503, "body": {"title": "Not yet"}})
    (((answer),),) = server.send([run(command())], patience=4)
    assert (answer.status, answer.problem("title"), len(server.batches)) == (503, "Not yet", 4)


@pytest.mark.parametrize("status", [412, 428])
def test_a_stale_command_is_sent_once_more_with_the_current_version(status: int) -> None:
    def stale(item: Item, times: int) -> Item:
        return {"status": 200} if item["version"] == 9 else {"status": status, "body": {"version": 9}}

    server = Server(answer=stale)
    (((answer),),) = server.send([run(command(version=1))])
    assert answer.accepted
    assert [batch[0]["version"] for batch in server.batches] == [1, 9]
    assert server.pauses == []


def test_a_command_that_is_stale_again_is_refused() -> None:
    server = Server(answer=lambda item, times: {"status": 412, "body": {"version": 8 + times}})
    (((answer),),) = server.send([run(command(version=1))])
    assert (answer.status, len(server.batches)) == (412, 2)


def test_a_refused_command_is_not_sent_again() -> None:
    server = Server(answer=lambda item, times: {"status": 409})
    (((answer),),) = server.send([run(command())])
    assert (answer.status, len(server.batches)) == (409, 1)


def test_a_service_that_is_away_for_a_while_gets_the_batch_again() -> None:
    server = Server(away=[httpx.ConnectError("refused"), httpx.Response(503, headers={"Retry-After": "3"}), httpx.Response(500)])
    (((answer),),) = server.send([run(command())])
    assert answer.accepted
    assert server.pauses == [0.1, 3.0, 0.4]


def test_a_service_that_stays_away_stops_everything_and_is_named() -> None:
    with pytest.raises(BatchFailed, match="intake"):
        Server(away=[httpx.ConnectError("refused")] * 9).send([run(command())])


def test_a_service_that_turns_the_caller_away_is_not_asked_again() -> None:
    server = Server(away=[httpx.Response(401)])
    with pytest.raises(BatchFailed, match="401"):
        server.send([run(command())])
    assert (server.batches, server.pauses) == ([], [])


def test_an_answer_that_is_no_answer_stops_everything_and_is_not_quoted() -> None:
    with pytest.raises(BatchFailed, match="can't be read") as failed:
        Server(away=[httpx.Response(200, json={"answers": [{"key": "Anna"}]})]).send([run(command())])
    assert "Anna" not in str(failed.value)


def test_a_service_that_leaves_a_command_out_is_asked_again_for_that_one() -> None:
    forgotten = command()
    server = Server(away=[httpx.Response(200, json={"answers": []})])
    (((answer),),) = server.send([run(forgotten)])
    assert answer.key == forgotten.key


def test_doors_carry_the_token() -> None:
    doors = open_doors({"intake": "http://127.0.0.1:8401"}, "token")
    assert (str(doors["intake"].base_url), doors["intake"].headers["Authorization"]) == ("http://127.0.0.1:8401", "Bearer token")
    doors["intake"].close()
