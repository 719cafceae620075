"""docker-compose.yml: valid, and what docs/deployment.md says of it is so."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from api.app import SHUTDOWN_MARGIN_SECONDS
from api.settings import ApiSettings
from deploy.canary.run import STOP_SECONDS as CANARY_STOP_SECONDS
from deploy.pages.settings import SERVICES
from deploy.roles.compose_secrets import (
    KAFKA_USERS,
    TOKEN_SECRETS,
    USER_HASH_KEY_FILE,
    hand_on,
    make_secrets,
)
from ingest.settings import IngestSettings
from ingest.worker import stop_seconds
from processor.__main__ import STOP_SECONDS
from processor.notify.__main__ import STOP_SECONDS as NOTIFY_STOP_SECONDS
from schemas.service.settings import MIN_USER_HASH_KEY
from schemas.tokens.settings import TokenSettings
from schemas.tokens.staff_settings import StaffSettings
from tests.unit.deploy.compose_file import ROOT, TOOLS, base_images, load_compose, seconds
from tests.yaml_text import read_yaml

SECRET = "a secret of the tests, of 32 bytes and more"
COMPOSE = load_compose()
SERVICE_NAMES = tuple(COMPOSE["services"])
OURS = ("ingest", "processor", "notify", "api")
JOBS = ("secrets", "roles", "migrate", "topics")
#: Servers of others with our files inside: deploy/compose/Dockerfile.
WITH_OUR_FILES = ("kafka", "gateway", "prometheus", "grafana")
DOCKERFILE = (ROOT / "deploy/compose/Dockerfile").read_text("utf-8")
OVERRIDES = sorted((ROOT / "deploy/compose").glob("*.yml"))
COMPOSE_GO = TOOLS / "compose-go"
#: Of commands, not of a service.
COMMAND_VARIABLES = {
    "ROLLCALL_AUDIT_STATE",
    "ROLLCALL_AUDIT_CPU_PERCENT",
    *("ROLLCALL_SECRETS_DIR", "ROLLCALL_API_ROLE", "ROLLCALL_NOTIFY_ROLE", "ROLLCALL_ANALYST_ROLE"),
    "ROLLCALL_SEARCH_INDEX",
    *("ROLLCALL_KAFKA_INGEST_USER", "ROLLCALL_KAFKA_PROCESSOR_USER", "ROLLCALL_KAFKA_API_USER"),
    "ROLLCALL_KAFKA_NOTIFY_USER",
}


def gateway_stop_seconds() -> float:
    """How long the gateway's open sockets and feeds may stay."""
    text = (ROOT / "deploy/gateway/haproxy.cfg").read_text("utf-8")
    [found] = re.findall(r"^    hard-stop-after (\d+)s$", text, re.M)
    return float(found)


def settings_variables() -> set[str]:
    return {
        f"ROLLCALL_{name.upper()}"
        for settings in SERVICES.values()
        for name in settings.model_fields
    }


@pytest.fixture(params=SERVICE_NAMES)
def service(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"name": request.param, **COMPOSE["services"][request.param]}


def test_the_file_is_a_compose_file() -> None:
    [folder] = find_spec("check_jsonschema").submodule_search_locations  # type: ignore[union-attr, misc]
    schema = json.loads(
        (Path(folder) / "builtin_schemas/vendor/compose-spec.json").read_text("utf-8")
    )
    jsonschema.validate(COMPOSE, schema, cls=jsonschema.Draft7Validator)


@pytest.mark.parametrize("override", [None, *OVERRIDES], ids=lambda p: p.name if p else "alone")
def test_compose_itself_takes_it(override: Path | None) -> None:
    """By `docker compose`, else by the library that it loads files with: `make tools`."""
    files = [ROOT / "docker-compose.yml", *([override] if override else [])]
    if has_docker_compose():
        options = [part for file in files for part in ("-f", str(file))]
        command = ["docker", "compose", *options, "config", "--quiet"]
    elif COMPOSE_GO.exists():
        command = [str(COMPOSE_GO), *map(str, files)]
    else:
        pytest.skip("neither `docker compose` nor compose-go is here: run `make tools`")
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    # A variable that is not there is told in a warning.
    assert checked.stderr == ""


def has_docker_compose() -> bool:
    if shutil.which("docker") is None:
        return False
    asked = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return asked.returncode == 0


def test_nothing_but_the_gateway_is_published(service: dict[str, Any]) -> None:
    assert ("ports" in service) == (service["name"] == "gateway")
    assert service.get("network_mode") != "host"
    assert "privileged" not in service


def test_every_service_can_do_as_little_as_it_needs(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    limits = service["deploy"]["resources"]["limits"]
    assert {"cpus", "memory"} <= limits.keys()
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


def test_every_service_is_started_again_and_given_time_to_end(service: dict[str, Any]) -> None:
    name = service["name"]
    restart = {**dict.fromkeys(JOBS, "on-failure:5"), "secrets": "no", "audit": "no"}
    assert service["restart"] == restart.get(name, "unless-stopped")
    assert seconds(service["stop_grace_period"]) >= 10
    assert ("healthcheck" in service) == (name not in (*JOBS, "audit"))


def test_services_are_given_longer_to_end_than_they_take() -> None:
    ingest = IngestSettings(jwt_secret=SECRET)
    api = ApiSettings(jwt_secret=SECRET)
    longest = {
        "ingest": stop_seconds(ingest),
        "processor": STOP_SECONDS,
        "notify": NOTIFY_STOP_SECONDS,
        "canary": CANARY_STOP_SECONDS,
        "api": api.api_statement_timeout_seconds + SHUTDOWN_MARGIN_SECONDS,
        "gateway": gateway_stop_seconds(),
    }
    for name, drain_seconds in longest.items():
        grace = seconds(COMPOSE["services"][name]["stop_grace_period"])
        assert grace >= drain_seconds + 5, name


def test_every_image_is_pinned() -> None:
    named = [service["image"] for service in COMPOSE["services"].values()]
    assert base_images().keys() == {"python", "postgres", *WITH_OUR_FILES}
    for image in [*named, *base_images().values()]:
        name, _, tag = image.rpartition(":")
        assert name
        assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?(-[\w-]+)?", tag), image


def test_each_image_is_built_once_and_never_asked_of_a_registry(service: dict[str, Any]) -> None:
    """Six builds of one tag race for it, and the next `up` takes each image for a new one."""
    builders = [
        name
        for name, other in COMPOSE["services"].items()
        if other["image"] == service["image"] and "build" in other
    ]
    if service["name"] == "postgres":
        assert builders == []
    else:
        ours = service["name"] not in WITH_OUR_FILES
        assert builders == (["secrets"] if ours else [service["name"]])
        builds = service["name"] in builders
        assert service["pull_policy"] == ("build" if builds else "never")


def test_no_file_of_this_folder_is_mounted(service: dict[str, Any]) -> None:
    """A clone made under `umask 077` is readable for its owner alone, and they are other users."""
    for mount in service.get("volumes", ()):
        assert not mount.startswith((".", "/")), mount


def test_servers_of_others_bring_our_files_readable_for_their_users() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.M)[1:]
    assert [stage.split()[2] for stage in stages] == list(WITH_OUR_FILES)
    allowed = (ROOT / "deploy/compose/Dockerfile.dockerignore").read_text("utf-8").split()
    for stage in stages:
        copied = [line.split()[1:] for line in stage.splitlines() if line.startswith("COPY ")]
        for *sources, target in copied:
            folder = target.rstrip("/") if target.endswith("/") else str(Path(target).parent)
            assert re.search(rf"^RUN chmod -R a\+rX {folder}$", stage, re.M) or (
                f"RUN chmod -R a+rX {Path(folder).parent}" in stage
            )
            for source in sources:
                assert (ROOT / "deploy" / source).exists(), source
                assert any(fnmatch(source, rule.removeprefix("!")) for rule in allowed[1:]), source
        assert re.search(r"^USER [1-9]\d*$", stage.rstrip().splitlines()[-1]), stage


def test_a_lower_limit_of_open_files_can_be_set() -> None:
    """Where the hard limit is lower (rootless, LXC) a container with a higher one cannot start."""
    lower = load_compose(
        INGEST_OPEN_FILES="4096",
        API_OPEN_FILES="4096",
        GATEWAY_OPEN_FILES="4096",
        GATEWAY_MAX_CONNECTIONS="1500",
    )["services"]
    for name in ("ingest", "api", "gateway"):
        assert int(COMPOSE["services"][name]["ulimits"]["nofile"]) >= 65536, name
        assert lower[name]["ulimits"]["nofile"] == "4096", name
    assert lower["gateway"]["environment"]["GATEWAY_MAX_CONNECTIONS"] == 1500


def test_no_variable_that_haproxy_reads_is_empty() -> None:
    """It warns of each at every start, from 3.2 on."""
    text = (ROOT / "deploy/gateway/haproxy.cfg").read_text("utf-8")
    without_default = set(re.findall(r"\$\{(\w+)(?:\[\*\])?\}", text))
    environment = COMPOSE["services"]["gateway"]["environment"]
    assert without_default == {"GATEWAY_INGEST", "GATEWAY_API"}
    assert all(environment.values()), environment
    chart = (ROOT / "deploy/helm/rollcall/templates/gateway.yaml").read_text("utf-8")
    assert 'join " " $v.trustedProxies | default "127.255.255.255"' in chart


def test_kafka_writes_no_logs_into_files_and_leaves_no_volume_without_a_name() -> None:
    kafka = COMPOSE["services"]["kafka"]
    [log4j] = re.findall(r"configurationFile=(\S+)", kafka["environment"]["KAFKA_LOG4J_OPTS"])
    assert Path(log4j).parent.as_posix() == "/etc/rollcall"
    configuration = (ROOT / "deploy/compose" / Path(log4j).name).read_text("utf-8")
    assert re.findall(r"<Console name=\"(\w+)\"", configuration) == ["console"]
    assert "File" not in configuration.partition("<Appenders>")[2]
    # Kafka's script would add -loggc.
    assert kafka["environment"]["EXTRA_ARGS"] == "-name kafkaServer"
    # What the image declares as volumes.
    mounted = [mount.split(":")[-1] for mount in kafka["volumes"]]
    mounted += [mount.split(":")[0] for mount in kafka["tmpfs"]]
    assert {"/var/lib/kafka/data", "/etc/kafka/secrets", "/mnt/shared/config"} <= set(mounted)


def test_postgres_is_healthy_when_the_services_can_log_in() -> None:
    postgres = COMPOSE["services"]["postgres"]
    [_, test] = postgres["healthcheck"]["test"]
    assert "psql" in test
    assert "--host 127.0.0.1 --username rollcall" in test
    assert "/secrets/postgres/rollcall" in test
    assert "postgres-secrets:/secrets/postgres:ro" in postgres["volumes"]


def test_what_replaces_containers_asks_the_gateway_for_backends_that_it_has() -> None:
    script = (ROOT / "deploy/compose/rolling.sh").read_text("utf-8")
    configuration = (ROOT / "deploy/gateway/haproxy.cfg").read_text("utf-8")
    [port] = re.findall(r"http://127.0.0.1:(\d+)/metrics", script)
    assert f"GATEWAY_ADMIN_PORT-{port}" in configuration
    for service in ("ingest", "api"):
        assert f"\nbackend {service}\n" in configuration
        [slots] = re.findall(rf"server-template {service} (\d+) ", configuration)[:1]
        replicas = COMPOSE["services"][service]["deploy"].get("replicas", 1)
        # Old and new ones side by side.
        assert int(slots) >= 2 * replicas
    [jobs] = re.findall(r"^  for job in (.*?); do", script, re.M)
    assert jobs.split() == list(JOBS)
    [without] = re.findall(r'^WITHOUT_JOBS="(.*)"$', script, re.M)
    assert without.split("--scale ")[1:] == [f"{job}=0{' ' * (job != JOBS[-1])}" for job in JOBS]


def test_there_is_no_password_in_the_file() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    for name, value in re.findall(r"^\s+(\w*(?:SECRET|PASSWORD|KEY|TOKEN)\w*): (.*)$", text, re.M):
        path = name.endswith(("_FILE", "_DIR")) and value.startswith("/secrets/")
        asked_for = value == f"${{{name}:-}}"
        assert path or asked_for, name
    assert "://rollcall:" not in text


def test_every_setting_is_one(service: dict[str, Any]) -> None:
    known = settings_variables() | COMMAND_VARIABLES
    found = {name for name in service.get("environment", {}) if name.startswith("ROLLCALL_")}
    assert found <= known


def test_every_variable_of_the_gateway_is_one_that_it_reads() -> None:
    text = (ROOT / "deploy/gateway/haproxy.cfg").read_text("utf-8")
    environments = [COMPOSE["services"]["gateway"]["environment"]]
    environments += [{"GATEWAY_TLS": "1"}]  # deploy/compose/tls.yml
    for environment in environments:
        for name in environment:
            assert re.search(rf"\$\{{?{name}\b", text), name
    assert 'GATEWAY_TLS: "1"' in (ROOT / "deploy/compose/tls.yml").read_text("utf-8")


def test_what_is_mounted_is_a_named_volume_and_secrets_are_read_only() -> None:
    for name, service in COMPOSE["services"].items():
        for mount in service.get("volumes", ()):
            source, target, *mode = mount.split(":")
            assert source in COMPOSE["volumes"], f"{name}: {source}"
            reads = target.startswith("/secrets") and name != "secrets"
            assert (mode == ["ro"]) == reads, f"{name}: {mount}"


def test_secrets_are_mounted_where_they_are_needed_and_nowhere_else() -> None:
    readers: dict[str, set[str]] = {}
    for name, service in COMPOSE["services"].items():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            if source.endswith("-secrets") and name != "secrets":
                readers.setdefault(source, set()).add(name)
    assert readers == {
        "postgres-secrets": {"postgres", "roles"},
        "owner-secrets": {"migrate"},
        "processor-secrets": {"audit", "processor"},
        "notify-secrets": {"notify"},
        "ingest-secrets": {"ingest"},
        "topics-secrets": {"topics"},
        "kafka-secrets": {"kafka"},
        "api-secrets": {"api"},
        "grafana-secrets": {"grafana"},
    }


def test_the_image_has_a_folder_for_each_volume_of_secrets() -> None:
    # A volume takes the owner of the folder that it covers; where there is none it is root's.
    dockerfile = (ROOT / "deploy/Dockerfile").read_text("utf-8")
    owners = re.search(r"for owner in ([\w ]+); do", dockerfile)
    assert owners is not None
    mounted = {mount.split(":")[1] for mount in COMPOSE["services"]["secrets"]["volumes"]}
    assert {f"/secrets/{owner}" for owner in owners[1].split()} == mounted


def test_services_start_in_order() -> None:
    def after(name: str) -> dict[str, str]:
        depends = COMPOSE["services"][name].get("depends_on", {})
        return {on: how["condition"].removeprefix("service_") for on, how in depends.items()}

    done, healthy = "completed_successfully", "healthy"
    assert after("postgres") == {"secrets": done}
    assert after("kafka") == {"secrets": done}
    # Healthy it is only once the role is there that looks.
    assert after("roles") == {"postgres": "started"}
    assert after("migrate") == {"roles": done, "postgres": healthy}
    assert after("topics") == {"kafka": healthy}
    assert after("ingest") == {"secrets": done, "topics": done}
    assert after("processor") == {"migrate": done, "topics": done}
    assert after("notify") == {"migrate": done, "topics": done}
    assert after("api") == {"migrate": done, "topics": done}
    assert after("gateway") == {"ingest": healthy, "api": healthy}
    assert after("canary") == {"gateway": healthy}


def test_those_who_talk_share_a_network_and_only_the_origin_has_a_way_out() -> None:
    def networks(name: str) -> set[str]:
        return set(COMPOSE["services"][name]["networks"])

    for one, other in (
        ("gateway", "ingest"),
        ("gateway", "api"),
        ("ingest", "kafka"),
        ("topics", "kafka"),
        ("processor", "kafka"),
        ("processor", "postgres"),
        ("canary", "gateway"),
        ("notify", "kafka"),
        ("notify", "postgres"),
        ("roles", "postgres"),
        ("migrate", "postgres"),
        ("api", "postgres"),
        ("api", "kafka"),
        ("grafana", "postgres"),
        ("grafana", "prometheus"),
        *(("prometheus", name) for name in (*OURS, "gateway")),
    ):
        # In two they would have two addresses, and be two servers to the gateway and Prometheus.
        assert len(networks(one) & networks(other)) == 1, (one, other)
    outside = {name for name, network in COMPOSE["networks"].items() if not network}
    assert outside == {"origin"}
    assert not networks("gateway") & networks("kafka")
    assert not networks("gateway") & networks("postgres")


def test_health_is_asked_on_the_admin_port_of_the_service() -> None:
    ports = {
        "ingest": IngestSettings(jwt_secret=SECRET).ingest_admin_port,
        "processor": SERVICES["processor"].model_fields["processor_admin_port"].default,
        "notify": SERVICES["notify"].model_fields["notify_admin_port"].default,
        "api": ApiSettings(jwt_secret=SECRET).api_admin_port,
    }
    scraped = read_yaml((ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8"))
    jobs = {job["job_name"]: job for job in scraped["scrape_configs"]}
    image = (ROOT / "deploy/Dockerfile").read_text("utf-8")
    [exposed] = re.findall(r"^EXPOSE (.*)$", image, re.M)
    targets = COMPOSE["services"]["api"]["environment"]["ROLLCALL_ADMIN_TARGETS"]
    for name, port in ports.items():
        # Prometheus, probes of Kubernetes and the Health page come from another container.
        assert f"ROLLCALL_{name.upper()}_ADMIN_HOST=0.0.0.0" in image
        assert str(port) in exposed.split()
        assert f"{name}:{port}" in targets or name == "notify"
        test = COMPOSE["services"][name]["healthcheck"]["test"][-1]
        assert f"http://127.0.0.1:{port}/readyz" in test
        [found] = jobs[name]["dns_sd_configs"]
        assert (found["names"], found["type"], found["port"]) == ([name], "A", port)


def test_services_that_verify_tokens_are_handed_every_setting_that_says_whose_count() -> None:
    durations = {
        "cooldown",
        "refresh",
        "leeway",
        "size",
        "flight",
        "introspection_cache",
        "failures",
    }
    for name, settings in (("ingest", TokenSettings), ("api", StaffSettings)):
        for field in settings.model_fields:
            if not any(word in field for word in durations):
                variable = f"ROLLCALL_{field.upper()}"
                as_file = name in TOKEN_SECRETS.get(variable, ())
                environment = COMPOSE["services"][name]["environment"]
                assert as_file != (variable in environment), (name, variable)
                assert variable in COMPOSE["services"]["secrets"]["environment"], variable


def test_each_service_is_a_user_of_kafka_with_its_own_password() -> None:
    for name in KAFKA_USERS:
        service = COMPOSE["services"][name]
        assert service["environment"]["ROLLCALL_KAFKA_SASL_USERNAME"] == name
        assert service["environment"]["ROLLCALL_KAFKA_SECURITY_PROTOCOL"] == "SASL_PLAINTEXT"
        assert service["environment"]["ROLLCALL_SECRETS_DIR"] == f"/secrets/{name}"
        assert f"{name}-secrets:/secrets/{name}:ro" in service["volumes"]
    topics = COMPOSE["services"]["topics"]["environment"]
    assert topics["ROLLCALL_KAFKA_INGEST_USER"] == "ingest"
    assert topics["ROLLCALL_KAFKA_PROCESSOR_USER"] == "processor"
    assert topics["ROLLCALL_KAFKA_API_USER"] == "api"
    assert topics["ROLLCALL_KAFKA_NOTIFY_USER"] == "notify"


def test_all_services_get_one_key_of_users_hashes_that_no_start_changes(tmp_path: Path) -> None:
    make_secrets(tmp_path)

    def keys() -> set[str]:
        return {
            (tmp_path / service / USER_HASH_KEY_FILE).read_text()
            for service in ("ingest", "processor", "api")
        }

    [key] = keys()
    assert len(key) >= MIN_USER_HASH_KEY
    # A volume was lost, or a release of before made none for it.
    (tmp_path / "processor" / USER_HASH_KEY_FILE).unlink()
    make_secrets(tmp_path)
    assert keys() == {key}


def test_a_secret_that_changes_is_handed_on_and_one_that_is_set_no_more_is_removed(
    tmp_path: Path,
) -> None:
    assert hand_on(tmp_path, {}) == []
    both = {"ROLLCALL_JWT_SECRET": SECRET, "ROLLCALL_STAFF_JWT_SECRET": "s"}
    changed = hand_on(tmp_path, both)
    assert changed == [
        "ingest/rollcall_jwt_secret",
        "api/rollcall_jwt_secret",
        "api/rollcall_staff_jwt_secret",
    ]
    assert (tmp_path / "ingest/rollcall_jwt_secret").read_text() == SECRET
    assert hand_on(tmp_path, both) == []
    assert hand_on(tmp_path, {"ROLLCALL_JWT_SECRET": f"{SECRET}!"}) == [*changed]
    assert not (tmp_path / "api/rollcall_staff_jwt_secret").exists()
