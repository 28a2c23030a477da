"""What monitoring reads from its environment; nothing else does."""

import os
import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self

from casebus.settings import MissingSetting, ServiceSettings, common, given, needed, read
from services.monitoring.addresses import Offer
from services.monitoring.domain.reach import Channel
from services.monitoring.sealing import Seal


class Security(StrEnum):
    """How the connection to the mail server is protected: from its beginning, by STARTTLS, or not at all."""

    TLS = "TLS"
    STARTTLS = "STARTTLS"
    PLAINTEXT = "PLAINTEXT"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mail:
    """Where mail is handed over, and from whom it is. `ca_file`: who signs the server's certificate, where the machine doesn't know."""

    host: str
    port: int
    sender: str
    security: Security = Security.STARTTLS
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings(ServiceSettings):
    """`policies`: the folder of their files. `tick_seconds`: how often clocks are looked at. `blind_seconds`: until a silence is named.

    `offer`: how people can be told, and `mail` by which server.
    """

    policies: Path
    tick_seconds: float
    blind_seconds: float
    offer: Offer
    mail: Mail | None

    @classmethod
    def from_environment(cls) -> Self:
        """Raises MissingSetting."""
        return cls(
            **common(),
            policies=Path(needed("CONTINUUM_POLICIES")),
            tick_seconds=float(os.environ.get("CONTINUUM_TICK_SECONDS", "0.1")),
            blind_seconds=float(os.environ.get("CONTINUUM_BLIND_SECONDS", "30")),
            mail=(mail := _mail()),
            offer=_offer(mail),
        )


def _mail() -> Mail | None:
    """None where no mail server is named. Who logs in does so over an encrypted connection."""
    host = given("CONTINUUM_SMTP_HOST")
    if not host:
        return None
    security = read("CONTINUUM_SMTP_SECURITY", Security, Security.STARTTLS)
    username, password = given("CONTINUUM_SMTP_USERNAME"), given("CONTINUUM_SMTP_PASSWORD")
    if bool(username) != bool(password) or (username and security is Security.PLAINTEXT):
        raise MissingSetting("set CONTINUUM_SMTP_USERNAME and CONTINUUM_SMTP_PASSWORD_FILE together, and not with PLAINTEXT")
    return Mail(
        host=host,
        port=read("CONTINUUM_SMTP_PORT", int, "465" if security is Security.TLS else "587"),
        security=security,
        sender=read("CONTINUUM_SMTP_FROM", _sender),
        username=username,
        password=password,
        ca_file=read("CONTINUUM_SMTP_CA_FILE", _readable) if os.environ.get("CONTINUUM_SMTP_CA_FILE") else None,
    )


def _sender(address: str) -> str:
    if not re.fullmatch(r"[!-?A-~]{1,64}@[A-Za-z0-9.-]{1,190}", address):
        raise ValueError("an address and nothing beside it")
    return address


def _readable(path: str) -> str:
    with Path(path).open():
        return path


def _offer(mail: Mail | None) -> Offer:
    """Nobody is told where no key is set: addresses are kept sealed or not at all."""
    seal = read("CONTINUUM_SEAL_KEY", Seal.read) if given("CONTINUUM_SEAL_KEY") else None
    private = read("CONTINUUM_TELL_PRIVATE", ("no", "yes").index, "no") == 1
    channels = {Channel.WEBHOOK, Channel.APPRISE} | ({Channel.EMAIL} if mail else set())
    return Offer(channels=frozenset(channels) if seal else frozenset(), seal=seal, private=private)
