"""The run's broker and database server as containers of testcontainers, where CONTINUUM_TEST_CONTAINERS asks for them.

On the network of this machine, at free ports of 127.0.0.1: that needs a Docker engine on Linux. The images are the official ones, unless
CONTINUUM_TEST_KAFKA_IMAGE and CONTINUUM_TEST_POSTGRES_IMAGE name others that are told by the same variables.
"""

import os
import secrets
import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from continuum.local import kafka, ports, postgres
from tests.waiting import until

ASKED = "CONTINUUM_TEST_CONTAINERS"
START_SECONDS = 240.0


def asked() -> bool:
    """Whether containers are wanted; ends the run where they are and no engine answers, rather than test something else."""
    if os.environ.get(ASKED) != "1":
        return False
    try:
        import_module("docker").from_env().ping()
    except ImportError:
        pytest.exit(f"{ASKED}: testcontainers is not installed: `make test-containers` does that", 2)
    except import_module("docker").errors.DockerException as problem:
        pytest.exit(f"{ASKED}: no Docker engine answers ({problem})", 2)
    return True


@contextmanager
def container(
    image: str,
    *,
    environment: Mapping[str, str],
    command: list[str] | None = None,
    files: Mapping[Path, str] = MappingProxyType({}),
    folders: tuple[str, ...] = (),
    **how: object,
) -> Iterator[Any]:
    """A container on this machine's network, started by testcontainers and removed with the block; `folders` are in memory."""
    made = import_module("testcontainers.core.container").DockerContainer(image)
    for name, value in environment.items():
        made.with_env(name, value)
    if command is not None:
        made.with_command(command)
    for file, place in files.items():
        made.with_volume_mapping(str(file), place, "ro")
    for folder in folders:
        made.with_tmpfs_mount(folder)
    made.with_kwargs(network_mode="host", **how)
    with made:
        yield made


@contextmanager
def kafka_container() -> Iterator[str]:
    """The bootstrap address of a broker with the configuration of deploy/kafka."""
    port, controller_port = ports.choose(0, 0)
    text = string.Template((kafka.DEPLOY / "server.properties").read_text())
    lines = text.substitute(port=port, controller_port=controller_port, data="/tmp/kafka-data").splitlines()
    told = {name: value for name, _, value in (line.partition("=") for line in lines if line and not line.startswith("#"))}
    told["controller.quorum.voters"] = "1@" + told.pop("controller.quorum.bootstrap.servers")  # as the official image formats its data
    environment = {"KAFKA_" + name.upper().replace(".", "_"): value for name, value in told.items()}
    with container(os.environ.get("CONTINUUM_TEST_KAFKA_IMAGE", "apache/kafka:4.3.1"), environment=environment):
        address = f"127.0.0.1:{port}"
        until(lambda: _broker_answers(address), START_SECONDS)
        yield address


@contextmanager
def postgres_container() -> Iterator[str]:
    """The administrator's URL of a server without the safety of its disk: tests only."""
    [port], password = ports.choose(0), secrets.token_urlsafe(24)
    kept = {name: value for name, value in postgres.SETTINGS.items() if name != "unix_socket_directories"}
    settings = {**kept, **postgres.HASTY, "port": str(port)}
    command = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    image = os.environ.get("CONTINUUM_TEST_POSTGRES_IMAGE", "postgres:18")
    with container(image, environment={"POSTGRES_PASSWORD": password}, command=command):
        url = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
        until(lambda: _server_answers(url), START_SECONDS)
        yield url.replace("postgresql:", "postgresql+psycopg:", 1)


def _broker_answers(address: str) -> bool:
    try:
        return bool(AdminClient({"bootstrap.servers": address, "log_level": 0}).list_topics(timeout=2).brokers)
    except KafkaException:
        return False


def _server_answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
