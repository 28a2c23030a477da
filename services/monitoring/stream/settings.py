"""What the stream reads from its environment; nothing else does. Faust's own variables are out of reach behind a prefix (worker.py)."""

from dataclasses import dataclass
from typing import Self

from casebus.cluster import Cluster
from casebus.settings import given, host, needed, read_cluster


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamSettings:
    """The Kafka cluster, and where the web server listens."""

    kafka: Cluster
    host: str
    port: int
    registry_url: str | None = None

    @classmethod
    def from_environment(cls) -> Self:
        """Raises MissingSetting."""
        port = int(needed("CONTINUUM_PORT"))
        return cls(kafka=read_cluster(), host=host(), port=port, registry_url=given("SCHEMA_REGISTRY_URL"))
