"""What the stream reads from its environment; nothing else does. Faust's own variables are out of reach behind a prefix (worker.py)."""

from dataclasses import dataclass
from typing import Self

from casebus.cluster import Cluster
from casebus.settings import needed, read_cluster


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamSettings:
    """The Kafka cluster, and the port of the web server on 127.0.0.1."""

    kafka: Cluster
    port: int

    @classmethod
    def from_environment(cls) -> Self:
        """Raises MissingSetting."""
        return cls(kafka=read_cluster(), port=int(needed("CONTINUUM_PORT")))
