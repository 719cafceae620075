"""`rollcall up` as a user meets it: one command, real servers, nothing left behind."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from typer.testing import CliRunner

from deploy.cli.command import app
from deploy.local.ports import free_port
from deploy.roles.analyst import ROLE
from tests.e2e.stack import ROLLCALL, Up, get
from tests.metrics_page import Scrape
from tests.suite.forks import run_python

#: Arguments of Python, for commands that need not import libraries again to say what they do.
CLI = ("-m", "deploy.cli")


def refused(*arguments: str) -> str:
    """The one line of an `up` that does not start."""
    done = run_python([*CLI, "up", *arguments], env=os.environ)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("rollcall: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.fixture(scope="module")
def up(plain_up: Up) -> Up:
    return plain_up


def test_it_shows_every_step_and_then_what_to_do_next(up: Up) -> None:
    for step in ("PostgreSQL on ", "Kafka on ", "database: ", "topics: ", "processor (", "front ("):
        assert f"✓ {step}" in up.output
    assert "http://10.0.2.2:" in up.output
    assert "http://localhost:" in up.output
    assert "--host 0.0.0.0" in up.output
    assert "\x1b" not in up.output  # not a terminal: no colours, no cursor movements


def test_the_curl_line_is_a_heartbeat_that_runs_as_printed(up: Up) -> None:
    [line] = [line for line in up.output.splitlines() if line.startswith("  curl ")]
    done = subprocess.run(
        [*shlex.split(line), "--silent"], capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout) == {"success": True}


def test_the_dashboard_link_carries_a_token_that_may_read_presence(up: Up) -> None:
    found = re.search(r"^  (http://\S+)/login#token=(\S+)$", up.output, re.MULTILINE)
    assert found is not None
    assert found[1] == up.url
    assert get(f"{up.url}/login")[0] == 200
    assert get(f"{up.url}/api/v1/online-users", found[2])[0] == 200


def test_the_token_command_makes_tokens_for_this_stack(up: Up) -> None:
    command = [*CLI, "token", "--user", "staff", "--data-dir", str(up.data_dir)]
    without = run_python(command, env=os.environ)
    reader = run_python([*command, "--scope", "presence:read"], env=os.environ)
    assert get(f"{up.url}/api/v1/online-users", without.stdout.strip())[0] == 403
    assert get(f"{up.url}/api/v1/online-users", reader.stdout.strip())[0] == 200


def test_the_key_command_makes_keys_for_this_stack(up: Up) -> None:
    command = [*CLI, "key", "create", "--name", "CRM", "--scope", "presence:read"]
    made = run_python([*command, "--data-dir", str(up.data_dir)], env=os.environ)
    assert get(f"{up.url}/api/v1/online-users", made.stdout.strip())[0] == 200


def test_psql_reads_the_analytics_of_this_stack_and_nothing_else(up: Up) -> None:
    where = f"--data-dir {up.data_dir}"
    assert f"  rollcall psql {where}\n" in up.output
    assert f"  rollcall psql --print-dsn {where}   for a BI tool\n" in up.output
    queries = ("SELECT count(*) >= 0 FROM analytics.concurrency", "TABLE api_keys", "SELECT 42")
    done = subprocess.run(
        [*ROLLCALL, *f"psql {where}".split(), "-XtA", *(f"-c{query}" for query in queries)],
        # Without any other psql: the wheel's own.
        env={**os.environ, "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "t\n42\n"
    assert done.stderr == "ERROR:  permission denied for table api_keys\n"


def test_an_analyst_of_this_stack_may_be_let_read_about_people(up: Up) -> None:
    def rollcall(*arguments: str) -> str:
        done = CliRunner().invoke(app, [*arguments, "--data-dir", str(up.data_dir)])
        assert done.exit_code == 0, done.output
        return done.stdout.strip()

    def sessions() -> tuple[int] | None:
        with psycopg.connect(rollcall("psql", "--print-dsn")) as connection:
            return connection.execute("SELECT count(*) FROM analytics.sessions").fetchone()

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sessions()
    rollcall("migrate", "--analyst-role", ROLE, "--with-people")
    assert sessions() is not None
    assert stat.S_IMODE((up.data_dir / "postgres/analyst-password").stat().st_mode) == 0o600


def test_every_admin_address_that_is_shown_serves_metrics_and_health(up: Up) -> None:
    addresses = re.findall(r"^  (http://127\.0\.0\.1:\d+)/metrics ", up.output, re.MULTILINE)
    assert len(addresses) == 2
    for address in addresses:
        for path in ("metrics", "healthz", "readyz"):
            assert get(f"{address}/{path}")[0] == 200
    front, processor = (Scrape(get(f"{address}/metrics")[1].decode()) for address in addresses)
    # One process: it has no workers to tell of.
    front.assert_documented("ingest", "api", without="rollcall_ingest_worker")
    processor.assert_documented("processor")
    online = front.value("rollcall_online_users")
    assert online is not None
    assert online >= 0


def test_servers_listen_on_loopback_only(up: Up) -> None:
    listening = set()
    for process in up.family():
        with suppress(psutil.NoSuchProcess):  # a session of PostgreSQL that ends
            for connection in process.net_connections(kind="tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    listening.add(connection.laddr)
    assert len(listening) > 5
    assert {at.ip for at in listening} <= {"127.0.0.1", "::ffff:127.0.0.1"}


def test_nobody_else_reads_what_a_stack_keeps(up: Up) -> None:
    def others_may(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode) & 0o067

    # Segments, logs, ports and keys are private one by one too, not only by the folder around them.
    kept = [up.data_dir, *up.data_dir.rglob("*")]
    assert {path.suffix for path in kept} >= {".log", ".index", ".properties", ".json"}
    assert [str(path) for path in kept if path.exists() and others_may(path)] == []
    if os.geteuid() == 0:  # PostgreSQL's own user passes through, and nobody else
        # No Python, which may be below /root.
        done = subprocess.run(
            ["/bin/ls", str(up.data_dir / "dev-key")],
            env={"LC_ALL": "C"},
            user=54_321,
            group=54_321,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Permission denied" in done.stderr


def test_a_second_copy_on_the_same_data_is_refused(up: Up) -> None:
    line = refused("--data-dir", str(up.data_dir), "--port", str(free_port()))
    assert f"process {up.process.pid}" in line
    assert "--data-dir" in line


def test_a_port_in_use_is_told_with_the_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused("--data-dir", str(tmp_path / "data"), "--port", str(port))
    assert f"127.0.0.1:{port}" in line
    assert "--port" in line


def test_no_network_for_the_first_download_is_told_with_what_would_be_downloaded(
    tmp_path: Path,
) -> None:
    offline = {"ROLLCALL_CACHE_DIR": str(tmp_path), "ROLLCALL_MAVEN_URL": "http://127.0.0.1:1"}
    done = run_python(
        [*CLI, "up", "--data-dir", str(tmp_path / "data"), "--port", str(free_port())],
        env={**os.environ, **offline},
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "cannot download Apache Kafka 4.3.0" in done.stderr
    assert "check the network" in done.stderr
