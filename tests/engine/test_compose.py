"""`docker compose up`: the whole stack, killed, restarted and upgraded while phones call."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import assert_five_steps
from tests.e2e.test_readme import five_steps, replace_once
from tests.engine import read_the_log
from tests.engine.engine import docker
from tests.engine.images import Images
from tests.engine.stack import IMAGE, PROFILE, Stack, inspected, running_stack, wait_until
from tests.rigs.harness import SECRET
from tests.unit.deploy.compose_file import load_compose

#: What ends by itself; the audit is run when somebody asks.
JOBS = {"secrets", "roles", "migrate", "topics", "audit"}
#: Canaries want tokens of the team's issuer: their profile is not started.
SERVICES = {
    name
    for name, service in load_compose()["services"].items()
    if set(service.get("profiles", [PROFILE])) == {PROFILE}
} - JOBS


@pytest.fixture(scope="module")
def stack(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("clone"), images.missing) as it:
        yield it


def test_everything_is_healthy_from_a_clone_that_only_its_owner_can_read(stack: Stack) -> None:
    assert (stack.folder / "deploy/compose/kafka.sh").stat().st_mode & 0o077 == 0
    for service in SERVICES - set(stack.without):
        for container in stack.containers(service):
            assert inspected(container)["State"]["Health"]["Status"] == "healthy", service


def test_the_five_steps_of_the_readme_through_the_gateway(stack: Stack) -> None:
    # The address and where `rollcall` runs are the test's own; all else is as printed.
    script = replace_once(five_steps(), "http://127.0.0.1:8080", f"http://127.0.0.1:{stack.port}")
    script = script.replace(".venv/bin/rollcall", "docker compose exec -T api rollcall")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=stack.folder,
        env={**os.environ, **stack.variables},
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert_five_steps(answers)


def test_a_second_up_changes_nothing(stack: Stack) -> None:
    running = {container for service in SERVICES for container in stack.containers(service)}
    stack.up()
    assert running <= stack.all_containers()


def test_every_process_runs_as_nobody_on_a_root_that_cannot_be_written(stack: Stack) -> None:
    for service in SERVICES - set(stack.without):
        tried = stack.run_in(service, "sh", "-c", "id -u; touch /of-mine")
        assert tried.stdout.strip() != "0", service
        assert "Read-only file system" in tried.stderr, service


def test_the_gateway_has_nothing_to_warn_of(stack: Stack) -> None:
    said = stack.compose("logs", "gateway").stdout
    # That servers come and go is a warning too, and its work.
    assert re.findall(r".*(?:ALERT|WARNING).* config :.*", said) == []


def test_kafka_writes_no_log_into_its_tmp(stack: Stack) -> None:
    listed = stack.run_in("kafka", "find", "/tmp", "-type", "f", "-not", "-path", "*/hsperfdata*")
    assert listed.returncode == 0, listed.stderr
    # With its users' passwords.
    assert listed.stdout == "/tmp/kafka.properties\n"


def test_others_may_read_nothing_that_kafka_writes(stack: Stack) -> None:
    open_to_others = ["find", "/tmp/kafka.properties", "/var/lib/kafka/data", "-perm", "/077"]
    listed = stack.run_in("kafka", *open_to_others)
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout == ""


def test_no_secret_is_in_the_environment_of_a_service(stack: Stack) -> None:
    for service in SERVICES - set(stack.without):
        for container in stack.containers(service):
            assert SECRET not in json.dumps(inspected(container)["Config"]), service


def test_a_service_may_do_with_kafka_what_it_does_and_no_more(stack: Stack) -> None:
    program = Path(read_the_log.__file__).read_text("utf-8")
    tried = stack.run_in("ingest", "python", "-c", program)
    assert tried.stdout == "refused\n", tried.stderr


@pytest.mark.parametrize("service", ["ingest", "processor", "postgres", "api", "prometheus"])
def test_a_killed_service_is_back_and_no_heartbeat_failed(stack: Stack, service: str) -> None:
    killed = stack.containers(service)[0]
    with stack.load() as load:
        until_calls_are_answered(stack)
        stack.kill_process_of(killed)
        wait_until(lambda: inspected(killed)["RestartCount"] >= 1, f"{service} is started again")
        stack.until_healthy(killed)
        until_calls_are_answered(stack)
    assert load.failures("heartbeat") == [], stack.last_words()


@pytest.mark.parametrize("service", ["kafka", "gateway"])
def test_of_what_is_there_once_a_kill_costs_seconds_and_it_is_back(
    stack: Stack, service: str
) -> None:
    [killed] = stack.containers(service)
    with stack.load() as load:
        until_calls_are_answered(stack)
        restarts = inspected(killed)["RestartCount"]
        stack.kill_process_of(killed)
        wait_until(
            lambda: inspected(killed)["RestartCount"] > restarts, f"{service} is started again"
        )
        stack.until_healthy(killed)
        until_calls_are_answered(stack)
    if service == "kafka":
        # Said to be repeated, and nothing else.
        assert set(load.failures("heartbeat")) <= {503}


def until_calls_are_answered(stack: Stack) -> None:
    """A heartbeat is accepted and seen by a reader."""

    def seen() -> bool:
        try:
            return (
                stack.heartbeat("witness", "Here") == 200
                and stack.user("witness").get("state") == "foreground"
            )
        except (OSError, ValueError):
            return False

    wait_until(seen, "a heartbeat is accepted and seen")


def test_a_restart_of_ingest_fails_no_call(stack: Stack) -> None:
    before = stack.containers("ingest")
    with stack.load() as load:
        until_calls_are_answered(stack)
        stack.rolling("restart", "ingest", "api")
        until_calls_are_answered(stack)
    assert load.failures("heartbeat") == [], stack.last_words()
    assert load.failures("read") == []
    after = stack.containers("ingest")
    assert len(after) == len(before)
    assert not set(after) & set(before)


def test_an_upgrade_fails_no_call(stack: Stack) -> None:
    former = image_id()
    [gateway] = stack.containers("gateway")
    with (stack.folder / "README.md").open("a") as readme:
        readme.write("\nAnother version.\n")
    with stack.load() as load:
        until_calls_are_answered(stack)
        stack.rolling("upgrade")
        until_calls_are_answered(stack)
    assert load.failures("heartbeat") == [], stack.last_words()
    assert load.failures("read") == []
    assert image_id() != former
    for service in ("ingest", "processor", "api"):
        containers = stack.containers(service)
        assert len(containers) == (1 if service == "api" else 2)
        assert {inspected(each)["Image"] for each in containers} == {image_id()}
    # What did not change goes on.
    assert stack.containers("gateway") == [gateway]


def image_id() -> str:
    return docker("image", "inspect", "--format", "{{.Id}}", IMAGE).stdout.strip()


def test_a_password_that_postgres_does_not_have_is_seen_and_mended_by_the_next_up(
    stack: Stack,
) -> None:
    health = load_compose()["services"]["postgres"]["healthcheck"]["test"][1].replace("$$", "$")
    assert stack.run_in("postgres", "sh", "-c", health).returncode == 0
    other = "ALTER ROLE rollcall PASSWORD 'of a start that failed'"
    changed = stack.run_in("postgres", "psql", "-U", "postgres", "-c", other)
    assert changed.returncode == 0, changed.stderr
    assert stack.run_in("postgres", "sh", "-c", health).returncode != 0
    stack.up()
    assert stack.run_in("postgres", "sh", "-c", health).returncode == 0


def test_what_goes_down_leaves_no_volume_without_a_name(stack: Stack) -> None:
    containers = [each for service in SERVICES for each in stack.containers(service)]
    volumes = {
        mount["Name"]
        for container in containers
        for mount in inspected(container)["Mounts"]
        if mount["Type"] == "volume"
    }
    assert volumes
    assert all(name.startswith("rollcall-engine-test_") for name in volumes), volumes


def test_without_a_source_of_tokens_it_says_what_to_set(stack: Stack) -> None:
    without = Stack(stack.folder, {**stack.variables, "ROLLCALL_JWT_SECRET": ""}, stack.port)
    refused = without.compose("run", "--rm", "--no-deps", "secrets", check=False)
    assert refused.returncode == 2
    assert "set exactly one of ROLLCALL_JWT_SECRET" in refused.stderr + refused.stdout
