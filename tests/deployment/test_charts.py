"""The Helm chart, rendered: valid for Kubernetes and Strimzi, and each part with what keeps it alive, bounded and apart."""

import json
from importlib import import_module
from typing import Any

import pytest

from casebus.rights import rights_of
from casebus.topics import read_topics
from continuum.stack import SERVICES
from tests.deployment.charts import HELM, KUBERNETES, Resource, rendered, strimzi_schemas
from tests.deployment.compose import composed
from tests.deployment.parts import parts_of

pytestmark = pytest.mark.skipif(not HELM.exists(), reason="`make charts` installs helm, and runs this")


@pytest.fixture(scope="module")
def release() -> list[Resource]:
    return rendered()


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Resource]:
    return strimzi_schemas(tmp_path_factory.mktemp("strimzi"))


def of(release: list[Resource], kind: str) -> dict[str, Any]:
    return {one["metadata"]["name"]: one for one in release if one["kind"] == kind}


def pods(release: list[Resource]) -> dict[str, Any]:
    """What each Deployment and Job runs."""
    return {name: one["spec"]["template"] for kind in ("Deployment", "Job") for name, one in of(release, kind).items()}


def chosen_by(selector: Resource, labels: Resource) -> bool:
    for rule in selector.get("matchExpressions", []):
        assert rule["operator"] == "NotIn"
        if labels.get(rule["key"]) in rule["values"]:
            return False
    return all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items())


def policies_of(release: list[Resource], pod: Resource) -> list[Any]:
    labels = pod["metadata"]["labels"]
    return [one["spec"] for one in of(release, "NetworkPolicy").values() if chosen_by(one["spec"]["podSelector"], labels)]


def reached(release: list[Resource], pod: Resource) -> set[tuple[str, int]]:
    """Whom a pod may speak to: the labels or the namespace of the other, and the port."""
    found = set()
    for policy in policies_of(release, pod):
        for rule in policy.get("egress", []):
            for peer in rule["to"]:
                labels = peer.get("podSelector", {}).get("matchLabels", {})
                name = labels.get("k8s-app") or labels.get("strimzi.io/kind") or labels.get("continuum/database")
                name = name or labels.get("app.kubernetes.io/name") or str(peer)
                found |= {(name, port["port"]) for port in rule["ports"]}
    return found


VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "a Kafka and a collector that are there": {
        "kafka__create": False,
        "telemetry__otlp": "http://otel:4318",
        "telemetry__peers": [{"podSelector": {}}],
        "registry__url": "http://registry/apis/ccompat/v7",
        "registry__peers": [{"podSelector": {}}],
    },
    "bare": {"autoscaling__enabled": False, "console__enabled": False, "stream__enabled": False},
    "people are told": {
        "telling__secret": "telling",
        "telling__smtp": {
            "host": "mail",
            "port": 587,
            "from": "a@b.org",
            "username": "u",
            "security": "STARTTLS",
            "peers": [{"podSelector": {}}],
        },
    },
    "policies of a place": {"services__monitoring__policies": "policies", "pullSecrets": [{"name": "registry"}], "kafka__version": "3.9.0"},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_kubernetes_and_strimzi_would_take_it(name: str, schemas: dict[str, Resource]) -> None:
    kubernetes, draft = import_module("kubernetes_validate"), import_module("jsonschema").Draft4Validator
    kinds = set()
    for resource in rendered(**VARIANTS[name]):
        kinds.add(resource["kind"])
        if resource["kind"] in schemas:
            assert [error.message for error in draft(schemas[resource["kind"]]).iter_errors(resource)] == [], resource["metadata"]
        elif resource["kind"] != "ScaledObject":  # KEDA's definition is not to be had here
            kubernetes.validate(resource, KUBERNETES.rpartition(".")[0], strict=True)
    assert {"KafkaTopic", "KafkaUser", "Deployment", "NetworkPolicy", "Job"} <= kinds
    assert draft(schemas["KafkaTopic"]).is_valid({"spec": {"partitions": "many"}}) is False


def test_compose_would_take_our_file_too() -> None:
    judge, compose = import_module("compose_spec").PyCompose, composed()
    judge.from_json(json.dumps(compose))
    compose["services"]["intake"]["depends_on"]["topics"]["condition"] = "later"
    with pytest.raises(ValueError, match="later"):
        judge.from_json(json.dumps(compose))


def test_each_part_of_each_service_runs_alone(release: list[Resource]) -> None:
    for service in SERVICES:
        found = {name.removeprefix(f"{service}-") for name in of(release, "Deployment") if name.startswith(f"{service}-")}
        assert found == parts_of(service)
        for part in found:
            [container] = pods(release)[f"{service}-{part}"]["spec"]["containers"]
            assert container["command"] == ["python", "-m", f"services.{service}.main", "--only", part]


def test_nobody_is_root_and_nothing_can_be_written(release: list[Resource]) -> None:
    assert len(pods(release)) == sum(1 + len(parts_of(service)) for service in SERVICES) + 2
    for name, template in pods(release).items():
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert (spec["securityContext"]["runAsNonRoot"], spec["securityContext"]["runAsUser"]) == (True, 10001), name
        for container in spec["containers"]:
            rights = container["securityContext"]
            assert (rights["readOnlyRootFilesystem"], rights["allowPrivilegeEscalation"]) == (True, False), name
            assert rights["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["requests"], name
            assert container["resources"]["limits"]["memory"], name
            writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
            assert writable == {"/tmp"}, name


def test_every_process_is_probed_and_outlives_a_drain(release: list[Resource]) -> None:
    budgets = of(release, "PodDisruptionBudget")
    for name, deployment in of(release, "Deployment").items():
        template = deployment["spec"]["template"]
        [container] = template["spec"]["containers"]
        assert container["livenessProbe"]["httpGet"]["path"] == "/livez", name
        assert container["readinessProbe"]["httpGet"]["path"] in ("/readyz", "/flow/trend/"), name
        assert "startupProbe" in container, name
        assert chosen_by(deployment["spec"]["selector"], template["metadata"]["labels"]), name
        assert chosen_by(budgets[name]["spec"]["selector"], template["metadata"]["labels"]), name
        assert budgets[name]["spec"]["maxUnavailable"] == 1
        others = [other for other, pod in pods(release).items() if other != name]
        assert not [o for o in others if chosen_by(deployment["spec"]["selector"], pods(release)[o]["metadata"]["labels"])], name


def test_a_service_reaches_kafka_and_its_own_database_and_nothing_else(release: list[Resource]) -> None:
    dns = ("kube-dns", 53)
    for name, pod in pods(release).items():
        service = pod["metadata"]["labels"]["app.kubernetes.io/name"]
        database = (service, 5432)
        allowed = {"console": {dns, ("monitoring", "http"), ("stream", "http")}, "stream": {dns, ("Kafka", 9093)}}
        wanted = allowed.get(service) or ({dns, database} if name.endswith("-migration") else {dns, database, ("Kafka", 9093)})
        assert reached(release, pod) == wanted, name
        types = {kind for policy in policies_of(release, pod) for kind in policy["policyTypes"]}
        assert types == {"Ingress", "Egress"}, name
    everybody = of(release, "NetworkPolicy")["continuum-nothing-else"]["spec"]
    assert "egress" not in everybody
    assert "ingress" not in everybody


def test_who_tells_people_alone_reaches_the_mail_server_and_the_internet() -> None:
    told = rendered(**VARIANTS["people are told"])
    farther = {name for name, pod in pods(told).items() if {443, 587} & {port for _, port in reached(told, pod)}}
    assert farther == {"monitoring-notifications"}
    keyed = {name for name, pod in pods(told).items() if any(v["name"] == "telling" for v in pod["spec"]["volumes"])}
    assert keyed == {"monitoring-api", "monitoring-notifications"}
    [container] = pods(told)["monitoring-notifications"]["spec"]["containers"]
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert environment["CONTINUUM_SEAL_KEY_FILE"] == "/etc/continuum/telling/seal.key"
    assert environment["CONTINUUM_SMTP_HOST"] == "mail"


def test_only_an_api_is_called_and_everything_is_scraped(release: list[Resource]) -> None:
    for name, pod in pods(release).items():
        allowed = [rule["from"] for policy in policies_of(release, pod) for rule in policy.get("ingress", [])]
        namespaces = {
            peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
            for peers in allowed
            for peer in peers
            if "namespaceSelector" in peer
        }
        expected = {"monitoring", "ingress"} if name.endswith("-api") else {"monitoring"}
        assert namespaces == (set() if name == "console" or name.endswith("-migration") else expected), name


def test_in_production_with_a_key_and_a_login_from_secrets(release: list[Resource]) -> None:
    for service in SERVICES:
        spec = pods(release)[f"{service}-api"]["spec"]
        environment = {one["name"]: one["value"] for one in spec["containers"][0]["env"]}
        assert environment["CONTINUUM_ENV"] == "production"
        assert (environment["KAFKA_SECURITY_PROTOCOL"], environment["KAFKA_SASL_USERNAME"]) == ("SASL_SSL", service)
        mounts = {mount["name"]: mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
        files = {
            f"{mounts[volume['name']]}/{item['path']}": volume["secret"]["secretName"]
            for volume in spec["volumes"]
            if "secret" in volume
            for item in volume["secret"]["items"]
        }
        assert files[environment["DATABASE_URL_FILE"]] == f"{service}-database"
        assert files[environment["CONTINUUM_JWT_PUBLIC_KEY"]] == "continuum-public-key"
        assert files[environment["KAFKA_SASL_PASSWORD_FILE"]] == service
        assert files[environment["KAFKA_CA_FILE"]] == "continuum-cluster-ca-cert"
        assert not [file for file in files if "owner" in file], "migrations alone have the owner's"


def test_tables_are_made_before_the_release_by_their_owner(release: list[Resource]) -> None:
    for service in SERVICES:
        job = of(release, "Job")[f"{service}-migration"]
        assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
        [container] = job["spec"]["template"]["spec"]["containers"]
        assert container["command"] == ["continuum", "migrate", service]
        assert container["env"] == [{"name": "DATABASE_URL_FILE", "value": "/etc/continuum/database/owner-url"}]


def test_topics_and_rights_are_those_of_the_repository(release: list[Resource]) -> None:
    declared = {topic.name: topic for topic in read_topics()}
    topics = of(release, "KafkaTopic")
    assert topics.keys() == declared.keys()
    for name, topic in topics.items():
        assert topic["spec"]["partitions"] == declared[name].partitions
        assert {key: str(topic["spec"]["config"][key]) for key in declared[name].config()} == declared[name].config()
        assert topic["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    found = {
        (acl["resource"]["type"].upper(), acl["resource"]["name"], user, operation.upper())
        for user, resource in of(release, "KafkaUser").items()
        for acl in resource["spec"]["authorization"]["acls"]
        for operation in acl["operations"]
    }
    assert found == {(right.on, right.name, right.user, right.may) for right in rights_of(declared.values())}
    assert not [one for one in found if one[0] == "TOPIC" and one[3] == "WRITE" and declared[one[1]].owner != one[2]]


def test_consumers_grow_with_what_they_are_behind_up_to_one_a_partition(release: list[Resource]) -> None:
    scaled = of(release, "ScaledObject")
    assert scaled.keys() == {f"{service}-consumer" for service in SERVICES}
    for name, one in scaled.items():
        assert one["spec"]["scaleTargetRef"]["name"] == name
        assert one["spec"]["maxReplicaCount"] == max(topic.partitions for topic in read_topics())
        [trigger] = one["spec"]["triggers"]
        assert trigger["type"] == "prometheus"
        assert "continuum_lag_records" in trigger["metadata"]["query"]
        assert "replicas" not in of(release, "Deployment")[name]["spec"], "two would set it"
    plain = rendered(autoscaling__enabled=False)
    assert of(plain, "Deployment")["intake-consumer"]["spec"]["replicas"] == 1
    assert not of(plain, "ScaledObject")
