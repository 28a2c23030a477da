"""Requests that come while a transaction runs share the next one, and each gets the answer that it would have got alone."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from casebus.cause import Cause
from casebus.desk import Answer, Asked, Desk, Request
from casebus.envelope import Role
from casebus.group_commit import GROUP, GroupCommit
from tests.integration.bus.office import CASE, LEAD, STRANGER, Office
from tests.waiting import until

TRIAGE = {"priority": "HIGH", "nature": "SAFETY"}
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
Outcome = list[Answer] | BaseException


@dataclass(frozen=True, kw_only=True)
class Gated(Desk):
    """A desk whose first commit waits until the others stand in line, and that remembers how many went together."""

    gate: Event = field(default_factory=Event)
    together: list[int] = field(default_factory=list)
    reached: Event = field(default_factory=Event)

    def commit(self, together: Sequence[Asked], engine: Engine | None = None) -> None:
        self.reached.set()
        assert self.gate.wait(20)
        self.together.append(len(together))
        super().commit(together, engine)


def gated(intake: Office, **changes: Any) -> Gated:
    desk = replace(intake.desk(), **changes)
    return Gated(**{name: getattr(desk, name) for name in Desk.__dataclass_fields__})


def worker(agency: str = LEAD) -> Cause:
    return Cause(agency=agency, actor="worker-1", actor_role=Role.WORKER, actor_agency=agency, region="north")


def receive(key: str | None = None, **changes: object) -> Request:
    return Request(key=key or str(uuid4()), command="receive-case", body={**CASE, **changes})


def triage(case: str, version: int) -> Request:
    return Request(key=str(uuid4()), command="triage-case", id=UUID(case), version=version, body=TRIAGE)


def ask(desk: Gated, *asked: tuple[Cause, Sequence[Request]]) -> list[Outcome]:
    """What becomes of the requests when they come, in this order, while another one is committed."""

    async def all_of_them() -> list[Outcome]:
        group = GroupCommit(desk)
        first = asyncio.create_task(group.run(worker(), [receive()]))
        assert await asyncio.to_thread(desk.reached.wait, 20)
        others = [asyncio.create_task(group.run(who, requests)) for who, requests in asked]
        await asyncio.sleep(0)  # each comes to stand in line
        desk.gate.set()
        await first
        return list(await asyncio.gather(*others, return_exceptions=True))

    return asyncio.run(all_of_them())


def one(outcome: Outcome) -> Answer:
    assert isinstance(outcome, list), outcome
    [answer] = outcome
    return answer


def test_what_waits_goes_together_and_each_is_answered(intake: Office) -> None:
    desk = gated(intake)
    outcomes = ask(desk, *((worker(agency), [receive(region=f"north-{n}")]) for n in range(10) for agency in (LEAD, STRANGER)))
    assert desk.together == [1, 20]
    answers = [one(outcome) for outcome in outcomes]
    assert [(a.status, a.body["region"], a.body["lead"]) for a in answers] == [
        (201, f"north-{n}", agency) for n in range(10) for agency in (LEAD, STRANGER)
    ]
    ids = [str(answer.body["id"]) for answer in answers]
    assert intake.count("SELECT count(*) FROM own.case WHERE id = ANY(CAST(:ids AS uuid[]))", ids=ids) == 20


def test_commands_on_one_case_are_done_in_turn(intake: Office) -> None:
    case, desk = intake.received(), gated(intake)
    opening = Request(key=str(uuid4()), command="open-case", id=UUID(case), version=2, body={})
    outcomes = ask(desk, *((worker(), [request]) for request in (triage(case, 1), triage(case, 1), opening, triage(case, 3))))
    assert desk.together == [1, 4]
    assert [(one(o).status, one(o).version) for o in outcomes] == [(200, 2), (412, 2), (200, 3), (409, None)]
    assert intake.count("SELECT count(*) FROM own.outbox WHERE subject = :case", case=case) == 3


def test_the_same_key_twice_in_a_group_is_done_once_for_each_of_its_owners(intake: Office) -> None:
    key, desk = str(uuid4()), gated(intake)
    mine, again, other, theirs = ask(
        desk,
        (worker(), [receive(key)]),
        (worker(), [receive(key)]),
        (worker(), [receive(key, region="south")]),
        (worker(STRANGER), [receive(key)]),
    )
    assert desk.together == [1, 4]
    assert one(mine) == one(again)
    assert one(other).status == 422
    assert (one(theirs).status, one(theirs).body["lead"]) == (201, STRANGER)
    assert one(theirs).body["id"] != one(mine).body["id"]


def test_a_command_that_breaks_costs_nobody_else_an_answer(intake: Office) -> None:
    def breaking(case_id: UUID, command: Any, work: Any) -> Any:
        if command.region == "broken":
            raise RuntimeError("a mistake of ours")
        return received.handler(case_id, command, work)

    specs = intake.desk().specs
    received = specs["receive-case"]
    desk = gated(intake, specs={**specs, "receive-case": replace(received, handler=breaking)})
    outcomes = ask(desk, *((worker(), [receive(region=region)]) for region in ("north", "broken", "south")))
    assert desk.together == [1, 3, 1, 1, 1], "together, and then each alone"
    assert (one(outcomes[0]).status, one(outcomes[2]).status) == (201, 201)
    assert isinstance(outcomes[1], RuntimeError)


def test_a_session_that_is_lost_costs_only_the_command_that_lost_it(intake: Office) -> None:
    def losing(case_id: UUID, command: Any, work: Any) -> Any:
        if command.region == "broken":
            work.connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
        return received.handler(case_id, command, work)

    received = intake.desk().specs["receive-case"]
    desk = gated(intake, specs={"receive-case": replace(received, handler=losing)})
    outcomes = ask(desk, *((worker(), [receive(region=region)]) for region in ("north", "broken", "south")))
    assert desk.together == [1, 3, 1, 1, 1]
    assert isinstance(outcomes[1], OperationalError)
    assert (one(outcomes[0]).status, one(outcomes[2]).status) == (201, 201)


def test_a_group_has_its_limit(intake: Office) -> None:
    desk = gated(intake)
    many = GROUP // 2
    outcomes = ask(desk, *((worker(), [receive() for _ in range(many)]) for _ in range(3)), (worker(), [receive()]))
    assert sum(desk.together) == 5
    assert max(desk.together) == 2, "two of them fill a group"
    assert [[answer.status for answer in outcome] for outcome in outcomes if isinstance(outcome, list)] == [[201] * many] * 3 + [[201]]


def test_who_waits_for_a_case_that_is_held_holds_up_nobody(intake: Office) -> None:
    held, free = intake.received(), intake.received()

    def told(case: str) -> int:
        return intake.tell(f"/cases/{case}/triage", TRIAGE, version=1).status_code

    with ThreadPoolExecutor(4) as callers:
        with intake.engine.begin() as connection:
            connection.execute(text("SELECT 1 FROM own.case WHERE id = :case FOR UPDATE"), {"case": held})
            waiting = callers.submit(told, held)
            until(
                lambda: intake.count(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
                )
            )
            assert [callers.submit(told, case).result(20) for case in (free, intake.received())] == [200, 200]
            assert not waiting.done()
        assert waiting.result(20) == 200
