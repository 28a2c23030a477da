"""deploy/compose.yaml: each part has what it needs, waits for it, and reaches nothing else."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from casebus.settings import MissingSetting
from continuum.cli import app
from continuum.stack import PORTS, SERVICES
from services.console.settings import Settings as ConsoleSettings
from services.intake.settings import Settings
from services.monitoring.settings import Settings as MonitoringSettings
from tests.deployment.compose import DEPLOY, composed, ours

COMPOSE = composed()
PARTS = COMPOSE["services"]
SECRETS = Path("/run/secrets")


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `continuum secrets` makes."""
    folder = tmp_path_factory.mktemp("made") / "secrets"
    answer = CliRunner().invoke(app, ["secrets", str(folder)])
    assert answer.exit_code == 0, answer.output
    return folder


def mounted(name: str) -> dict[str, str]:
    """Where a part finds each of its secrets, and the file that is there."""
    named = PARTS[name].get("secrets", [])
    given: list[dict[str, str]] = [one if isinstance(one, dict) else {"source": one, "target": one} for one in named]
    return {str(SECRETS / one.get("target", one["source"])): COMPOSE["secrets"][one["source"]]["file"] for one in given}


def environment(name: str, secrets: Path) -> dict[str, str]:
    """A part's variables and the image's, with its secrets where `continuum secrets` wrote them."""
    image = {"CONTINUUM_POLICIES": str(DEPLOY / "policies"), "CONTINUUM_PORT": "8080"}
    places = {inside: str(secrets / Path(file).name) for inside, file in mounted(name).items()}
    return image | {variable: places.get(value, value) for variable, value in PARTS[name]["environment"].items()}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_can_read_its_settings(name: str, secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = MonitoringSettings if name == "monitoring" else Settings
    for variable in ("DATABASE_URL", "KAFKA_SECURITY_PROTOCOL"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment(name, secrets).items():
        monkeypatch.setenv(variable, value)
    settings = kind.from_environment()
    assert (settings.host, settings.port, settings.production) == ("0.0.0.0", 8080, False)
    assert settings.database_url.startswith(f"postgresql+psycopg://{name}:")
    assert settings.database_url.endswith(f"@postgres:5432/{name}")
    monkeypatch.delenv("DATABASE_URL_FILE")
    with pytest.raises(MissingSetting):
        kind.from_environment()


def test_the_console_can_read_its_settings_and_its_token(secrets: Path) -> None:
    settings = ConsoleSettings.read(environment("console", secrets))
    assert settings.host == "0.0.0.0"
    assert settings.token_file.read_text().count(".") == 2


def test_secrets_stay_when_they_are_made_again_and_only_their_folder_is_closed(secrets: Path) -> None:
    before = {file.name: file.read_bytes() for file in secrets.iterdir()}
    assert CliRunner().invoke(app, ["secrets", str(secrets)]).exit_code == 0
    assert {file.name: file.read_bytes() for file in secrets.iterdir()} == before
    assert secrets.stat().st_mode & 0o777 == 0o700
    readable = {file.name for file in secrets.iterdir() if file.stat().st_mode & 0o004}
    assert before.keys() - readable == {"dev-issuer.key"}


def test_every_secret_is_made_and_mounted_where_it_is_needed_only(secrets: Path) -> None:
    declared = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert declared == {file.name for file in secrets.iterdir()} - {"dev-issuer.key"}
    files = [secret["file"] for secret in COMPOSE["secrets"].values()]
    holders = {file: {name for name in PARTS if file in mounted(name).values()} for file in files}
    for service in SERVICES:
        assert holders[f"secrets/{service}.url"] == {service}
        assert holders[f"secrets/{service}_owner.url"] == {f"{service}-tables"}
        assert holders[f"secrets/{service}.password"] == {"databases"}
    assert holders["secrets/postgres.url"] == {"databases"}


@pytest.mark.parametrize("name", sorted(ours(COMPOSE)))
def test_our_parts_write_nothing_and_may_do_nothing(name: str) -> None:
    part = PARTS[name]
    assert (part["read_only"], part["cap_drop"], part["tmpfs"]) == (True, ["ALL"], ["/tmp"])
    assert part["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in part, "the image's own"


def test_nothing_is_published_beyond_this_machine() -> None:
    published = {name: part["ports"] for name, part in PARTS.items() if "ports" in part}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    assert {name: int(published[name][0].split(":")[1]) for name in (*SERVICES, "console", "stream")} == {
        name: PORTS[name] for name in (*SERVICES, "console", "stream")
    }
    assert not {"kafka", "postgres"} & published.keys()
    assert all(COMPOSE["networks"][net] == {"internal": True} for net in ("log", "data"))


def test_only_those_that_need_a_database_or_the_log_reach_it() -> None:
    on = {net: {name for name, part in PARTS.items() if net in part["networks"]} for net in COMPOSE["networks"]}
    assert on["data"] == {"postgres", "databases", *SERVICES, *(f"{service}-tables" for service in SERVICES)}
    assert on["log"] == {"kafka", "topics", "stream", *SERVICES}


def test_a_service_waits_for_its_topics_and_its_tables() -> None:
    done = {"condition": "service_completed_successfully"}
    for service in SERVICES:
        assert PARTS[service]["depends_on"] == {"topics": done, f"{service}-tables": done}
        assert PARTS[f"{service}-tables"]["command"] == ["continuum", "migrate", service]
    for name, part in PARTS.items():
        for other, how in part.get("depends_on", {}).items():
            waits_for_health = how["condition"] == "service_healthy"
            assert not waits_for_health or other in ours(COMPOSE) or "healthcheck" in PARTS[other], (name, other)


def test_kafka_is_the_one_that_is_tested_and_forgets_nothing() -> None:
    coordinates = tomllib.loads((DEPLOY / "kafka" / "jgo.toml").read_text())["dependencies"]["coordinates"]
    version = next(one.split(":")[2].rstrip("!") for one in coordinates if ":kafka_2.13:" in one)
    assert PARTS["kafka"]["image"] == f"apache/kafka:{version}"
    lines = [line.partition("=") for line in (DEPLOY / "kafka" / "server.properties").read_text().splitlines() if "=" in line]
    tested = {name: value for name, _, value in lines if not name.startswith("#")}
    local = {"listeners", "advertised.listeners", "controller.quorum.bootstrap.servers", "log.dirs"}
    for variable, value in PARTS["kafka"]["environment"].items():
        setting = variable.removeprefix("KAFKA_").lower().replace("_", ".")
        assert setting in local or tested.get(setting, value) == value, setting
    kept: dict[str, Any] = {name: value for name, value in tested.items() if "retention" in name or "create" in name}
    assert kept.keys() <= {v.removeprefix("KAFKA_").lower().replace("_", ".") for v in PARTS["kafka"]["environment"]}


def test_what_is_mounted_is_there() -> None:
    mounted = [volume.partition(":")[0] for part in PARTS.values() for volume in part.get("volumes", []) if volume.startswith("./")]
    assert len(mounted) == 6
    assert [path for path in mounted if not (DEPLOY / path).exists()] == []
    declared = yaml.safe_load((DEPLOY / "prometheus" / "targets" / "services.yml").read_text())
    targets = [target for group in declared for target in group["targets"]]
    assert sorted(targets) == sorted(f"{service}:8080" for service in SERVICES)


def test_the_file_names_no_registry_and_no_password() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    assert yaml.safe_load(text)["name"] == "continuum"
    assert not [part["image"] for part in PARTS.values() if "." in part["image"].split("/")[0]]
    assert "PASSWORD: " not in text
