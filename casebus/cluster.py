"""Which Kafka cluster, and as whom: one value that every client of ours is made from."""

import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Protocol(StrEnum):
    """How a client speaks to the brokers: with TLS or not, with a name and a password or not."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"

    @property
    def signs_in(self) -> bool:
        return self in (Protocol.SASL_PLAINTEXT, Protocol.SASL_SSL)

    @property
    def encrypts(self) -> bool:
        return self in (Protocol.SSL, Protocol.SASL_SSL)


class Mechanism(StrEnum):
    """How a client proves who it is."""

    SCRAM_SHA_512 = "SCRAM-SHA-512"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    PLAIN = "PLAIN"


@dataclass(frozen=True, slots=True)
class Login:
    """A user of the cluster. The password is never shown."""

    username: str
    password: str = field(repr=False)
    mechanism: Mechanism = Mechanism.SCRAM_SHA_512


@dataclass(frozen=True, slots=True)
class Cluster:
    """`bootstrap` is "host:port" with commas between. Without `ca_file` TLS trusts what this machine trusts.

    `session_seconds` is how long a reader that died without a word keeps its partitions: brokers refuse less than 6 unless they are told.
    """

    bootstrap: str
    protocol: Protocol = Protocol.PLAINTEXT
    login: Login | None = None
    ca_file: Path | None = None
    session_seconds: float = 6.0

    def member(self) -> dict[str, int]:
        """What a member of a group is told besides: a beat may be lost, and two."""
        session = int(self.session_seconds * 1000)
        return {"session.timeout.ms": session, "heartbeat.interval.ms": session // 4}

    def client(self) -> dict[str, str | int | float | bool]:
        """What a client of librdkafka is told. It holds the password: it goes nowhere else."""
        told: dict[str, str | int | float | bool] = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.protocol.value,
            "log_level": 5,  # what it notices and warns of, not what it does
        }
        if self.protocol.encrypts and self.ca_file is not None:
            told["ssl.ca.location"] = str(self.ca_file)
        if self.protocol.signs_in and self.login is not None:
            told |= {
                "sasl.mechanism": self.login.mechanism.value,
                "sasl.username": self.login.username,
                "sasl.password": self.login.password,
            }
        return told

    def trust(self) -> ssl.SSLContext | None:
        """The same for a client that takes Python's TLS; None where there is none."""
        return ssl.create_default_context(cafile=self.ca_file) if self.protocol.encrypts else None
