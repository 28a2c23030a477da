"""A broker that lets nobody in without TLS, a name and a password, and asks an authorizer what each may do."""

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported by its __init__, which has no __all__
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from casebus.cluster import Cluster, Login, Protocol
from continuum.local import kafka, ports
from continuum.local.process import Program, Supervisor
from tests.integration.security.authority import Authority

ADMIN = Login("operator", "the operator's password")
SECURED = """
listeners=CLIENT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=CLIENT://127.0.0.1:{port}
listener.security.protocol.map=CLIENT:SASL_SSL,CONTROLLER:PLAINTEXT
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
# The broker speaks to its own controller without a name; on one node nobody else does.
super.users=User:{admin};User:ANONYMOUS
allow.everyone.if.no.acl.found=false
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.client.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
 username="{admin}" password="{password}";
ssl.keystore.type=PEM
ssl.keystore.location={keys}
ssl.truststore.type=PEM
ssl.truststore.location={trusted}
"""


@dataclass(frozen=True)
class Guarded:
    """The cluster as its operator sees it; `user` as another one does."""

    operator: Cluster

    def user(self, name: str, password: str | None = None) -> Cluster:
        return replace(self.operator, login=Login(name, password or password_of(name)))

    def add(self, names: Iterable[str]) -> None:
        """Give these users their passwords."""
        how = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        new: list[UserScramCredentialAlteration] = [UserScramCredentialUpsertion(name, how, password_of(name).encode()) for name in names]
        client = AdminClient(self.operator.client())  # kept: its answers end with it
        for done in client.alter_user_scram_credentials(new).values():
            done.result(30)


def password_of(user: str) -> str:
    return f"secret-of-{user}"


def start(supervisor: Supervisor, home: Path, authority: Authority) -> Guarded:
    """A new broker; only its operator is known."""
    port, controller = ports.choose(0, 0)
    keys, properties = home / "server.pem", home / "server.properties"
    keys.touch(mode=0o600)
    keys.write_bytes(b"".join(authority.server()))
    more = SECURED.format(
        port=port, controller=controller, admin=ADMIN.username, password=ADMIN.password, keys=keys, trusted=authority.file
    )
    kafka._write_properties(properties, data=home / "data", port=port, controller_port=controller)
    properties.write_text(properties.read_text() + more)
    java = kafka._java()
    scram = f"SCRAM-SHA-512=[name={ADMIN.username},password={ADMIN.password}]"
    format = ("kafka.tools.StorageTool", "format", "--standalone", "--cluster-id", "c2VjdXJlZC1jbHVzdGVyMQ", "--add-scram", scram)
    subprocess.run((*java, *format, "--config", str(properties)), check=True, capture_output=True, timeout=120)
    broker = supervisor.start(Program(name="kafka", command=(*java, "kafka.Kafka", str(properties)), log=home / "kafka.log"))
    cluster = Cluster(f"127.0.0.1:{port}", Protocol.SASL_SSL, ADMIN, authority.file)
    supervisor.await_ready(broker, lambda: _answers(cluster), seconds=120)
    return Guarded(cluster)


def _answers(cluster: Cluster) -> bool:
    try:
        return bool(AdminClient(cluster.client() | {"log_level": 0}).list_topics(timeout=3).brokers)
    except KafkaException:
        return False


def environment(cluster: Cluster, folder: Path) -> dict[str, str]:
    """The settings of a process that signs in as this user; its password is in a file that only its owner reads."""
    assert cluster.login is not None
    secret = folder / f"{cluster.login.username}.password"
    secret.touch(mode=0o600)
    secret.write_text(cluster.login.password)
    return {
        "KAFKA_BOOTSTRAP": cluster.bootstrap,
        "KAFKA_SECURITY_PROTOCOL": cluster.protocol,
        "KAFKA_CA_FILE": str(cluster.ca_file),
        "KAFKA_SASL_USERNAME": cluster.login.username,
        "KAFKA_SASL_PASSWORD_FILE": str(secret),
    }
