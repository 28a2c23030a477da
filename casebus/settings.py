"""What every service reads from its environment. Each service's settings.py derives its own; nothing else reads the environment."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


class MissingSetting(Exception):
    """A variable that must be set; the message names it."""


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
        "production": os.environ.get("CONTINUUM_ENV", "development") == "production",
        "kafka_bootstrap": needed("KAFKA_BOOTSTRAP"),
        "database_url": needed("DATABASE_URL"),
        "port": int(needed("CONTINUUM_PORT")),
        "public_key": Path(needed("CONTINUUM_JWT_PUBLIC_KEY")).read_text(),
        "watermark_seconds": float(os.environ.get("CONTINUUM_WATERMARK_SECONDS", "1")),
        "otlp_endpoint": os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"),
    }


def needed(name: str) -> str:
    """Raises MissingSetting when the variable is not set."""
    value = os.environ.get(name)
    if not value:
        raise MissingSetting(f"set {name} (docs/runbook.md lists the settings)")
    return value
