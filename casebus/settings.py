"""What every service reads from its environment. Each service's settings.py derives its own; nothing else reads the environment."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from casebus.cluster import Cluster, Login, Mechanism, Protocol

ENVIRONMENTS = ("development", "production")
T = TypeVar("T")


class MissingSetting(Exception):
    """A variable that must be set, or set otherwise; the message names it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceSettings:
    """`database_url` is that of the service's own role; `host` the address to listen on; `public_key` the PEM of whoever issues tokens."""

    production: bool
    kafka: Cluster
    database_url: str
    host: str
    port: int
    public_key: str
    watermark_seconds: float
    otlp_endpoint: str | None
    registry_url: str | None = None

    @classmethod
    def from_environment(cls) -> Self:
        """Raises MissingSetting."""
        return cls(**common())


def common() -> dict[str, Any]:
    """The values that every service needs, by field."""
    return {
        "production": read("CONTINUUM_ENV", ENVIRONMENTS.index, "development") == ENVIRONMENTS.index("production"),
        "kafka": read_cluster(),
        "database_url": needed("DATABASE_URL"),
        "host": host(),
        "port": read("CONTINUUM_PORT", int),
        "public_key": read("CONTINUUM_JWT_PUBLIC_KEY", _public_key),
        "watermark_seconds": read("CONTINUUM_WATERMARK_SECONDS", float, "0.1"),
        "registry_url": given("SCHEMA_REGISTRY_URL"),
        "otlp_endpoint": os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"),
    }


def read_cluster(bootstrap: str | None = None) -> Cluster:
    """How Kafka is reached, at `bootstrap` where it is said already. The password comes from a file: an environment is seen by many."""
    protocol = read("KAFKA_SECURITY_PROTOCOL", Protocol, Protocol.PLAINTEXT)
    login = None
    if protocol.signs_in:
        mechanism = read("KAFKA_SASL_MECHANISM", Mechanism, Mechanism.SCRAM_SHA_512)
        login = Login(needed("KAFKA_SASL_USERNAME"), read("KAFKA_SASL_PASSWORD_FILE", _secret), mechanism)
    ca_file = read("KAFKA_CA_FILE", _readable) if protocol.encrypts and os.environ.get("KAFKA_CA_FILE") else None
    return Cluster(bootstrap or needed("KAFKA_BOOTSTRAP"), protocol, login, ca_file, read("KAFKA_SESSION_SECONDS", _session, "6"))


def _session(text: str) -> float:
    seconds = float(text)
    if not 1 <= seconds <= 300:
        raise ValueError("a session is of 1 to 300 seconds")
    return seconds


def _secret(path: str) -> str:
    secret = Path(path).read_text().strip()
    if not secret:
        raise ValueError("the file is empty")
    return secret


def _readable(path: str) -> Path:
    with Path(path).open():
        return Path(path)


def host() -> str:
    """The address to listen on: this machine alone, unless a container or a pod is to be reached from outside."""
    return os.environ.get("CONTINUUM_HOST") or "127.0.0.1"


def _public_key(path: str) -> str:
    key = Path(path).read_text()
    load_pem_public_key(key.encode())
    return key


def read(name: str, turn: Callable[[str], T], otherwise: str | None = None) -> T:
    """The variable's value, turned into what is needed. Raises MissingSetting where it is not set or can't be turned."""
    value = given(name) or otherwise or needed(name)
    try:
        return turn(value)
    except (ValueError, OSError, UnsupportedAlgorithm) as error:
        raise MissingSetting(f"{name} can't be used: docs/runbook.md says what it holds") from error


def given(name: str) -> str | None:
    """The variable's value, or what the file holds that NAME_FILE names: secrets are mounted. None where neither is set."""
    path = os.environ.get(f"{name}_FILE")
    if not path or os.environ.get(name):
        return os.environ.get(name)
    try:
        return Path(path).read_text().strip()
    except (ValueError, OSError) as error:
        raise MissingSetting(f"{name}_FILE can't be read: docs/runbook.md says what it holds") from error


def needed(name: str) -> str:
    """Raises MissingSetting when the variable is not set."""
    value = given(name)
    if not value:
        raise MissingSetting(f"set {name} (docs/runbook.md lists the settings)")
    return value
