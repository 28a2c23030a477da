"""People are told of alerts: by a digest a day, of critical ones at once, once, and of nothing else."""

import re
from datetime import timedelta
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, event

from casebus.contracts.intake import Priority
from casebus.rebuild import rebuild
from services.monitoring.domain.reach import Channel
from services.monitoring.telling import delivery
from services.monitoring.telling.carriers import Telling
from services.monitoring.telling.parcel import NotDelivered
from services.monitoring.telling.worker import AT_ONCE
from tests.integration.monitoring.telling import ADDRESS, listed, running, told
from tests.integration.monitoring.world import Case, World, worker
from tests.receivers import MailBox, mail_server
from tests.unit.monitoring.story import LEAD, day
from tests.waiting import until


@pytest.fixture
def world(telling_world: World) -> World:
    return telling_world


def missed(world: World, name: str = "one", priority: Priority = Priority.MEDIUM) -> Case:
    """Opened on day 0; its follow-up is missed on day 15, at noon."""
    return Case(world, name, priority=priority).receive(day(0)).open(day(0))


def text_of(mail: EmailMessage) -> str:
    body = mail.get_content()
    assert isinstance(body, str)
    return body.replace("\r\n", "\n")


def critical(world: World) -> None:
    """Somebody is listed, and a follow-up of a critical case was missed: she is to be told at once."""
    listed(world)
    missed(world, priority=Priority.CRITICAL)
    world.go(day(1))
    world.go(day(15.1))


def test_an_alert_is_told_in_the_next_morning_s_digest(world: World, box: MailBox) -> None:
    listed(world)
    case = missed(world)
    world.go(day(1))
    world.go(day(15.1))
    told(world)
    assert box.mails == []
    world.step(day(15.83))  # 07:55 in London
    told(world)
    assert box.mails == []
    world.step(day(15.84))  # 08:09
    told(world)
    [mail] = box.to(ADDRESS)
    assert text_of(mail).splitlines()[0] == f"Case {case.id.hex[-8:]}: follow-up missed, for 1 day. {LEAD}"
    told(world)
    assert len(box.mails) == 1


def test_a_critical_alert_goes_at_once_through_quiet_hours_and_takes_along_what_waits(world: World, box: MailBox) -> None:
    herself = listed(world)
    assert world.ask("prefer", herself, quiet=["00:00-23:00"], digest_at="23:30").is_done
    missed(world)
    world.go(day(1))
    world.go(day(15.1))
    told(world)
    assert box.mails == []
    missed(world, "urgent", Priority.CRITICAL)
    world.settle()
    world.go(day(15.2))
    told(world)
    [mail] = box.to(ADDRESS)
    assert mail["Subject"] == "Critical: 2 alerts wait for somebody to act"
    world.step(day(17))
    told(world)
    assert len(box.mails) == 1


def test_an_alert_that_is_closed_or_put_off_before_its_digest_is_left_out(world: World, box: MailBox) -> None:
    listed(world)
    cases = [missed(world, name) for name in ("closed", "put off", "open")]
    world.go(day(1))
    world.go(day(15.1))
    closed, put_off, left = (world.rows("SELECT id FROM own.alert WHERE case_id = :case", case=case.id)[0][0] for case in cases)
    assert world.ask("resolve-alert", worker(), closed, version=1).is_done
    assert world.ask("suppress-alert", worker(), put_off, version=1, reason=_reason(world), until_at=day(17).isoformat()).is_done
    world.step(day(15.9))
    told(world)
    [mail] = box.to(ADDRESS)
    assert cases[2].id.hex[-8:] in text_of(mail)
    assert mail["Subject"].startswith("1 alert ")
    assert states(world) == {closed: "LEFT_OUT", put_off: "LEFT_OUT", left: "TOLD"}


def test_an_alert_that_comes_back_before_its_digest_is_one_line_of_it(world: World, box: MailBox) -> None:
    listed(world)
    case = missed(world)
    world.go(day(1))
    world.go(day(15.1))
    [(alert,)] = world.rows("SELECT id FROM own.alert WHERE case_id = :case", case=case.id)
    assert world.ask("suppress-alert", worker(), alert, version=1, reason=_reason(world), until_at=day(15.3).isoformat()).is_done
    for moment in (15.2, 15.4):
        world.go(day(moment))
    assert "AlertReturned" in world.said(case.id)
    world.step(day(15.9))
    told(world)
    [mail] = box.to(ADDRESS)
    assert mail["Subject"].startswith("1 alert ")
    assert text_of(mail).count(case.id.hex[-8:]) == 1


def _reason(world: World) -> str:
    kind: Any = world.desk.specs["suppress-alert"].model.model_fields["reason"].annotation
    return next(str(each) for each in kind if each != "OTHER")


def states(world: World) -> dict[UUID, str]:
    return dict(tuple(row) for row in world.rows("SELECT alert_id, state FROM own.notification"))


def test_one_message_a_person_and_day_whatever_comes_late(world: World, box: MailBox) -> None:
    listed(world)
    missed(world)
    world.go(day(1))
    world.go(day(15.1))
    world.step(day(15.9))
    told(world)
    missed(world, "late")
    for moment in (15.92, 15.94):
        world.go(day(moment))
    world.do("UPDATE own.notification SET due_at = own.system_time() WHERE state = 'WAITING'")
    told(world)
    assert len(box.mails) == 1
    world.step(day(16.9))
    told(world)
    assert [mail["Subject"][:8] for mail in box.to(ADDRESS)] == ["1 alert ", "1 alert "]


def test_a_digest_that_went_after_midnight_keeps_back_none_of_that_day(world: World, box: MailBox) -> None:
    """Nobody told anything from the morning until half past midnight."""
    listed(world)
    missed(world)
    world.go(day(1))
    world.go(day(15.1))
    missed(world, "two")
    for moment in (16.1, 16.2):
        world.go(day(moment))
    world.step(day(16.52))
    told(world)
    assert [mail["Subject"][:8] for mail in box.to(ADDRESS)] == ["1 alert "]
    world.step(day(16.9))
    told(world)
    assert [mail["Subject"][:8] for mail in box.to(ADDRESS)] == ["1 alert ", "1 alert "]


def test_nothing_is_told_twice_when_copies_are_read_again(world: World, box: MailBox) -> None:
    critical(world)
    told(world)
    before = len(box.mails)
    assert before >= 1
    rebuild(world.admin)
    world.prepare()
    world.go(day(15.15))
    world.do("UPDATE copy.watch SET look_at = now() - interval '99 years'")
    world.decide()
    told(world)
    assert len(box.mails) == before


def test_after_an_outage_only_the_highest_due_rung_is_told(world: World, box: MailBox) -> None:
    """The worker's and the supervisor's windows passed while nobody looked."""
    for person, function in (("w1", "WORKER"), ("s1", "SUPERVISOR"), ("m1", "MANAGER"), ("c1", "COORDINATOR")):
        listed(world, person, function)
    missed(world, priority=Priority.CRITICAL)
    world.go(day(1))
    world.go(day(15.1))
    told(world)
    box.mails.clear()
    world.go(day(25))
    told(world)
    assert {to for to, _ in box.mails} == {"c1@example.org"}


def test_nothing_but_reference_rule_age_and_agencies_is_said(world: World, box: MailBox) -> None:
    critical(world)
    told(world)
    for mail in box.to(ADDRESS):
        assert {name.lower() for name in mail.keys()} <= OUR_HEADERS  # noqa: SIM118  # a mail's names come twice where a header does
        *lines, blank, close = text_of(mail).splitlines()
        assert (blank, close) == ("", "Sign in to continuum to read more and to act.")
        assert all(re.fullmatch(rf"Case [0-9a-f]{{8}}: [a-z -]+, for \d+ (minute|hour|day)s?\. {LEAD}", line) for line in lines)
        assert lines


OUR_HEADERS = {
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "auto-submitted",
    "content-language",
    "content-type",
    "content-transfer-encoding",
    "mime-version",
    "x-peer",
    "x-mailfrom",
    "x-rcptto",
}


def test_a_mail_that_is_refused_for_now_is_tried_again_with_the_same_id(world: World, box: MailBox) -> None:
    listed(world)
    answers = iter(["451 later"])
    box.answer = lambda _: next(answers, "250 taken")
    missed(world, priority=Priority.CRITICAL)
    world.go(day(1))
    world.go(day(15.1))
    told(world)
    [(state, attempts, because)] = world.rows("SELECT state, attempts, because FROM own.delivery")
    assert (state, attempts, because, box.mails) == ("QUEUED", 1, "MAIL_REFUSED_451", [])
    world.do("UPDATE own.delivery SET next_at = clock_timestamp()")
    told(world)
    [mail] = box.to(ADDRESS)
    [(message,)] = world.rows("SELECT id FROM own.message")
    assert mail["Message-ID"] == f"<{message}@example.org>"


def test_an_address_that_is_refused_is_dead_until_an_operator_tries_it_again(world: World, box: MailBox) -> None:
    listed(world)
    box.answer = lambda _: "550 nobody of this name"
    missed(world, priority=Priority.CRITICAL)
    world.go(day(1))
    world.go(day(15.1))
    told(world)
    with world.engine.begin() as connection:
        [dead] = delivery.dead(connection)
        assert (dead.because, dead.recipient) == ("MAIL_REFUSED_550", "me:w1")
        box.answer = lambda _: "250 taken"
        assert delivery.revive(connection, dead.id) == 1
    told(world)
    assert len(box.to(ADDRESS)) == 1


def test_a_server_that_stays_away_is_tried_so_often_and_no_more(world: World) -> None:
    listed(world)
    world.teller.carriers = {}
    missed(world, priority=Priority.CRITICAL)
    world.go(day(1))
    world.go(day(15.1))
    with mail_server(MailBox(answer=lambda _: "421 away")) as away:
        world.teller.carriers = Telling(offer=world.telling.offer, mail=away).carriers()
        for _ in range(len(delivery.PAUSES)):
            told(world)
            world.do("UPDATE own.delivery SET next_at = clock_timestamp()")
        assert world.rows("SELECT state FROM own.delivery") == [("QUEUED",)]
        told(world)
    assert world.rows("SELECT state, attempts FROM own.delivery") == [("DEAD", len(delivery.PAUSES) + 1)]


def test_the_job_tells_by_itself(world: World, box: MailBox) -> None:
    critical(world)
    with running(world):
        until(lambda: box.to(ADDRESS))


def test_a_database_that_fails_while_deliveries_are_taken_takes_no_place_for_ever(world: World, box: MailBox) -> None:
    critical(world)
    while world.teller.gather():
        pass

    def away(connection: Connection) -> None:
        if connection.exec_driver_sql("SELECT FROM own.delivery WHERE attempts > 0").rowcount:
            raise ConnectionError

    event.listen(world.engine, "commit", away)
    for _ in range(AT_ONCE):
        with pytest.raises(ConnectionError):
            world.teller.deliver()
    event.remove(world.engine, "commit", away)
    told(world)
    assert len(box.to(ADDRESS)) == 1


def test_who_comes_back_late_with_a_failure_changes_nothing(world: World, box: MailBox) -> None:
    """It was frozen for longer than its time; meanwhile another has delivered."""
    critical(world)
    while world.teller.gather():
        pass
    with world.engine.begin() as connection:
        [frozen] = delivery.take(world.new_work(connection), Channel.EMAIL, 4, world.telling.offer.seal)
        assert delivery.take(world.new_work(connection), Channel.EMAIL, 4, world.telling.offer.seal) == []
    world.do("UPDATE own.delivery SET next_at = clock_timestamp()")
    told(world)
    with world.engine.begin() as connection:
        delivery.failed(world.new_work(connection), frozen, NotDelivered("TIMEOUT"), lambda: 0.5)
    assert world.rows("SELECT state, attempts FROM own.delivery") == [("SENT", 2)]


@pytest.mark.parametrize("attempt", range(1, len(delivery.PAUSES) + 1))
def test_pauses_grow_and_come_apart(attempt: int) -> None:
    whole = delivery.PAUSES[attempt - 1]
    assert (delivery.pause(attempt, lambda: 0.0), delivery.pause(attempt, lambda: 0.999)) == (whole * 0.5, whole * 1.499)
    assert whole > timedelta() if attempt == 1 else whole > delivery.PAUSES[attempt - 2]


def test_what_was_told_long_ago_is_forgotten_and_what_waits_or_is_dead_is_not(world: World, box: MailBox) -> None:
    critical(world)
    told(world)
    box.answer = lambda _: "550 nobody"
    missed(world, "dead", Priority.CRITICAL)
    for moment in (15.2, 15.3):
        world.go(day(moment))
    told(world)
    with world.engine.begin() as connection:
        assert delivery.forget(connection, timedelta(days=1)) == 0
    world.do("UPDATE own.message SET made_at = made_at - interval '2 days'")
    world.do("UPDATE own.notification SET made_at = made_at - interval '2 days'")
    with world.engine.begin() as connection:
        assert delivery.forget(connection, timedelta(days=1)) > 0
    assert world.rows("SELECT state FROM own.delivery") == [("DEAD",)]


def test_a_case_that_is_due_for_ever_holds_up_nobody(world: World, box: MailBox) -> None:
    """One that can't be judged is looked at with each watermark."""
    critical(world)
    world.do("UPDATE copy.watch SET look_at = now() - interval '99 years'")
    told(world)
    assert len(box.to(ADDRESS)) == 1
