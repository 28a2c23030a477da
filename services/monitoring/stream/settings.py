"""What the stream reads from its environment; nothing else does. Faust's own variables are out of reach behind a prefix (worker.py)."""

from dataclasses import dataclass
from typing import Self

from casebus.settings import needed


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamSettings:
    """The brokers, "host:port" with commas between, and the port of the web server on 127.0.0.1."""

    kafka_bootstrap: str
    port: int

    @classmethod
    def from_environment(cls) -> Self:
        """Raises MissingSetting."""
        return cls(kafka_bootstrap=needed("KAFKA_BOOTSTRAP"), port=int(needed("CONTINUUM_PORT")))
