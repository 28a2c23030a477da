"""Mail, webhooks and chats on loopback: what goes over the wire, and what is refused before it does."""

import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from casebus.errors import Invalid
from services.monitoring.addresses import Offer, is_public
from services.monitoring.domain.message import Age, Line, Message, Unit
from services.monitoring.domain.policy import Language
from services.monitoring.domain.reach import Channel, id_of
from services.monitoring.settings import Security
from services.monitoring.telling import webhook
from services.monitoring.telling.chat import Chats, fitting
from services.monitoring.telling.mail import MailServer
from services.monitoring.telling.parcel import NotDelivered, Parcel
from services.monitoring.telling.rendering import in_words
from services.monitoring.telling.webhook import Webhooks
from tests.integration.security.authority import authority
from tests.receivers import MailBox, Receiver, http_receiver, mail_server

LINE = Line(reference="0123abcd", rule="PING_PONG", age=Age(2, Unit.DAYS), agencies=("city-hospital", "north-shelter"))
SECRET, NEW = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz", "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo="


def parcel(address: str, *secrets: str, language: Language = Language.EN) -> Parcel:
    now = datetime.now(UTC)
    message = Message(lines=(LINE,), more=1)
    return Parcel(id=id_of("one"), message=message, language=language, address=address, secrets=secrets, made_at=now, now=now)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with http_receiver() as found:
        yield found


@pytest.mark.parametrize("language", Language)
def test_a_mail_arrives_in_its_language(language: Language) -> None:
    with mail_server(box := MailBox()) as server:
        MailServer(server).carry(parcel("w1@example.org", language=language))
    [mail] = box.to("w1@example.org")
    assert (mail["Content-Language"], mail["Auto-Submitted"]) == (language, "auto-generated")
    assert LINE.reference in mail.get_content()


def tls(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's side, and the file of who signed it."""
    signs = authority(folder / "authority.pem")
    (folder / "server.pem").write_bytes(b"".join(signs.server()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context, signs.file


def test_a_mail_goes_over_tls_with_a_login(tmp_path: Path) -> None:
    context, signed_by = tls(tmp_path)
    box = MailBox(login=("continuum", "secret"))
    with mail_server(box, context) as server:
        known = replace(server, username="continuum", password="secret", ca_file=str(signed_by))
        MailServer(known).carry(parcel("w1@example.org"))
        assert len(box.mails) == 1
        for wrong, because in (
            (replace(known, ca_file=None), "TLS_FAILED"),
            (replace(known, password="other"), "LOGIN_REFUSED_535"),
        ):
            with pytest.raises(NotDelivered, match=because) as refused:
                MailServer(wrong).carry(parcel("w1@example.org"))
            assert not refused.value.final
    assert len(box.mails) == 1
    with pytest.raises(NotDelivered, match="SERVER_AWAY"):
        MailServer(known).carry(parcel("w1@example.org"))


def test_a_server_without_tls_gets_nothing_where_tls_is_asked_for() -> None:
    with mail_server(box := MailBox()) as server, pytest.raises(NotDelivered):
        MailServer(replace(server, security=Security.STARTTLS)).carry(parcel("w1@example.org"))
    assert box.mails == []


def verified(post: Any, secret: str) -> dict[str, Any]:
    found: dict[str, Any] = Webhook(secret).verify(post.body, dict(post.headers))
    return found


def test_a_webhook_is_signed_by_every_secret_that_holds(receiver: Receiver) -> None:
    Webhooks(private=True).carry(parcel(receiver.url + "/hook", NEW, SECRET))
    [post] = receiver.posts
    said = verified(post, SECRET)
    assert verified(post, NEW) == said
    assert said["type"] == "alerts.waiting"
    alert = {"case": "0123abcd", "rule": "PING_PONG", "age": {"count": 2, "unit": "DAYS"}, "agencies": ["city-hospital", "north-shelter"]}
    assert said["data"] == {"critical": False, "count": 2, "alerts": [alert]}
    with pytest.raises(WebhookVerificationError):
        verified(replace(post, body=post.body.replace(b"0123abcd", b"0123abce")), SECRET)
    Webhooks(private=True).carry(parcel(receiver.url, SECRET))
    with pytest.raises(WebhookVerificationError):
        verified(receiver.posts[1], NEW)


def test_a_second_delivery_has_the_same_id_and_the_same_words(receiver: Receiver) -> None:
    first = parcel(receiver.url, SECRET)
    for each in (first, replace(first, now=datetime.now(UTC))):
        Webhooks(private=True).carry(each)
    one, two = receiver.posts
    assert (one.headers["webhook-id"], one.body) == (two.headers["webhook-id"], two.body)


@pytest.mark.parametrize(("status", "final", "gone"), [(302, False, False), (404, False, False), (503, False, False), (410, True, True)])
def test_what_is_no_success_is_a_failure_and_a_redirect_is_not_followed(receiver: Receiver, status: int, final: bool, gone: bool) -> None:  # noqa: FBT001  # a table's columns
    receiver.answer = lambda _: status
    with pytest.raises(NotDelivered, match=f"HTTP_{status}") as failed:
        Webhooks(private=True).carry(parcel(receiver.url, SECRET))
    assert (failed.value.final, failed.value.gone, len(receiver.posts)) == (final, gone, 1)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fc00::1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "fec0::1",
        "64:ff9b::a01:203",
    ],
)
def test_addresses_of_this_network_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700:4700::1111", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_a_name_that_leads_to_this_machine_is_refused_when_it_is_called(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by DNS rebinding: when it was checked the name led to the internet."""
    port = int(receiver.url.rpartition(":")[2])
    answers = iter(["93.184.216.34", "127.0.0.1"])
    asked: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: str, *more: Any, **named: Any) -> Any:
        if host != "hook.example.org":
            return real(host, *more, **named)
        asked.append(host)
        return real(next(answers), port, type=socket.SOCK_STREAM)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    Offer().check(Channel.WEBHOOK, "https://hook.example.org/x")
    look_up("hook.example.org")
    with pytest.raises(NotDelivered, match="ADDRESS_NOT_ALLOWED"):
        Webhooks().carry(parcel(f"http://hook.example.org:{port}/x", SECRET))
    assert (len(asked), receiver.posts) == (2, [])


def test_where_one_of_a_name_s_addresses_is_of_this_network_none_is_called(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    both = [*real("93.184.216.34", 443, type=socket.SOCK_STREAM), *real("127.0.0.1", 443, type=socket.SOCK_STREAM)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    with pytest.raises(NotDelivered, match="ADDRESS_NOT_ALLOWED"):
        Webhooks().carry(parcel("https://hook.example.org/x", SECRET))


def test_a_receiver_that_drips_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says a byte now and then, for ever: each comes in time, all of it never does."""
    monkeypatch.setattr(webhook, "SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listening, pytest.raises(NotDelivered, match="TIMEOUT"):
        Webhooks(private=True).carry(parcel(f"http://127.0.0.1:{listening.getsockname()[1]}", SECRET))


def test_a_chat_of_apprise_gets_the_text(receiver: Receiver) -> None:
    host = receiver.url.removeprefix("http://")
    receiver.answer = lambda _: 200
    Chats(private=True).carry(parcel(f"json://{host}/chat"))
    [post] = receiver.posts
    said = json.loads(post.body)
    assert LINE.reference in said["message"]
    receiver.answer = lambda _: 500
    with pytest.raises(NotDelivered, match="SERVICE_FAILED"):
        Chats(private=True).carry(parcel(f"json://{host}/chat"))


@pytest.mark.parametrize("form", ["json://{}/chat", "jsons://{}/chat", "zulip://bot@{}/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/room"])
def test_a_chat_connects_to_nothing_of_this_network_wherever_its_host_is_written(form: str, receiver: Receiver) -> None:
    with pytest.raises(NotDelivered, match="ADDRESS_NOT_ALLOWED"):
        Chats().carry(parcel(form.format(receiver.url.removeprefix("http://"))))
    assert receiver.posts == []
    Webhooks(private=True).carry(parcel(receiver.url, SECRET))  # nobody else is held to it
    assert len(receiver.posts) == 1


@pytest.mark.parametrize("language", Language)
def test_a_message_that_is_too_long_for_a_service_names_fewer_alerts(language: Language) -> None:
    whole = Message(lines=(LINE,) * 50, more=7, critical=True)
    found = []
    for most in (160, 2_000, 4_096, 100_000):
        text = fitting(whole, language, most)
        found.append(text.body.count(LINE.reference))
        assert text.subject == in_words(whole, language).subject
        assert found[-1] == 0 or len(text.subject) + len(text.body) <= most
        assert str(57 - found[-1]) in text.body
    assert found == sorted(found)
    assert (found[1] > 5, found[-1]) == (True, 50)


def test_a_mail_that_was_taken_is_told_whatever_the_server_says_when_it_is_left() -> None:
    class Leaving(MailBox):
        async def handle_QUIT(self, *_: object) -> str:  # noqa: N802  # aiosmtpd's name
            return "421 shutting down"

    with mail_server(box := Leaving()) as server:
        MailServer(server).carry(parcel("w1@example.org"))
    assert len(box.to("w1@example.org")) == 1


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        (Channel.EMAIL, "no address"),
        (Channel.EMAIL, "a@example.org\r\nBcc: b@example.org"),
        (Channel.EMAIL, "Olive <olive@example.org>"),
        (Channel.WEBHOOK, "http://hook.example.org/x"),
        (Channel.WEBHOOK, "https://user:password@hook.example.org/x"),
        (Channel.WEBHOOK, "https://127.0.0.1/x"),
        (Channel.WEBHOOK, "https://[::1]/x"),
        (Channel.WEBHOOK, "https://localhost/x"),
        (Channel.WEBHOOK, "https://db.internal/x"),
        (Channel.WEBHOOK, "https://hook.example.org:99999/x"),
        (Channel.WEBHOOK, "ftp://hook.example.org/x"),
        (Channel.APPRISE, "json://127.0.0.1/x"),
        (Channel.APPRISE, "gotify://gotify.example.org/token"),
        (Channel.APPRISE, "syslog://"),
        (Channel.APPRISE, "mailto://a:b@mail.example.org"),
        (Channel.APPRISE, "slack://TokenA1234/TokenB1234/TokenC1234abcdefghijklmno/#c/#d"),
        (Channel.APPRISE, "vapid://subscriber@example.org/target?keyfile=/etc/passwd"),
        (Channel.APPRISE, "nothing://x"),
    ],
)
def test_an_address_that_is_not_allowed_is_refused_and_not_repeated(
    channel: Channel, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Invalid) as refused:
        Offer().check(channel, address)
    assert caplog.records == []
    assert refused.value.fixes[0].field == "address"
    assert address not in f"{refused.value.detail} {refused.value.fixes}"


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        (Channel.EMAIL, "w1@example.org"),
        (Channel.WEBHOOK, "https://hook.example.org/x?y=1"),
        (Channel.APPRISE, "slack://TokenA1234/TokenB1234/TokenC1234abcdefghijklmno/#c"),
    ],
)
def test_an_address_that_is_allowed(channel: Channel, address: str) -> None:
    Offer().check(channel, address)
