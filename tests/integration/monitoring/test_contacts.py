"""Contact points and preferences over the API: one's own, and nobody reads an address."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from casebus.contracts.intake import Priority
from casebus.envelope import Role
from casebus.identity import Principal
from services.monitoring.domain import reach
from services.monitoring.telling import delivery
from tests.integration.monitoring.conftest import own_world
from tests.integration.monitoring.telling import OPERATOR, listed, somebody, told
from tests.integration.monitoring.test_reading import Web
from tests.integration.monitoring.world import Case, World, coordinator, integrator
from tests.receivers import MailBox, Receiver, http_receiver
from tests.unit.monitoring.story import PARTNER, REGION, day

SECRET, NEW = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz", "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo="
SUPERVISOR = somebody("s1", role=Role.SUPERVISOR)


@pytest.fixture
def world(telling_world: World) -> World:
    return telling_world


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with http_receiver() as found:
        yield found


def read(world: World, path: str, who: Principal) -> httpx.Response:
    web = Web(world)
    token = web.issuer.token(actor=who.actor, role=who.role, agency=who.agency, region=who.region)
    return web.get(f"/api/{path}", headers={"Authorization": f"Bearer {token}"})


def hooked(world: World, receiver: Receiver, who: Principal, **more: Any) -> str:
    """The id of a new webhook."""
    answer = world.ask("add-contact-point", who, channel="WEBHOOK", address=receiver.url, secret=SECRET, **more)
    assert answer.is_done
    return str(answer.body["contact_point"])


def critical(world: World, name: str = "one") -> None:
    """Somebody of LEAD is told of an alert at once."""
    Case(world, name, priority=Priority.CRITICAL).receive(day(0)).open(day(0))
    world.go(day(1))
    world.go(day(15.1))
    told(world)


def test_an_address_is_written_and_never_read(world: World, receiver: Receiver) -> None:
    herself = listed(world)
    hooked(world, receiver, herself)
    critical(world)
    answers = [read(world, path, herself) for path in ("contact-points", "preferences", "notifications", "people")]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert sorted(one["channel"] for one in answers[0].json()["items"]) == ["EMAIL", "WEBHOOK"]
    assert {one["state"] for message in answers[2].json()["items"] for one in message["deliveries"]} == {"SENT"}
    kept = [
        str(world.rows(f"SELECT t.* FROM own.{table} t"))
        for table in ("recipient", "contact_point", "idempotency", "message", "delivery", "notification", "outbox")
    ]
    for text in [*(answer.text for answer in answers), *kept]:
        assert receiver.url not in text
        assert "w1@example.org" not in text
        assert SECRET not in text


def test_everybody_sets_her_own(world: World, receiver: Receiver) -> None:
    herself, other = listed(world), somebody("w2")
    one = hooked(world, receiver, herself)
    assert read(world, "contact-points", other).json() == {"items": []}
    for command in ("remove-contact-point", "enable-contact-point"):
        assert world.ask(command, other, contact_point=one).status == 404
    assert world.ask("rotate-secret", other, contact_point=one, secret=NEW).status == 404
    assert world.ask("remove-contact-point", herself, contact_point=one).is_done
    assert world.ask("enable-contact-point", herself, contact_point=one).status == 404


@pytest.mark.parametrize(
    ("who", "whose", "status"),
    [
        (somebody(), "ME", 201),
        (somebody(), "AGENCY", 403),
        (somebody(), "REGION", 403),
        (SUPERVISOR, "AGENCY", 201),
        (SUPERVISOR, "REGION", 403),
        (OPERATOR, "AGENCY", 201),
        (coordinator(), "AGENCY", 403),
        (coordinator(), "REGION", 201),
    ],
)
def test_who_may_set_what_tells_a_whole_place(world: World, who: Principal, whose: str, status: int) -> None:
    assert world.ask("add-contact-point", who, whose=whose, channel="EMAIL", address="all@example.org").status == status
    assert world.ask("prefer", who, whose=whose, language="th").status == status


@pytest.mark.parametrize("whose", ["ME", "AGENCY"])
def test_where_an_agency_is_told_can_t_be_said_on_its_behalf(world: World, whose: str) -> None:
    """Whoever reports for it would read what it is told."""
    theirs = world.ask("add-contact-point", SUPERVISOR, whose="AGENCY", channel="EMAIL", address="all@example.org").body["contact_point"]
    on_behalf: dict[str, Any] = {"on_behalf": {"agency": SUPERVISOR.agency}}
    stranger = replace(integrator(), agency=PARTNER)
    assert world.ask("add-contact-point", stranger, whose=whose, channel="EMAIL", address="x@example.org", **on_behalf).status == 403
    assert world.ask("prefer", stranger, whose=whose, language="th", **on_behalf).status == 403
    assert world.ask("remove-contact-point", stranger, contact_point=theirs, **on_behalf).status == 403
    assert world.ask("add-contact-point", stranger, whose="AGENCY", channel="EMAIL", address="x@example.org").status == 201


def test_an_agency_without_a_directory_is_told_as_a_whole(world: World, box: MailBox) -> None:
    assert world.ask("add-contact-point", SUPERVISOR, whose="AGENCY", channel="EMAIL", address="all@example.org").is_done
    critical(world)
    assert len(box.to("all@example.org")) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"channel": "EMAIL", "address": "Olive Park, 14"}, "address"),
        ({"channel": "PIGEON", "address": "Olive Park, 14"}, "channel"),
        ({"channel": "EMAIL", "address": "Olive" * 1000}, "address"),
        ({"channel": "WEBHOOK", "address": "https://Olive@hook.example.org", "secret": SECRET}, "address"),
        ({"channel": "WEBHOOK", "address": "https://hook.example.org", "secret": "Olive"}, "secret"),
        ({"channel": "WEBHOOK", "address": "https://hook.example.org"}, "secret"),
        ({"channel": "EMAIL", "address": "w1@example.org", "secret": "Olive"}, "secret"),
    ],
)
def test_what_is_wrong_is_named_and_not_repeated(world: World, body: dict[str, Any], field: str) -> None:
    answer = world.ask("add-contact-point", somebody(), **body)
    assert answer.status == 422
    text = json.dumps(answer.body)
    assert field in text
    assert "Olive" not in text


@pytest.mark.parametrize(
    ("chosen", "field"),
    [
        ({"zone": "Olive/Park"}, "zone"),
        ({"language": "olive"}, "language"),
        ({"digest_at": "25:00"}, "digest_at"),
        ({"quiet": ["whenever"]}, "quiet"),
        ({"quiet": ["00:00-23:30"]}, "quiet"),
    ],
)
def test_a_preference_that_can_t_be_kept_is_named(world: World, chosen: dict[str, Any], field: str) -> None:
    answer = world.ask("prefer", somebody(), **chosen)
    assert (answer.status, field in json.dumps(answer.body)) == (422, True)


def test_preferences_are_read_beside_what_holds(world: World) -> None:
    herself = somebody()
    assert world.ask("prefer", herself, language="fr", quiet=["20:00-07:00"]).is_done
    [found] = read(world, "preferences", herself).json()["items"]
    assert (found["language"], found["zone"], found["quiet"]) == ("fr", None, ["20:00-07:00"])
    assert found["holds"] == {"language": "fr", "zone": "Europe/London", "digest_at": "08:00", "quiet": ["20:00-07:00"]}


def test_at_most_five(world: World) -> None:
    answers = [world.ask("add-contact-point", somebody(), channel="EMAIL", address=f"w{n}@example.org").status for n in range(6)]
    assert answers == [201] * 5 + [409]


def test_where_no_key_is_set_nobody_has_a_contact_point(database_server: str, template: str) -> None:
    with own_world(database_server, template) as bare:
        answer = bare.ask("add-contact-point", somebody(), channel="EMAIL", address="w1@example.org")
        assert (answer.status, "CONTINUUM_SEAL_KEY" in answer.body["detail"]) == (409, True)
        critical(bare)
        assert bare.rows("SELECT FROM own.notification") == []


def test_a_webhook_that_is_gone_is_disabled_and_its_owner_sees_and_enables_it(world: World, receiver: Receiver) -> None:
    herself = listed(world)
    one = hooked(world, receiver, herself)
    receiver.answer = lambda _: 410
    critical(world)
    point = next(each for each in read(world, "contact-points", herself).json()["items"] if each["id"] == one)
    assert (point["state"], point["because"], point["failures"]) == ("DISABLED", "HTTP_410", 1)
    posts = len(receiver.posts)
    critical(world, "two")
    assert len(receiver.posts) == posts
    receiver.answer = lambda _: 204
    assert world.ask("enable-contact-point", herself, contact_point=one).is_done
    critical(world, "three")
    assert len(receiver.posts) > posts


def test_what_comes_while_every_contact_point_is_disabled_waits_until_one_is_enabled(world: World, receiver: Receiver) -> None:
    one = hooked(world, receiver, SUPERVISOR, whose="AGENCY")
    receiver.answer = lambda _: 410
    critical(world)
    critical(world, "two")
    assert [state for (state,) in world.rows("SELECT state FROM own.notification ORDER BY state")] == ["TOLD", "WAITING"]
    receiver.answer = lambda _: 204
    assert world.ask("enable-contact-point", SUPERVISOR, contact_point=one).is_done
    world.go(day(17))
    told(world)
    assert {state for (state,) in world.rows("SELECT state FROM own.notification")} == {"TOLD"}
    assert len(receiver.posts) == 2


def test_a_webhook_that_always_fails_is_disabled_and_what_waits_for_it_is_dropped(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "FAILURES", 3)
    monkeypatch.setattr(reach, "PATIENCE", delivery.LEASE * 0)
    herself = listed(world)
    hooked(world, receiver, herself)
    receiver.answer = lambda _: 500
    critical(world)
    for _ in range(3):
        world.do("UPDATE own.delivery SET next_at = clock_timestamp()")
        told(world)
    assert len(receiver.posts) == 3
    states = dict(tuple(row) for row in world.rows("SELECT channel, state FROM own.delivery ORDER BY state"))
    assert states == {"EMAIL": "SENT", "WEBHOOK": "DROPPED"}


def test_an_agency_of_another_region_reads_nothing(world: World, receiver: Receiver) -> None:
    hooked(world, receiver, SUPERVISOR, whose="AGENCY")
    assert read(world, "contact-points", SUPERVISOR).json()["items"] != []
    assert read(world, "contact-points", somebody("s2", PARTNER, Role.SUPERVISOR)).json()["items"] == []
    assert read(world, "contact-points", coordinator(REGION)).json()["items"] == []
