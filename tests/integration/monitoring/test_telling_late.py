"""What goes out late says what is so then: of alerts that are over meanwhile nobody hears, and nothing goes by a time that has not come."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from services.monitoring.steadiness import Steadiness
from services.monitoring.telling import delivery
from tests.integration.monitoring.telling import ADDRESS, listed, told
from tests.integration.monitoring.test_steadiness import Unset, jump
from tests.integration.monitoring.test_telling import missed, text_of
from tests.integration.monitoring.world import Case, World, worker
from tests.receivers import MailBox
from tests.unit.monitoring.story import day
from tests.waiting import until

End = Callable[[World, Case], None]


@pytest.fixture
def world(telling_world: World) -> World:
    return telling_world


def alert_of(world: World, case: Case) -> UUID:
    [(found,)] = world.rows("SELECT id FROM own.alert WHERE case_id = :case", case=case.id)
    return UUID(str(found))


def resolve(world: World, case: Case) -> None:
    assert world.ask("resolve-alert", worker(), alert_of(world, case), version=1).is_done


def put_off(world: World, case: Case) -> None:
    later = day(17).isoformat()
    assert world.ask("suppress-alert", worker(), alert_of(world, case), version=1, reason="KNOWN_ALREADY", until_at=later).is_done


def close(world: World, case: Case) -> None:
    case.close(day(15.95))
    world.go(day(15.96))
    assert world.alerts(case.id) == [("MISSED_FOLLOW_UP", "AUTO_CLEARED", "WORKER")]


def refused_at_first(world: World, box: MailBox, *names: str) -> list[Case]:
    """A digest of one follow-up for each name, on the morning of day 16; the mail server can't take it just then."""
    listed(world)
    cases = [missed(world, name) for name in names]
    world.go(day(1))
    world.go(day(15.1))
    box.answer = lambda _: "451 later"
    world.step(day(15.9))
    told(world)
    assert box.mails == []
    box.answer = lambda _: "250 taken"
    return cases


def tried_again(world: World) -> None:
    world.do("UPDATE own.delivery SET next_at = clock_timestamp()")
    told(world)


def ends(world: World) -> list[tuple[str, str | None]]:
    return [(state, because) for state, because in world.rows("SELECT state, because FROM own.delivery")]


@pytest.mark.parametrize("end", [resolve, put_off, close])
def test_a_message_is_not_tried_again_once_its_alert_is_over(world: World, box: MailBox, end: End) -> None:
    [case] = refused_at_first(world, box, "one")
    end(world, case)
    tried_again(world)
    assert (box.mails, ends(world)) == ([], [("DROPPED", "OVER")])


@pytest.mark.parametrize("end", [resolve, put_off, close])
def test_a_digest_that_is_tried_again_leaves_out_what_is_over(world: World, box: MailBox, end: End) -> None:
    over, left = refused_at_first(world, box, "over", "left")
    end(world, over)
    tried_again(world)
    [mail] = box.to(ADDRESS)
    assert mail["Subject"].startswith("1 alert ")
    assert left.id.hex[-8:] in text_of(mail)
    assert over.id.hex[-8:] not in text_of(mail)


def test_what_is_not_over_is_said_in_the_same_words(world: World, box: MailBox) -> None:
    [case] = refused_at_first(world, box, "one")
    world.step(day(18))
    tried_again(world)
    [mail] = box.to(ADDRESS)
    assert f"Case {case.id.hex[-8:]}: follow-up missed, for 1 day." in text_of(mail)


def test_a_dead_message_that_an_operator_tries_again_is_no_exception(world: World, box: MailBox) -> None:
    [case] = refused_at_first(world, box, "one")
    world.do("UPDATE own.delivery SET state = 'DEAD', next_at = clock_timestamp()")
    resolve(world, case)
    with world.engine.begin() as connection:
        assert delivery.revive(connection) == 1
    told(world)
    assert (box.mails, ends(world)) == ([], [("DROPPED", "OVER")])


def test_while_the_time_has_jumped_nobody_is_told(world: World, box: MailBox) -> None:
    """The morning of the digest seems to have come; it goes out once it really has."""
    clock = Unset()
    world.teller = replace(world.teller, holds=Steadiness(clock=clock).is_ahead)
    listed(world)
    missed(world)
    world.go(day(1))
    world.go(day(15.1))
    assert world.teller.turn() == 0
    jump(world, timedelta(days=1))
    for _ in range(2):
        assert world.teller.turn() == 0
    assert world.rows("SELECT count(*) FROM own.message") == [(0,)]
    clock.pass_by(timedelta(days=1))
    assert world.teller.turn() > 0
    until(lambda: box.to(ADDRESS))
