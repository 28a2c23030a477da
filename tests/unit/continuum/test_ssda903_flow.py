"""Cases on their way through four services: as an import, live, twice, in two runs, and with services that lag, refuse or break off."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import httpx
import pytest

from continuum.acts import OWNERS
from continuum.batches import Batches, BatchFailed
from continuum.flow import Flow
from continuum.ssda903.history import Episode, History, Period, Review, tell
from continuum.ssda903.plan import import_id, plan_case, start_of
from continuum.ssda903.reader import read
from continuum.ssda903.rows import Spot
from continuum.ssda903.sample import sample_folder

Body = dict[str, Any]
DAY = date(2018, 1, 1)
END = start_of(DAY + timedelta(1000))
IMPORT, FURTHER = UUID(int=1), UUID(int=2)
STATES = {"triage-case": ("RECEIVED", "TRIAGED"), "open-case": ("TRIAGED", "OPENED"), "close-case": ("OPENED", "CLOSED")}
STATES |= {"reopen-case": ("CLOSED", "OPENED"), "accept-referral": ("OFFERED", "ACCEPTED"), "complete-referral": ("ACCEPTED", "COMPLETED")}


@dataclass
class Thing:
    """An aggregate: a case in intake, its plan, or a referral."""

    case: str
    state: str
    version: int = 1
    importing: str | None = None


class Refused(Exception):
    """Status, and the version for a stale command."""


@dataclass
class Services:
    """Four services in memory: keys, versions, states, imports, and events that reach the others one refusal late.

    `hurt` may change the answer to an item before anything is done: a status to refuse it with, or None.
    """

    hurt: Callable[[str, Body], int | None] = lambda service, item: None
    done: list[tuple[str, Body]] = field(default_factory=list)
    things: dict[tuple[str, str], Thing] = field(default_factory=dict)
    seq: Counter[tuple[str, str]] = field(default_factory=Counter)
    arrived: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    answers: dict[str, tuple[Body, Body]] = field(default_factory=dict)
    requests: int = 0
    refusals: Counter[int] = field(default_factory=Counter)

    def flow(self, histories: list[History], memory: bytes | None = None) -> Flow:
        doors = {name: httpx.Client(transport=httpx.MockTransport(self), base_url=f"http://{name}") for name in OWNERS}
        return Flow([plan_case(history) for history in histories], Batches(doors, wait=lambda seconds: None, parallel=1), memory=memory)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        return httpx.Response(
            200, json={"answers": [self._answer(request.url.host, item) for item in json.loads(request.content)["commands"]]}
        )

    def _answer(self, service: str, item: Body) -> Body:
        asked = json.loads(json.dumps(item["body"]))
        asked.get("on_behalf", {}).pop("import_id", None)
        if item["key"] in self.answers:
            before, answer = self.answers[item["key"]]
            return answer if before == asked else {"key": item["key"], "status": 422, "body": {"title": "Key used"}}
        try:
            answer = self._do(service, item)
        except Refused as refused:
            status, *version = refused.args
            self.refusals[status] += 1
            return {"key": item["key"], "status": status, "body": {"title": "No", "version": version[0]} if version else {"title": "No"}}
        self.answers[item["key"]] = asked, answer
        self.done.append((service, item))
        return answer

    def _do(self, service: str, item: Body) -> Body:
        if status := self.hurt(service, item):
            raise Refused(status)
        name, body, id = item["command"], item["body"], item["id"] or str(uuid5(UUID(int=0), item["key"]))
        case = id if name == "receive-case" else body.get("case_id") or self._case_behind(service, id)
        self._await(service, case, item["case_seen"])
        thing = self._change(service, name, id, case, item)
        self.seq[service, case] += 1
        view = {"case_id": case, "referral_id": id, "import_id": thing.importing if thing else None}
        seen = {service: self.seq[service, case]}
        return {"key": item["key"], "status": 200, "version": thing and thing.version, "case_seen": seen, "body": view}

    def _await(self, service: str, case: str, seen: dict[str, int]) -> None:
        arrived = self.arrived.setdefault((service, case), {})
        late = {owner: seq for owner, seq in seen.items() if owner != service and arrived.get(owner, 0) < seq}
        arrived |= late
        if late:
            raise Refused(503)

    def _case_behind(self, service: str, id: str) -> str:
        thing = self.things.get((service, id))
        return thing.case if thing else id

    def _change(self, service: str, name: str, id: str, case: str, item: Body) -> Thing | None:
        body = item["body"]
        if name == "receive-case":
            self.things["planning", id] = Thing(case=id, state="OPENED", version=3)
            self.things["intake", id] = Thing(case=id, state="RECEIVED", importing=body["on_behalf"].get("import_id"))
            return self.things["intake", id]
        if name == "record-contact" or (name == "complete-import" and service != "intake"):
            return None
        if name == "offer-referral":
            return self.things.setdefault((service, id), Thing(case=case, state="OFFERED"))
        thing = self.things[service, id]
        if thing.version != item["version"]:
            raise Refused(412, thing.version)
        thing.state = _allowed(thing, name)
        thing.version += 1
        thing.importing = {"begin-import": body.get("import_id"), "complete-import": None}.get(name, thing.importing)
        return thing

    def commands(self) -> Counter[str]:
        return Counter(item["command"] for _, item in self.done)


def _allowed(thing: Thing, command: str) -> str:
    before, after = STATES.get(command, (thing.state, thing.state))
    if thing.state != before:
        raise Refused(409)
    return after


def child(name: str = "1", *stays: tuple[int, int | None], reviews: tuple[tuple[int, bool], ...] = ((-30, False), (20, True))) -> History:
    """A child whose periods are these stays, each of one episode; days count from DAY."""
    spot = Spot(file="2017-episodes.csv", line=int(name) + 1)
    periods = []
    for begins, ends in stays or ((0, 50), (60, None)):
        last = None if ends is None else DAY + timedelta(ends)
        episode = Episode(
            begins=DAY + timedelta(begins), ends=last, agency="own-provision", reason_begun="S", reason_ended="E11", spot=spot
        )
        periods.append(Period(episodes=(episode,)))
    seen = tuple(Review(day=DAY + timedelta(day), in_care=in_care, spot=spot) for day, in_care in reviews)
    return History(child=name, periods=tuple(periods), reviews=seen)


WHOLE = {"receive-case": 1, "triage-case": 1, "open-case": 1, "offer-referral": 2, "accept-referral": 2, "complete-referral": 1}
WHOLE |= {"record-contact": 2, "close-case": 1, "reopen-case": 1}


def test_an_import_takes_a_case_through_all_services_and_completes_it_in_each() -> None:
    services = Services()
    outcome = services.flow([child()]).bring_in(END, IMPORT)
    assert services.commands() == {**WHOLE, "complete-import": 4}
    assert (outcome.acts, outcome.cases, outcome.troubles) == (16, 1, ())
    assert [service for service, item in services.done if item["command"] == "complete-import"] == list(OWNERS)
    assert services.refusals.keys() == {503, 412}  # it waited for events on their way, and learned the plan's version


def test_every_imported_act_says_when_and_for_whom_it_happened() -> None:
    services = Services()
    services.flow([child()]).bring_in(END, IMPORT)
    behalf = {item["command"]: item["body"]["on_behalf"] for _, item in services.done}
    assert {told["origin"] for told in behalf.values()} == {"IMPORT"}
    assert {told["import_id"] for told in behalf.values()} == {str(IMPORT)}
    assert behalf["receive-case"]["occurred_at"] == "2018-01-01T09:00:00+00:00"
    assert behalf["accept-referral"]["agency"] == "own-provision"
    assert services.done[0][1]["body"]["import"] == {"owners": list(OWNERS)}


def test_the_same_import_twice_adds_nothing() -> None:
    services = Services()
    services.flow([child("1"), child("2")]).bring_in(END, IMPORT)
    before = list(services.done)
    outcome = services.flow([child("1"), child("2")]).bring_in(END, IMPORT)
    assert (services.done, outcome.troubles) == (before, ())


def test_a_further_import_opens_the_case_again_and_adds_only_what_is_new() -> None:
    services = Services()
    services.flow([child()]).bring_in(start_of(DAY + timedelta(55)), IMPORT)
    assert services.commands()["reopen-case"] == 0
    outcome = services.flow([child()]).bring_in(END, FURTHER)
    assert outcome.troubles == ()
    assert services.commands() == {**WHOLE, "begin-import": 1, "complete-import": 8}


def test_after_an_import_the_rest_is_played_live_hour_by_hour() -> None:
    services = Services()
    flow = services.flow([child()])
    flow.bring_in(start_of(DAY + timedelta(20)), IMPORT)
    imported = len(services.done)
    assert flow.next_moment == datetime(2018, 1, 21, 12, tzinfo=UTC)
    assert flow.play(datetime(2018, 1, 21, 11, tzinfo=UTC)).acts == 0
    assert flow.play(datetime(2018, 1, 21, 12, tzinfo=UTC)).acts == 1
    assert flow.play(END).acts == 5
    assert flow.next_moment is None
    assert {tuple(item["body"]["on_behalf"]) for _, item in services.done[imported:]} == {("agency",)}


def test_a_case_that_begins_live_says_that_its_early_review_is_an_offline_record() -> None:
    services = Services()
    services.flow([child()]).play(END)
    assert services.commands() == WHOLE
    told = [item["body"]["on_behalf"] for _, item in services.done if "origin" in item["body"]["on_behalf"]]
    assert told == [{"agency": "local-authority", "origin": "OFFLINE", "occurred_at": "2017-12-02T12:00:00+00:00"}]


def test_a_second_start_goes_on_from_what_was_remembered() -> None:
    services = Services()
    first = services.flow([child()])
    first.bring_in(start_of(DAY + timedelta(20)), IMPORT)
    requests = services.requests
    second = services.flow([child()], memory=first.remember())
    assert second.next_moment == first.next_moment
    assert second.bring_in(start_of(DAY + timedelta(20)), IMPORT).cases == 0
    assert services.requests == requests
    second.play(END)
    assert services.commands() == {**WHOLE, "complete-import": 4}


def test_what_is_remembered_names_no_child() -> None:
    services = Services()
    flow = services.flow([child("398768")])
    flow.bring_in(END, IMPORT)
    assert b"398768" not in flow.remember()


def test_a_refused_act_ends_its_case_and_the_others_go_on() -> None:
    def hurt(service: str, item: Body) -> int | None:
        return 409 if item["command"] == "triage-case" and item["id"] == bad else None

    services = Services(hurt=hurt)
    bad = str(uuid5(UUID(int=0), str(plan_case(child("2")).acts[0].key)))
    outcome = services.flow([child("1"), child("2")]).bring_in(END, IMPORT)
    (trouble,) = outcome.troubles
    assert str(trouble) == "2017-episodes.csv:3: intake refused triage-case: 409 No (10 later acts skipped)"
    assert services.commands() == {**WHOLE, "receive-case": 2, "complete-import": 4}


def test_an_import_that_breaks_off_is_taken_up_where_it_was() -> None:
    services = Services(hurt=lambda service, item: 503 if item["command"] == "close-case" else None)
    assert [trouble.command for trouble in services.flow([child()]).bring_in(END, IMPORT).troubles] == ["close-case"]
    services.hurt = lambda service, item: None
    assert services.flow([child()]).bring_in(END, IMPORT).troubles == ()
    assert services.commands() == {**WHOLE, "complete-import": 4}


def test_a_service_that_is_away_stops_the_import_with_its_name() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    doors = {"intake": httpx.Client(transport=httpx.MockTransport(away), base_url="http://intake")}
    with pytest.raises(BatchFailed, match="intake"):
        Flow([plan_case(child())], Batches(doors, wait=lambda seconds: None)).bring_in(END, IMPORT)


def test_progress_rises_to_its_end() -> None:
    told: list[tuple[int, int]] = []
    Services().flow([child("1"), child("2")]).bring_in(END, IMPORT, lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (32, 32)


def test_the_same_content_until_the_same_moment_is_the_same_import() -> None:
    assert import_id("content", END) == import_id("content", END)
    assert len({import_id("content", END), import_id("other", END), import_id("content", END - timedelta(1))}) == 3


def test_the_sample_goes_through_in_few_requests() -> None:
    folder = sample_folder()
    if folder is None:
        pytest.skip("the sample's wheel (cs-demand-model) is not installed")
    services, histories = Services(), list(tell(read(folder)).histories)
    flow = services.flow(histories)
    begun = flow.bring_in(start_of(date(2021, 6, 1)), IMPORT)
    rest = flow.play(start_of(date(2022, 4, 1)))
    assert begun.troubles + rest.troubles == ()
    assert services.commands()["offer-referral"] == 2827
    assert begun.acts + rest.acts == 14966 + 4 * begun.cases
    assert services.requests < 700
