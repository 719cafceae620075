"""`rollcall up --simulate`: a fleet in the first minute, and nothing left of it afterwards."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import jsonschema
import psutil
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.ports import free_port
from deploy.local.stack import PARTITIONS
from deploy.simulate.report.result import schema
from tests.e2e.driver import FRONT, Stack
from tests.e2e.stack import ROLLCALL, START_SECONDS, STOP_SECONDS, Up, get
from tests.e2e.stacks import running_up
from tests.rigs.rig import wait_for

SIMULATION = ("deploy.cli", "simulate")
USERS = 50


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Shared, and killed by the last test."""
    with running_up("--simulate", str(USERS)) as up:
        yield Stack(up)


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


def test_the_first_minute_shows_people_on_screens_over_both_transports(stack: Stack) -> None:
    def alive() -> list[dict[str, Any]] | None:
        users = stack.people()
        states = Counter(user["state"] for user in users)
        screens = {user["screen"] for user in users}
        transports = {user["app_version"].startswith("2.") for user in users}
        shown = states["foreground"] >= 5 and states["background"] >= 1 and len(screens) >= 4
        return users if shown and len(transports) == 2 else None

    users = wait_for("a fleet is shown", alive)
    assert all(user["user_id"].startswith("sim-1-") and user["name"] for user in users)
    assert wait_for("sockets are open", lambda: open_sockets(stack)) <= USERS


def test_a_report_says_how_true_what_is_shown_is_and_nothing_acknowledged_is_missing(
    stack: Stack, tmp_path: Path
) -> None:
    """Beside the fleet of the stack, whose users are others."""
    ports = json.loads((stack.up.data_dir / "ports.json").read_text())
    where = ["--url", stack.up.url, "--data-dir", str(stack.up.data_dir), "--seed", "2"]
    trouble = ["--loss", "0.2", "--latency", "0.05", "--duplicates", "0.2", "--reordering", "0.1"]
    ended = subprocess.run(
        [
            *(*ROLLCALL, "simulate", *where, *trouble, "--storms", "4", "--clock-error", "3600"),
            *("--users", "200", "--duration", "6", "--report", str(tmp_path), "--recount"),
        ],
        env={
            **os.environ,
            "ROLLCALL_KAFKA_BOOTSTRAP": f"127.0.0.1:{ports['kafka']}",
            "ROLLCALL_PARTITIONS": str(PARTITIONS),
        },
        capture_output=True,
        text=True,
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


def test_a_killed_supervisor_leaves_no_process_and_the_next_start_has_the_data(
    stack: Stack,
) -> None:
    """The last of its stack: Ctrl-C ends the next start, the fleet first."""
    killed = stack.up
    with psycopg.connect(killed.database_url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    identity = (killed.data_dir / "kafka" / "storage" / "meta.properties").read_text()
    family = killed.family()
    killed.process.kill()
    killed.process.wait()
    # At once: the next start itself waits for what is still stopping.
    again = Up(killed.data_dir, free_port(), "--simulate", "5")
    try:
        assert_gone(family)
        again.wait_ready()
        assert (again.data_dir / "kafka" / "storage" / "meta.properties").read_text() == identity
        assert "topics: all there" in again.output
        with psycopg.connect(again.database_url()) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        family = again.family()
        assert again.interrupt() == 0
        assert_gone(family)
        stopped = [line.split()[1] for line in again.output.splitlines() if " stopped (" in line]
        assert stopped == ["simulation", "front", "processor", "PostgreSQL", "Kafka"]
    finally:
        again.end()
