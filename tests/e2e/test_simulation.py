"""`rollcall up --simulate` on the data of a stack that was killed: a fleet in the first minute, and
nothing left of it afterwards."""

from __future__ import annotations

import json
import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import jsonschema
import psutil
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.lock import DataDirLock
from deploy.local.ports import free_port
from deploy.local.stack import PARTITIONS
from deploy.simulate.report.result import schema
from tests.e2e.driver import FRONT, Stack
from tests.e2e.stack import START_SECONDS, STOP_SECONDS, Up, get
from tests.rigs.rig import wait_for
from tests.suite.forks import run_python

SIMULATION = ("deploy.cli", "simulate")
USERS = 50


@dataclass(frozen=True)
class Killed:
    """A stack whose supervisor was killed, and what it had."""

    up: Up
    family: list[psutil.Process]
    identity: str


def identity_of(up: Up) -> str:
    return (up.data_dir / "kafka" / "storage" / "meta.properties").read_text()


@pytest.fixture(scope="module")
def killed(staffed_up: Up) -> Killed:
    with psycopg.connect(staffed_up.database_url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    found = Killed(staffed_up, staffed_up.family(), identity_of(staffed_up))
    staffed_up.process.kill()
    staffed_up.process.wait()
    return found


@pytest.fixture(scope="module")
def stack(killed: Killed) -> Iterator[Stack]:
    """The next start on its data, at once: it waits itself for what is still stopping."""
    up = Up(killed.up.data_dir, free_port(), "--simulate", str(USERS))
    try:
        yield Stack(up.wait_ready())
    finally:
        up.end()


def open_sockets(stack: Stack) -> float:
    port = json.loads((stack.up.data_dir / "ports.json").read_text())["front_admin"]
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    except OSError:  # it is being started again
        return 0
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "rollcall_ingest_sockets_open"
    )


def assert_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=STOP_SECONDS)
    assert alive == []


def test_a_killed_supervisor_leaves_no_process_and_the_next_start_has_the_data(
    killed: Killed, stack: Stack
) -> None:
    assert_gone(killed.family)
    assert identity_of(stack.up) == killed.identity
    assert "topics: all there" in stack.up.output
    assert stack.select("SELECT answer FROM kept") == [(42,)]


def test_the_first_minute_shows_people_on_screens_over_both_transports(stack: Stack) -> None:
    def alive() -> list[dict[str, Any]] | None:
        users = stack.people()
        states = Counter(user["state"] for user in users)
        screens = {user["screen"] for user in users}
        transports = {user["app_version"].startswith("2.") for user in users}
        shown = states["foreground"] >= 5 and states["background"] >= 1 and len(screens) >= 4
        return users if shown and len(transports) == 2 else None

    users = wait_for("a fleet is shown", alive)
    # She was there before.
    simulated = [user for user in users if user["user_id"] != "ada"]
    assert all(user["user_id"].startswith("sim-1-") and user["name"] for user in simulated)
    assert wait_for("sockets are open", lambda: open_sockets(stack)) <= USERS


def test_a_report_says_how_true_what_is_shown_is_and_nothing_acknowledged_is_missing(
    stack: Stack, tmp_path: Path
) -> None:
    """Beside the fleet of the stack, whose users are others."""
    ports = json.loads((stack.up.data_dir / "ports.json").read_text())
    where = ["--url", stack.up.url, "--data-dir", str(stack.up.data_dir), "--seed", "2"]
    trouble = ["--loss", "0.2", "--latency", "0.05", "--duplicates", "0.2", "--reordering", "0.1"]
    ended = run_python(
        [
            *("-m", "deploy.cli", "simulate", *where, *trouble),
            *("--storms", "4", "--clock-error", "3600"),
            *("--users", "200", "--duration", "6", "--report", str(tmp_path), "--recount"),
        ],
        env={
            **os.environ,
            "ROLLCALL_KAFKA_BOOTSTRAP": f"127.0.0.1:{ports['kafka']}",
            "ROLLCALL_PARTITIONS": str(PARTITIONS),
        },
        timeout=START_SECONDS,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Acknowledged and missing" in ended.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    jsonschema.validate(report, schema())
    assert report["acknowledged"]["heartbeats"] > 0
    assert report["acknowledged"]["missing"] == 0
    assert report["run"]["trouble"]["loss"] == 0.2
    assert report["looks"]["lists"] + report["looks"]["failed"] > 0
    assert "<svg" in (tmp_path / "report.html").read_text()


def test_it_is_said_that_the_fleet_is_simulated(stack: Stack) -> None:
    assert f"{USERS} users are simulated" in stack.up.output
    link = re.search(r"/login#token=(\S+)$", stack.up.output, re.MULTILINE)
    assert link is not None
    status, page = get(f"{stack.up.url}/", link[1])
    assert status == 200
    assert b"simulated" in page.lower()


def test_the_fleet_outlives_a_restart_of_the_server(stack: Stack) -> None:
    fleet = stack.process(SIMULATION)
    wait_for("sockets are open", lambda: open_sockets(stack))
    front = stack.process(FRONT)
    os.kill(front.pid, signal.SIGKILL)
    wait_for("the front is gone", lambda: not front.is_running())
    wait_for("sockets are open again", lambda: open_sockets(stack))
    settled = stack.log_time()
    wait_for(
        "phones change again",
        lambda: stack.select("SELECT 1 FROM changes WHERE at > %s LIMIT 1", settled),
    )
    assert fleet.is_running()
    assert "Traceback" not in (stack.up.data_dir / "logs" / "simulation.log").read_text()


def test_a_fleet_that_ends_is_started_again_and_said_and_the_stack_goes_on(stack: Stack) -> None:
    fleet = stack.process(SIMULATION)
    os.kill(fleet.pid, signal.SIGKILL)
    wait_for("it is said", lambda: "! simulation ended with status 137" in stack.up.output)
    wait_for("the first is gone", lambda: not fleet.is_running())
    assert stack.process(SIMULATION).pid != fleet.pid
    wait_for("the count is fresh", lambda: not stack.count()["stale"])


def test_ctrl_c_ends_one_of_two_stacks_alone_and_the_fleet_first(
    stack: Stack, plain_up: Up
) -> None:
    family = stack.up.family()
    assert len(family) > 8  # five guards, the fleet, four servers, PostgreSQL's own processes
    assert stack.up.interrupt() == 0
    assert_gone(family)
    stopped = re.findall(r"✓ (\w+) stopped", stack.up.output)
    assert stopped == ["simulation", "front", "processor", "PostgreSQL", "Kafka"]
    assert get(f"{plain_up.url}/api/online-users-count")[0] == 200


#: All of `up` but Kafka, which no service lives to ask for anything here.
WITHOUT_KAFKA = """
import sys
from deploy.cli.__main__ import main
from deploy.local.supervisor import Supervisor

async def nothing(_): pass

Supervisor._start_kafka = Supervisor._create_topics = nothing
main()
"""


def test_a_service_that_cannot_start_is_told_with_its_last_words_and_its_log(
    killed: Killed, stack: Stack
) -> None:
    """On the data of the stack that was ended: it has no servers to set up."""
    assert stack.up.process.poll() is not None
    data_dir = killed.up.data_dir
    done = run_python(
        [*("-c", WITHOUT_KAFKA, "up", "--data-dir", str(data_dir)), "--port", str(free_port())],
        env={**os.environ, "ROLLCALL_JWT_SECRET": "too short"},
        timeout=START_SECONDS,
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("rollcall: front ended with status 2")
    assert "ROLLCALL_JWT_SECRET must have at least 32 bytes" in line
    assert str(data_dir / "logs" / "front.log") in line
    stopped = re.findall(r"✓ (\w+) stopped", done.stdout)
    assert stopped == ["processor", "PostgreSQL"]
    # The guard of each process holds it for as long as that runs.
    lock = DataDirLock(data_dir)
    assert lock.acquire(wait_seconds=0)
    lock.close()
