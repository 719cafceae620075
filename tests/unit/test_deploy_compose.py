"""docker-compose.yml: valid, and what docs/deployment.md says of it is so."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from api.app import SHUTDOWN_MARGIN_SECONDS
from api.settings import ApiSettings
from deploy.settings_doc import SERVICES
from ingest.settings import IngestSettings
from ingest.worker import stop_seconds
from processor.__main__ import STOP_DEADLINE_SECONDS
from schemas.staff_settings import StaffSettings
from schemas.token_settings import TokenSettings
from tests.unit.compose_file import ROOT, TOOLS, load_compose, seconds

SECRET = "a secret of the tests, of 32 bytes and more"
COMPOSE = load_compose()
SERVICE_NAMES = tuple(COMPOSE["services"])
OURS = ("ingest", "processor", "api")
JOBS = ("secrets", "migrate", "topics")
OVERRIDES = sorted((ROOT / "deploy/compose").glob("*.yml"))
COMPOSE_GO = TOOLS / "compose-go"
#: Of commands, not of a service.
COMMAND_VARIABLES = {"ROLLCALL_SECRETS_DIR", "ROLLCALL_API_ROLE", "ROLLCALL_ANALYST_ROLE"}


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
    restart = {"secrets": "no", "migrate": "on-failure:5", "topics": "on-failure:5"}
    assert service["restart"] == restart.get(name, "unless-stopped")
    assert seconds(service["stop_grace_period"]) >= 10
    assert ("healthcheck" in service) == (name not in JOBS)


def test_services_are_given_longer_to_end_than_they_take() -> None:
    ingest = IngestSettings(jwt_secret=SECRET)
    api = ApiSettings(jwt_secret=SECRET)
    longest = {
        "ingest": stop_seconds(ingest),
        "processor": STOP_DEADLINE_SECONDS,
        "api": api.api_statement_timeout_seconds + SHUTDOWN_MARGIN_SECONDS,
        "gateway": gateway_stop_seconds(),
    }
    for name, drain_seconds in longest.items():
        grace = seconds(COMPOSE["services"][name]["stop_grace_period"])
        assert grace >= drain_seconds + 5, name


def test_every_image_is_pinned(service: dict[str, Any]) -> None:
    name, _, tag = service["image"].rpartition(":")
    assert name
    assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?(-\w+)?", tag), service["image"]


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


def test_what_is_mounted_is_there_and_read_only() -> None:
    for name, service in COMPOSE["services"].items():
        for mount in service.get("volumes", ()):
            source, target, *mode = mount.split(":")
            if source.startswith("./"):
                assert (ROOT / source).exists(), f"{name}: {source}"
                assert mode == ["ro"], f"{name}: {mount}"
            else:
                assert source in COMPOSE["volumes"], f"{name}: {source}"
                writes = target.startswith("/secrets") and name != "secrets"
                assert (mode == ["ro"]) == writes, f"{name}: {mount}"


def test_secrets_are_mounted_where_they_are_needed_and_nowhere_else() -> None:
    readers: dict[str, set[str]] = {}
    for name, service in COMPOSE["services"].items():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            if source.endswith("-secrets") and name != "secrets":
                readers.setdefault(source, set()).add(name)
    assert readers == {
        "postgres-secrets": {"postgres"},
        "owner-secrets": {"migrate", "processor"},
        "api-secrets": {"api"},
        "grafana-secrets": {"grafana"},
    }


def test_services_start_in_order() -> None:
    def after(name: str) -> dict[str, str]:
        depends = COMPOSE["services"][name].get("depends_on", {})
        return {on: how["condition"].removeprefix("service_") for on, how in depends.items()}

    done, healthy = "completed_successfully", "healthy"
    assert after("postgres") == {"secrets": done}
    assert after("migrate") == {"postgres": healthy}
    assert after("topics") == {"kafka": healthy}
    assert after("ingest") == {"secrets": done, "topics": done}
    assert after("processor") == {"migrate": done, "topics": done}
    assert after("api") == {"migrate": done}
    assert after("gateway") == {"ingest": healthy, "api": healthy}


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
        ("migrate", "postgres"),
        ("api", "postgres"),
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
        "api": ApiSettings(jwt_secret=SECRET).api_admin_port,
    }
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8"))
    jobs = {job["job_name"]: job for job in scraped["scrape_configs"]}
    for name, port in ports.items():
        test = COMPOSE["services"][name]["healthcheck"]["test"][-1]
        assert f"http://127.0.0.1:{port}/readyz" in test
        [found] = jobs[name]["dns_sd_configs"]
        assert (found["names"], found["type"], found["port"]) == ([name], "A", port)


def test_services_that_verify_tokens_are_handed_every_setting_that_says_whose_count() -> None:
    durations = {"cooldown", "refresh", "leeway", "size", "flight", "introspection_cache"}
    for name, settings in (("ingest", TokenSettings), ("api", StaffSettings)):
        for field in settings.model_fields:
            if not any(word in field for word in durations):
                variable = f"ROLLCALL_{field.upper()}"
                assert variable in COMPOSE["services"][name]["environment"], (name, variable)
