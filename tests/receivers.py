"""Where messages arrive in tests, on loopback: a real mail server (aiosmtpd), and an HTTP server for webhooks and chats."""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from continuum.local import ports
from services.monitoring.settings import Mail, Security

SENDER = "continuum@example.org"


@dataclass
class MailBox:
    """What a mail server has taken. `answer` is what it says to each mail: taken where it begins with 250. `login`: who may hand over."""

    login: tuple[str, str] | None = None
    answer: Callable[[str], str] = lambda _: "250 taken"
    mails: list[tuple[str, EmailMessage]] = field(default_factory=list)

    async def handle_DATA(self, _: object, __: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        said = self.answer(envelope.rcpt_tos[0])
        if said.startswith("250"):
            assert isinstance(envelope.original_content, bytes)
            self.mails.append((envelope.rcpt_tos[0], message_from_bytes(envelope.original_content, policy=policy.SMTP)))
        return said

    def check(self, _: object, __: Session, ___: Envelope, mechanism: str, data: object) -> AuthResult:
        assert isinstance(data, LoginPassword), mechanism
        return AuthResult(success=(data.login.decode(), data.password.decode()) == self.login, handled=False)

    def to(self, address: str) -> list[EmailMessage]:
        return [mail for to, mail in list(self.mails) if to == address]


@contextmanager
def mail_server(box: MailBox, tls: ssl.SSLContext | None = None) -> Iterator[Mail]:
    """A server for the box; with `tls` it takes nothing before STARTTLS, with a login nothing before that."""
    port = ports.choose(0)[0]
    more: dict[str, Any] = {"authenticator": box.check, "auth_required": True, "auth_require_tls": tls is not None} if box.login else {}
    server = Controller(box, hostname="127.0.0.1", port=port, tls_context=tls, require_starttls=tls is not None, **more)
    server.start()
    try:
        yield Mail(host="127.0.0.1", port=port, sender=SENDER, security=Security.STARTTLS if tls else Security.PLAINTEXT)
    finally:
        server.stop()


@dataclass(frozen=True, slots=True)
class Post:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """What an HTTP server was sent. `answer` gives the status of each; it may also wait."""

    url: str
    answer: Callable[[Post], int] = lambda _: 204
    posts: list[Post] = field(default_factory=list)


@contextmanager
def http_receiver() -> Iterator[Receiver]:
    found = Receiver("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # http.server's name
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            post = Post(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            found.posts.append(post)
            self.send_response(found.answer(post))
            self.send_header("location", f"{found.url}/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
