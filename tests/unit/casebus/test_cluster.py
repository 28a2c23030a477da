from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from casebus.cluster import Cluster, Login, Mechanism, Protocol
from casebus.kafka import BrokerFailure, name_of
from casebus.settings import MissingSetting, read_cluster

SECRET = "open-sesame"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A cluster that wants TLS, a name and a password."""
    (tmp_path / "password").write_text(f"{SECRET}\n")
    (tmp_path / "ca.pem").write_text("a certificate")
    settings = {
        "KAFKA_BOOTSTRAP": "kafka-1:9093,kafka-2:9093",
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_USERNAME": "intake",
        "KAFKA_SASL_PASSWORD_FILE": str(tmp_path / "password"),
        "KAFKA_CA_FILE": str(tmp_path / "ca.pem"),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("KAFKA_SASL_MECHANISM", raising=False)
    return monkeypatch


def test_the_whole_of_it_reaches_the_client(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cluster = read_cluster()

    assert cluster.client() == {
        "bootstrap.servers": "kafka-1:9093,kafka-2:9093",
        "security.protocol": "SASL_SSL",
        "log_level": 5,
        "ssl.ca.location": str(tmp_path / "ca.pem"),
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "intake",
        "sasl.password": SECRET,
    }


def test_how_long_a_dead_member_is_waited_for_is_said_in_seconds(environment: pytest.MonkeyPatch) -> None:
    assert read_cluster().member() == {"session.timeout.ms": 6000, "heartbeat.interval.ms": 1500}, "brokers take no less unless told"

    environment.setenv("KAFKA_SESSION_SECONDS", "3")

    assert read_cluster().member() == {"session.timeout.ms": 3000, "heartbeat.interval.ms": 750}


def test_no_text_of_it_shows_the_password(environment: pytest.MonkeyPatch) -> None:
    cluster = read_cluster()

    assert cluster.login == Login("intake", SECRET, Mechanism.SCRAM_SHA_512)
    assert "intake" in repr(cluster)
    assert SECRET not in f"{cluster} {cluster!r} {cluster.login}"


def test_a_plain_connection_needs_an_address_and_nothing_else(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT")

    assert read_cluster("127.0.0.1:9") == Cluster("127.0.0.1:9")
    plain = {"bootstrap.servers": "kafka-1:9093,kafka-2:9093", "security.protocol": "PLAINTEXT", "log_level": 5}
    assert read_cluster().client() == plain
    assert read_cluster().trust() is None


def test_tls_alone_takes_no_login(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("KAFKA_SECURITY_PROTOCOL", "SSL")

    assert read_cluster().login is None
    assert read_cluster().protocol is Protocol.SSL


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAFKA_SECURITY_PROTOCOL", "sasl"),
        ("KAFKA_SASL_MECHANISM", "GSSAPI"),
        ("KAFKA_SASL_USERNAME", ""),
        ("KAFKA_SASL_PASSWORD_FILE", ""),
        ("KAFKA_SASL_PASSWORD_FILE", "nowhere"),
        ("KAFKA_CA_FILE", "nowhere"),
        ("KAFKA_SESSION_SECONDS", "0"),
        ("KAFKA_SESSION_SECONDS", "soon"),
    ],
)
def test_what_is_missing_or_wrong_is_named_and_nothing_else_said(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(name, value)

    with pytest.raises(MissingSetting, match=name) as refused:
        read_cluster()
    assert SECRET not in str(refused.value)


def test_an_empty_password_file_is_no_password(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("\n")

    with pytest.raises(MissingSetting, match="KAFKA_SASL_PASSWORD_FILE"):
        read_cluster()


def test_an_error_is_named_as_the_broker_names_it_and_not_quoted() -> None:
    refused = BrokerFailure(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, "whatever it says"))

    assert name_of(refused) == "KafkaException TOPIC_AUTHORIZATION_FAILED"
    assert name_of(BrokerFailure()) == "KafkaException"
    assert name_of(ValueError("whatever it says")) == "ValueError"
