"""The Helm chart: what it renders is valid, belongs together, and fits the services' settings."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from api.app import SHUTDOWN_MARGIN_SECONDS
from api.settings import ApiSettings
from deploy.canary.run import STOP_SECONDS as CANARY_STOP_SECONDS
from ingest.settings import IngestSettings
from ingest.worker import stop_seconds
from processor.__main__ import STOP_SECONDS
from processor.notify.__main__ import STOP_SECONDS as NOTIFY_STOP_SECONDS
from tests.unit.deploy.compose_file import ROOT, TOOLS, base_images
from tests.unit.deploy.test_deploy_compose import (
    COMMAND_VARIABLES,
    SECRET,
    gateway_stop_seconds,
    settings_variables,
)
from tests.yaml_text import read_documents, read_yaml

CHART = ROOT / "deploy/helm/rollcall"
VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
#: The oldest that the chart takes, and the newest whose schemas we have.
KUBERNETES = ("1.27", "1.37")
#: Not Kubernetes' own: the Prometheus operator's.
CUSTOM = ("PodMonitor", "PrometheusRule")
MISSING = "helm is not here: `make tools` compiles it where Go is"

Manifest = dict[str, Any]


def helm() -> str | None:
    local = TOOLS / "helm"
    return str(local) if local.exists() else shutil.which("helm")


pytestmark = pytest.mark.skipif(helm() is None, reason=MISSING)


def run_helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = helm()
    assert program is not None
    # One that was not built by its makers does not know of which Kubernetes it is.
    command, *options = arguments
    return subprocess.run(
        [program, command, "--kube-version", KUBERNETES[-1], *options],
        capture_output=True,
        text=True,
        check=False,
    )


@cache
def rendered(values: Path) -> list[Manifest]:
    done = run_helm("template", "fleet", str(CHART), "--namespace", "apps", "--values", str(values))
    assert done.returncode == 0, done.stderr
    return [manifest for manifest in read_documents(done.stdout) if manifest]


@pytest.fixture(params=VALUES, ids=lambda path: path.stem.removesuffix("-values"))
def values(request: pytest.FixtureRequest) -> Path:
    path = request.param
    assert isinstance(path, Path)
    return path


@pytest.fixture
def manifests(values: Path) -> list[Manifest]:
    return rendered(values)


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def templates(manifests: list[Manifest]) -> list[Manifest]:
    """The pod templates of Deployments and of Jobs, those on a schedule too."""
    scheduled = [m["spec"]["jobTemplate"] for m in of_kind(manifests, "CronJob")]
    owners = [*of_kind(manifests, "Deployment", "Job"), *scheduled]
    return [owner["spec"]["template"] for owner in owners]


def containers(manifests: list[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    """Pod specifications with their one container."""
    for template in templates(manifests):
        [container] = template["spec"]["containers"]
        yield template["spec"], container


def environment(container: Manifest) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container["env"]}


def component(manifest: Manifest) -> str:
    return str(manifest["metadata"]["labels"]["app.kubernetes.io/component"])


def test_lint_has_nothing_to_say(values: Path) -> None:
    done = run_helm("lint", "--strict", str(CHART), "--values", str(values))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize(
    "version", [KUBERNETES[0], pytest.param(KUBERNETES[1], marks=pytest.mark.long)]
)
def test_kubernetes_takes_what_is_rendered(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # It reads all of Kubernetes' definitions anew for each manifest.
    once = cache(kubernetes_validate.utils.schema_contents)
    monkeypatch.setattr(kubernetes_validate.utils, "schema_contents", once)
    seen: list[Manifest] = []
    for values in VALUES:
        for manifest in rendered(values):
            if manifest["kind"] not in CUSTOM and manifest not in seen:
                kubernetes_validate.validate(manifest, version, strict=True)
                seen.append(manifest)
    assert len(seen) > 30


def test_everything_on_renders_every_kind(manifests: list[Manifest], values: Path) -> None:
    kinds = {manifest["kind"] for manifest in manifests}
    wanted = {"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"}
    if values.stem == "minimal-values":
        wanted |= {"ConfigMap", "Job"}
    if values.stem == "full-values":
        wanted |= {"ConfigMap", "Job", "HorizontalPodAutoscaler", "Ingress", *CUSTOM}
        wanted |= {"CronJob", "PersistentVolumeClaim"}
    assert kinds == wanted


def selected(selector: dict[str, str], manifests: list[Manifest]) -> list[Manifest]:
    return [
        template
        for template in templates(manifests)
        if selector.items() <= template["metadata"]["labels"].items()
    ]


def test_selectors_find_the_pods_of_one_component(manifests: list[Manifest]) -> None:
    found = 0
    for manifest in manifests:
        spec = manifest.get("spec", {})
        selector = spec.get("podSelector") or spec.get("selector")
        if selector is None or manifest["kind"] == "PodMonitor":
            continue
        labels = selector.get("matchLabels", selector)
        pods = selected(labels, manifests)
        assert [component({"metadata": pod["metadata"]}) for pod in pods] == [component(manifest)]
        found += 1
    assert found > 8


def test_monitors_autoscalers_and_ingresses_find_what_they_name() -> None:
    manifests = rendered(CHART / "ci/full-values.yaml")
    [monitor] = of_kind(manifests, "PodMonitor")
    pods = selected(monitor["spec"]["selector"]["matchLabels"], manifests)
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    scraped = [
        pod["metadata"]["labels"][monitor["spec"]["jobLabel"]]
        for pod in pods
        if endpoint["port"] in {p["name"] for p in pod["spec"]["containers"][0].get("ports", ())}
    ]
    prometheus = read_yaml((ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8"))
    jobs = {job["job_name"] for job in prometheus["scrape_configs"]} - {"prometheus"}
    assert sorted(scraped) == sorted(jobs)

    names = {(m["kind"], m["metadata"]["name"]) for m in manifests}
    [scaler] = of_kind(manifests, "HorizontalPodAutoscaler")
    target = scaler["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) in names
    [scaled] = [m for m in of_kind(manifests, "Deployment") if component(m) == "ingest"]
    assert "replicas" not in scaled["spec"]
    [ingress] = of_kind(manifests, "Ingress")
    [path] = ingress["spec"]["rules"][0]["http"]["paths"]
    assert ("Service", path["backend"]["service"]["name"]) in names


def test_services_and_probes_name_ports_that_are_there(manifests: list[Manifest]) -> None:
    for service in of_kind(manifests, "Service"):
        [pod] = selected(service["spec"]["selector"], manifests)
        ports = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
        targets = {port["targetPort"] for port in service["spec"]["ports"]}
        assert targets <= ports
        # Admin ports are in no Service but those that only are names of pods.
        if "admin" in targets:
            assert service["spec"]["clusterIP"] == "None"
            assert service["spec"]["publishNotReadyAddresses"] is True
            assert targets == {"admin"}
    defaults = {
        "ingest": IngestSettings(jwt_secret=SECRET).ingest_admin_port,
        "api": ApiSettings(jwt_secret=SECRET).api_admin_port,
        "processor": 9083,
        "notify": 9084,
        "canary": 9085,
        "gateway": 8404,
    }
    for deployment in of_kind(manifests, "Deployment"):
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        numbers = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert numbers["admin"] == defaults[component(deployment)]
        for probe in ("livenessProbe", "readinessProbe"):
            path = {"livenessProbe": "/healthz", "readinessProbe": "/readyz"}[probe]
            assert container[probe]["httpGet"] == {"path": path, "port": "admin"}


def test_the_gateway_asks_for_services_that_are_there() -> None:
    manifests = rendered(CHART / "ci/minimal-values.yaml")
    services = {m["metadata"]["name"]: m["spec"] for m in of_kind(manifests, "Service")}
    [gateway] = [m for m in of_kind(manifests, "Deployment") if component(m) == "gateway"]
    [container] = gateway["spec"]["template"]["spec"]["containers"]
    found = environment(container)
    for variable, port in (("GATEWAY_INGEST", 8081), ("GATEWAY_API", 8082)):
        name, _, domain = found[variable].partition(".")
        assert domain == "apps.svc.cluster.local"
        assert services[name]["clusterIP"] == "None"
        assert services[name]["ports"] == [{"name": "http", "port": port, "targetPort": "http"}]
    configuration = (ROOT / "deploy/gateway/haproxy.cfg").read_text("utf-8")
    for variable in found:
        assert re.search(rf"\$\{{?{variable}\b", configuration), variable
    [configmap] = of_kind(manifests, "ConfigMap")
    assert configmap["data"]["haproxy.cfg"].strip() == configuration.strip()


def test_the_api_asks_admin_ports_that_are_there(values: Path, manifests: list[Manifest]) -> None:
    services = {m["metadata"]["name"]: m["spec"] for m in of_kind(manifests, "Service")}
    [api] = [m for m in of_kind(manifests, "Deployment") if component(m) == "api"]
    [container] = api["spec"]["template"]["spec"]["containers"]
    found = environment(container)
    settings = ApiSettings(
        jwt_secret=SECRET,
        admin_targets=found["ROLLCALL_ADMIN_TARGETS"],
        plain_http_hosts=found["ROLLCALL_PLAIN_HTTP_HOSTS"],
    )
    assert len(settings.targets) == (4 if values.name == "full-values.yaml" else 3)
    policies = {component(m): m["spec"] for m in of_kind(manifests, "NetworkPolicy")}
    for target in settings.targets:
        [port] = services[target.host]["ports"]
        assert port == {"name": "admin", "port": target.port, "targetPort": "admin"}
        [pod] = selected(services[target.host]["selector"], manifests)
        asked = policies[component({"metadata": pod["metadata"]})]
        # Both ways are open to the API.
        assert "api" in callers(asked["ingress"], target.port)
        if "Egress" in asked["policyTypes"]:
            name = pod["metadata"]["labels"]["app.kubernetes.io/component"]
            assert name in callers(policies["api"]["egress"], target.port)


def callers(rules: list[Any], port: int) -> set[str]:
    """Components that rules for this port name."""
    return {
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for rule in rules
        if port in {each["port"] for each in rule["ports"]}
        for peer in rule.get("from", rule.get("to", ()))
        if "podSelector" in peer
    }


def test_other_targets_and_other_plain_hosts_may_be_set() -> None:
    def of_api(*given: str) -> dict[str, str]:
        options = [part for value in given for part in ("--set-string", value)]
        minimal = ("--values", str(CHART / "ci/minimal-values.yaml"))
        done = run_helm("template", "fleet", str(CHART), *minimal, *options)
        assert done.returncode == 0, done.stderr
        manifests = [manifest for manifest in read_documents(done.stdout) if manifest]
        [api] = [m for m in of_kind(manifests, "Deployment") if component(m) == "api"]
        return environment(api["spec"]["template"]["spec"]["containers"][0])

    mine = of_api("settings.ROLLCALL_PLAIN_HTTP_HOSTS=keys.apps")
    assert mine["ROLLCALL_PLAIN_HTTP_HOSTS"].split(",")[-1] == "keys.apps"
    assert len(mine["ROLLCALL_PLAIN_HTTP_HOSTS"].split(",")) == 4
    given = of_api("settings.ROLLCALL_ADMIN_TARGETS=localhost:9082")
    assert given["ROLLCALL_ADMIN_TARGETS"] == "localhost:9082"
    assert "ROLLCALL_PLAIN_HTTP_HOSTS" not in given


def test_every_setting_is_one_and_none_is_a_secret(manifests: list[Manifest]) -> None:
    known = settings_variables() | COMMAND_VARIABLES
    for _, container in containers(manifests):
        found = environment(container)
        assert {name for name in found if name.startswith("ROLLCALL_")} <= known
        assert not re.search(r"JWT_SECRET|CLIENT_SECRET|DATABASE_URL|PASSWORD", " ".join(found))
    assert of_kind(manifests, "Secret") == []


def test_secrets_are_mounted_where_they_are_needed_and_nowhere_else() -> None:
    mounted: dict[str, set[str]] = {}
    for template in templates(rendered(CHART / "ci/full-values.yaml")):
        for volume in template["spec"]["volumes"]:
            sources = volume.get("projected", {}).get("sources", [])
            names = {source["secret"]["name"] for source in sources}
            assert not any("items" in source["secret"] for source in sources)
            names |= {volume["secret"]["secretName"]} if "secret" in volume else set()
            mounted.setdefault(component(template), set()).update(names)
    assert mounted == {
        "ingest": {"rollcall-kafka", "rollcall-privacy"},
        "processor": {"rollcall-owner", "rollcall-kafka", "rollcall-privacy"},
        "notify": {"rollcall-notify", "rollcall-kafka", "rollcall-privacy", "rollcall-webhooks"},
        "canary": {"rollcall-canary"},
        "api": {"rollcall-api", "rollcall-kafka", "rollcall-privacy", "rollcall-webhooks"},
        "gateway": {"rollcall-tls"},
        "audit": {"rollcall-owner", "rollcall-kafka", "rollcall-privacy"},
        "migrate": {"rollcall-owner"},
        "topics": {"rollcall-kafka"},
    }


def test_pods_can_do_as_little_as_pod_security_restricted_asks(manifests: list[Manifest]) -> None:
    for pod, container in containers(manifests):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"requests", "limits"} <= container["resources"].keys()
        assert re.search(r":[^:/]*\d\.\d[^:/@]*(@sha256:[0-9a-f]{64})?$", container["image"])
    ours = [c for _, c in containers(manifests) if c["name"] != "gateway"]
    assert {c["command"][0] for c in ours} <= {"python", "rollcall"}


def test_pods_are_given_longer_to_end_than_they_take(manifests: list[Manifest]) -> None:
    api = ApiSettings(jwt_secret=SECRET)
    drains = {
        "ingest": stop_seconds(IngestSettings(jwt_secret=SECRET)),
        "processor": STOP_SECONDS,
        "notify": NOTIFY_STOP_SECONDS,
        "canary": CANARY_STOP_SECONDS,
        "api": api.api_statement_timeout_seconds + SHUTDOWN_MARGIN_SECONDS,
        "gateway": gateway_stop_seconds(),
    }
    for deployment in of_kind(manifests, "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        [container] = pod["containers"]
        hook = container.get("lifecycle", {}).get("preStop", {}).get("exec", {})
        slept = float(hook["command"][1]) if hook else 0.0
        name = component(deployment)
        assert pod["terminationGracePeriodSeconds"] > drains[name] + slept + 5, name
    [gateway] = [
        c
        for _, c in containers(rendered(CHART / "ci/minimal-values.yaml"))
        if c["name"] == "gateway"
    ]
    assert gateway["image"] == base_images()["gateway"]


def test_nobody_but_the_gateway_reaches_a_service_unless_named() -> None:
    def rules(values: str, name: str) -> Any:
        policies = of_kind(rendered(CHART / f"ci/{values}-values.yaml"), "NetworkPolicy")
        [policy] = [policy for policy in policies if component(policy) == name]
        return policy["spec"]["ingress"]

    assert rules("minimal", "migrate") == []
    for name, ports in (("ingest", [8081, 9081]), ("api", [8082, 9082]), ("processor", [])):
        *calls, health = rules("minimal", name)
        wanted = [ports] if ports else []
        assert [[port["port"] for port in rule["ports"]] for rule in calls] == wanted
        for rule, caller in (*((each, "gateway") for each in calls), (health, "api")):
            [peer] = rule["from"]
            assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == caller
    assert [[p["port"] for p in rule["ports"]] for rule in rules("full", "processor")] == [
        [9083],
        [9083],
    ]
    assert [[p["port"] for p in rule["ports"]] for rule in rules("full", "api")] == [
        [8082, 9082],
        [8082],
        [9082],
        [9082],
    ]
    assert [[p["port"] for p in rule["ports"]] for rule in rules("no-gateway", "ingest")] == [
        [8081],
        [9081],
    ]


def test_an_image_may_be_pinned_by_its_digest() -> None:
    digest = "sha256:0123456789abcdef" + 3 * "0123456789abcdef"
    images = {c["image"] for _, c in containers(rendered(CHART / "ci/full-values.yaml"))}
    assert f"registry.example/rollcall:0.2.0-rc1@{digest}" in images
    minimal = str(CHART / "ci/minimal-values.yaml")
    for image in (f"haproxy:3.2.24-alpine@{digest}", f"haproxy@{digest}"):
        given = ("--values", minimal, "--set", f"gateway.image={image}")
        done = run_helm("template", "fleet", str(CHART), *given)
        assert f'image: "{image}"' in done.stdout, done.stderr


def test_the_api_has_a_role_of_its_own_and_never_the_owners_password() -> None:
    def sources(values: str, name: str) -> list[Any]:
        manifests = of_kind(rendered(CHART / f"ci/{values}-values.yaml"), "Deployment", "Job")
        [found] = [m for m in manifests if component(m) == name]
        [volume] = [
            volume
            for volume in found["spec"]["template"]["spec"]["volumes"]
            if volume["name"] == "secrets"
        ]
        return [source["secret"] for source in volume["projected"]["sources"]]

    url, session, tokens = sources("minimal", "api")
    assert url == {
        "name": "rollcall-database",
        "items": [{"key": "ROLLCALL_API_DATABASE_URL", "path": "ROLLCALL_DATABASE_URL"}],
    }
    assert session["optional"] is True
    assert [item["key"] for item in session["items"]] == ["ROLLCALL_API_DATABASE_SESSION_URL"]
    assert tokens == {"name": "rollcall-tokens"}
    # Who migrates makes the role of the same Secret.
    assert sources("minimal", "migrate") == [{"name": "rollcall-database"}]
    names = ("rollcall-api", "rollcall-kafka", "rollcall-privacy", "rollcall-webhooks")
    assert sources("full", "api") == [{"name": name} for name in names]
    assert sources("no-gateway", "api") == [{"name": "rollcall-database"}]


def test_the_cookie_is_for_https_wherever_tls_is_configured() -> None:
    def cookie(*given: str) -> str | None:
        options = [part for value in given for part in ("--set", value)]
        minimal = ("--values", str(CHART / "ci/minimal-values.yaml"))
        done = run_helm("template", "fleet", str(CHART), *minimal, *options)
        assert done.returncode == 0, done.stderr
        manifests = [manifest for manifest in read_documents(done.stdout) if manifest]
        [api] = [m for m in of_kind(manifests, "Deployment") if component(m) == "api"]
        [container] = api["spec"]["template"]["spec"]["containers"]
        return environment(container).get("ROLLCALL_API_COOKIE_SECURE")

    ingress = ("ingress.enabled=true", "ingress.host=rollcall.example")
    assert cookie() is cookie(*ingress) is None
    assert cookie("gateway.tls.existingSecret=tls") == "true"
    assert cookie(*ingress, "ingress.tlsSecret=tls") == "true"


def test_a_pod_connects_to_what_it_needs_and_to_nothing_else() -> None:
    def rules(values: str) -> dict[str, Any]:
        policies = of_kind(rendered(CHART / f"ci/{values}-values.yaml"), "NetworkPolicy")
        assert {tuple(policy["spec"]["policyTypes"]) for policy in policies} == {
            ("Ingress",) if values == "no-gateway" else ("Ingress", "Egress")
        }
        return {component(policy): policy["spec"].get("egress") for policy in policies}

    def ports(rules: list[Any]) -> list[list[int]]:
        return [[port["port"] for port in rule["ports"]] for rule in rules]

    dns, kafka, database, issuer = [53, 53], [9092], [5432], [443]
    assert {name: ports(found) for name, found in rules("minimal").items()} == {
        "ingest": [dns, kafka, issuer],
        "processor": [dns, kafka, database],
        "api": [dns, kafka, database, issuer, [9082], [9081], [9083]],
        "migrate": [dns, database],
        "topics": [dns, kafka],
        "gateway": [dns, [8082, 9082], [8081, 9081]],
    }
    for rule in rules("minimal")["gateway"][1:]:
        [peer] = rule["to"]
        assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] in (
            "api",
            "ingest",
        )
    full = rules("full")
    assert ports(full["processor"]) == [dns, [9094, 9093], [5432, 6432]]
    assert ports(full["notify"]) == [dns, [9094, 9093], [5432, 6432], [443]]
    assert [9084] in ports(full["api"])
    assert ports(full["canary"]) == [dns, [8080, 8443, 80, 443]]
    assert full["processor"][2]["to"] == [{"ipBlock": {"cidr": "10.1.0.0/16"}}]
    assert set(rules("no-gateway").values()) == {None}


def test_rules_and_dashboards_are_those_of_the_repository() -> None:
    manifests = rendered(CHART / "ci/full-values.yaml")
    groups: list[Any] = []
    for path in sorted((ROOT / "deploy/prometheus/rules").glob("*.yml")):
        groups += read_yaml(path.read_text("utf-8"))["groups"]
    [rule] = of_kind(manifests, "PrometheusRule")
    assert rule["spec"]["groups"] == groups
    boards = {path.name for path in (ROOT / "deploy/grafana/dashboards").glob("*.json")}
    found = {name for m in of_kind(manifests, "ConfigMap") for name in m["data"]}
    assert found - {"haproxy.cfg"} == boards


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("database.existingSecret=", "existingSecret"),
        ("image.repository=", "repository"),
        ("kafka.bootstrap=kafka", "bootstrap"),
        ("settings.ROLLCALL_JWT_SECRET=x", "ROLLCALL_JWT_SECRET"),
        ("settings.ROLLCALL_USERINFO_HEADER=x", "ROLLCALL_USERINFO_HEADER"),
        ("settings.PARTITIONS=x", "PARTITIONS"),
        ("ingress.enabled=true", "host"),
        ("gateway.image=haproxy", "image"),
        ("image.digest=0123", "digest"),
        ("networkPolicy.egress.databasePorts={x}", "databasePorts"),
        ("processor.autoscaling.enabled=true", "autoscaling"),
    ],
)
def test_a_wrong_value_is_named(wrong: str, named: str) -> None:
    minimal = str(CHART / "ci/minimal-values.yaml")
    done = run_helm("template", "fleet", str(CHART), "--values", minimal, "--set", wrong)
    assert done.returncode != 0
    assert named in done.stderr
