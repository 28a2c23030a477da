"""What every service reads from its environment. Each service's settings.py derives its own; nothing else reads the environment."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key

ENVIRONMENTS = ("development", "production")
T = TypeVar("T")


class MissingSetting(Exception):
    """A variable that must be set, or set otherwise; the message names it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceSettings:
    """`database_url` is that of the service's own role; `public_key` the PEM of whoever issues tokens."""

    production: bool
    kafka_bootstrap: str
    database_url: str
    port: int
    public_key: str
    watermark_seconds: float
    otlp_endpoint: str | None

    @classmethod
    def from_environment(cls) -> Self:
        """Raises MissingSetting."""
        return cls(**common())


def common() -> dict[str, Any]:
    """The values that every service needs, by field."""
    return {
        "production": read("CONTINUUM_ENV", ENVIRONMENTS.index, "development") == ENVIRONMENTS.index("production"),
        "kafka_bootstrap": needed("KAFKA_BOOTSTRAP"),
        "database_url": needed("DATABASE_URL"),
        "port": read("CONTINUUM_PORT", int),
        "public_key": read("CONTINUUM_JWT_PUBLIC_KEY", _public_key),
        "watermark_seconds": read("CONTINUUM_WATERMARK_SECONDS", float, "1"),
        "otlp_endpoint": os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"),
    }


def _public_key(path: str) -> str:
    key = Path(path).read_text()
    load_pem_public_key(key.encode())
    return key


def read(name: str, turn: Callable[[str], T], otherwise: str | None = None) -> T:
    """The variable's value, turned into what is needed. Raises MissingSetting where it is not set or can't be turned."""
    value = os.environ.get(name) or otherwise or needed(name)
    try:
        return turn(value)
    except (ValueError, OSError, UnsupportedAlgorithm) as error:
        raise MissingSetting(f"{name} can't be used: docs/runbook.md says what it holds") from error


def needed(name: str) -> str:
    """Raises MissingSetting when the variable is not set."""
    value = os.environ.get(name)
    if not value:
        raise MissingSetting(f"set {name} (docs/runbook.md lists the settings)")
    return value
