"""What the console reads from its environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class SettingsError(ValueError):
    """A setting is missing or unusable; the text names it and says what it should be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Where monitoring and the stream answer, which token to show them (to read, and, if there is one, to act), where to listen, and how
    often to ask (seconds)."""

    monitoring_url: str
    stream_url: str | None
    token_file: Path
    acting_token_file: Path | None
    host: str
    port: int
    poll_seconds: float
    time_zone: ZoneInfo

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the settings, or raise SettingsError naming the first that is missing or wrong."""
        return cls(
            monitoring_url=_required(environment, "CONTINUUM_MONITORING_URL", "monitoring's address, like http://127.0.0.1:8404"),
            stream_url=environment.get("CONTINUUM_STREAM_URL") or None,
            token_file=Path(_required(environment, "CONTINUUM_TOKEN_FILE", "a file that holds a coordinator's read-only token")),
            acting_token_file=Path(acting) if (acting := environment.get("CONTINUUM_ACTING_TOKEN_FILE")) else None,
            host=environment.get("CONTINUUM_HOST") or "127.0.0.1",
            port=int(_number(environment, "CONTINUUM_PORT", "8400")),
            poll_seconds=_number(environment, "CONTINUUM_BOARD_POLL_SECONDS", "0.5"),
            time_zone=_zone(environment.get("CONTINUUM_TIME_ZONE") or "Europe/London"),
        )


def _required(environment: Mapping[str, str], name: str, meaning: str) -> str:
    value = environment.get(name)
    if not value:
        raise SettingsError(f"{name} is not set: it should be {meaning}")
    return value


def _number(environment: Mapping[str, str], name: str, default: str) -> float:
    try:
        value = float(environment.get(name) or default)
    except ValueError:
        value = 0.0
    if value <= 0:
        raise SettingsError(f"{name} should be a number above zero, like {default}")
    return value


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise SettingsError("CONTINUUM_TIME_ZONE should be a time zone's name, like Europe/London") from None
