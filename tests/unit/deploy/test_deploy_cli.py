"""What `rollcall` answers before anything is started, and the tokens that it makes."""

from __future__ import annotations

import os
import re
import socket
import stat
import sys
import time
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner, Result

from deploy.cli.command import app
from deploy.database import NoDatabaseError, database_url, session_url
from deploy.roles.compose_secrets import make_secrets
from deploy.terminal import own_command
from deploy.tokens import make_dev_key
from deploy.waiting import wait_for
from tests.suite.forks import run_python

ROOT = Path(__file__).parents[3]
STAFF_SECRET = "a secret of staff with at least 32 bytes"
SECRET = "a development secret with at least 32 bytes"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("ROLLCALL_"):
            monkeypatch.delenv(name)


def rollcall(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def refusal(*arguments: str) -> str:
    """The one line of a command that is refused."""
    result = rollcall(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("rollcall: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_timing_that_does_not_tolerate_two_lost_heartbeats_is_refused_with_the_sum() -> None:
    line = refusal("up", "--heartbeat-interval", "100")
    assert "3 × 100 s + 20 s = 320 s" in line
    assert "offline-after 300 s" in line
    assert "93 s or less" in line
    assert "320 s or more" in line
    assert "--allow-short-timing" in line


@pytest.mark.parametrize("option", ["--offline-after", "--heartbeat-interval"])
@pytest.mark.parametrize("value", ["0", "-5", "nan", "inf"])
def test_a_duration_must_be_a_positive_number_of_seconds(option: str, value: str) -> None:
    assert f"{option} " in refusal("up", option, value, "--allow-short-timing")


def test_a_port_must_be_a_port() -> None:
    assert "1 to 65535" in refusal("up", "--port", "70000")


def test_an_unwritable_data_directory_is_told_with_the_remedy(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    line = refusal("up", "--data-dir", str(in_the_way / "data"))
    assert "cannot write to" in line
    assert "--data-dir" in line


def test_a_host_that_is_not_ours_is_told_with_the_remedy(tmp_path: Path) -> None:
    line = refusal("up", "--host", "192.0.2.1", "--data-dir", str(tmp_path))
    assert "--host 192.0.2.1" in line
    assert "127.0.0.1" in line


def test_help_names_unit_and_variable_of_every_option() -> None:
    text = " ".join(rollcall("up", "--help").stdout.split())
    for name in ("HOST", "PORT", "DATA_DIR", "OFFLINE_AFTER_SECONDS", "ALLOW_SHORT_TIMING"):
        assert f"env var: ROLLCALL_{name}" in text
    assert "in seconds" in text


@pytest.mark.parametrize("command", ["ingest", "processor", "api"])
def test_help_of_a_service_names_a_page_that_exists(command: str) -> None:
    [page] = re.findall(r"docs/\S+\.md", rollcall(command, "--help").stdout)
    assert (ROOT / page).is_file()


def test_a_kafka_that_is_not_there_is_one_line_that_names_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    # A process of its own: what a library prints past the command's own streams counts.
    done = run_python(
        ["-m", "deploy.cli", "topics"],
        env={**os.environ, "ROLLCALL_KAFKA_BOOTSTRAP": address},
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"{address} (ROLLCALL_KAFKA_BOOTSTRAP)" in done.stderr


def test_a_token_is_one_line_with_the_claims_that_were_asked_for(tmp_path: Path) -> None:
    key = make_dev_key(tmp_path)
    before = int(time.time())
    result = rollcall("token", "--user", "ada", "--expires", "60", "--data-dir", str(tmp_path))
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.count("\n") == 1
    claims = jwt.decode(result.stdout.strip(), key, algorithms=["HS256"])
    assert set(claims) == {"sub", "iat", "exp", "jti"}
    assert claims["sub"] == "ada"
    assert claims["exp"] - claims["iat"] == 60
    assert before <= claims["iat"] <= int(time.time())


def test_a_token_may_carry_device_name_and_scope(tmp_path: Path) -> None:
    key = make_dev_key(tmp_path)
    wanted = ["--device-id", "phone-1", "--name", "Ada", "--scope", "presence:read"]
    result = rollcall("token", "--user", "ada", *wanted, "--data-dir", str(tmp_path))
    claims = jwt.decode(result.stdout.strip(), key, algorithms=["HS256"])
    assert (claims["device_id"], claims["name"], claims["scope"]) == (
        "phone-1",
        "Ada",
        "presence:read",
    )


def test_two_tokens_are_never_the_same(tmp_path: Path) -> None:
    make_dev_key(tmp_path)
    arguments = ("token", "--user", "ada", "--data-dir", str(tmp_path))
    assert rollcall(*arguments).stdout != rollcall(*arguments).stdout


def test_the_secret_of_a_folder_of_secrets_signs_where_no_variable_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROLLCALL_JWT_SECRET", raising=False)
    monkeypatch.setenv("ROLLCALL_SECRETS_DIR", str(tmp_path))
    (tmp_path / "rollcall_jwt_secret").write_text(SECRET)
    result = rollcall("token", "--user", "ada", "--data-dir", str(tmp_path / "none"))
    assert jwt.decode(result.stdout.strip(), SECRET, algorithms=["HS256"])["sub"] == "ada"


def test_the_secret_of_the_environment_signs_where_it_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLCALL_JWT_SECRET", SECRET)
    result = rollcall("token", "--user", "ada", "--data-dir", str(tmp_path))
    assert jwt.decode(result.stdout.strip(), SECRET, algorithms=["HS256"])["sub"] == "ada"


def test_a_token_with_a_scope_is_staffs_where_staff_has_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_dev_key(tmp_path)
    monkeypatch.setenv("ROLLCALL_STAFF_JWT_SECRET", STAFF_SECRET)
    monkeypatch.setenv("ROLLCALL_STAFF_JWT_AUDIENCE", "staff")
    monkeypatch.setenv("ROLLCALL_JWT_AUDIENCE", "phones")
    monkeypatch.setenv("ROLLCALL_JWT_ISSUER", "id")
    ours = ("token", "--user", "ada", "--data-dir", str(tmp_path))
    staff = rollcall(*ours, "--scope", "presence:read").stdout.strip()
    claims = jwt.decode(staff, STAFF_SECRET, algorithms=["HS256"], audience="staff")
    assert (claims["scope"], claims.get("iss")) == ("presence:read", None)
    phone = rollcall(*ours).stdout.strip()
    claims = jwt.decode(phone, key, algorithms=["HS256"], audience="phones", issuer="id")
    assert "scope" not in claims


@pytest.mark.parametrize("variable", ["STAFF_JWKS_URL", "STAFF_JWT_PUBLIC_KEY"])
def test_a_token_of_an_issuer_of_staff_elsewhere_is_not_ours_to_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    make_dev_key(tmp_path)
    monkeypatch.setenv(f"ROLLCALL_{variable}", "https://id.example/keys")
    ours = ("token", "--user", "ada", "--data-dir", str(tmp_path))
    line = refusal(*ours, "--scope", "presence:read")
    assert f"ROLLCALL_{variable}" in line
    assert "rollcall key create" in line
    assert rollcall(*ours).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--name", "", "--scope", "presence:read"), "--name"),
        (("--name", " CRM", "--scope", "presence:read"), "--name"),
        (("--name", "C\x00RM", "--scope", "presence:read"), "--name"),
        (("--name", "x" * 101, "--scope", "presence:read"), "--name"),
        (("--name", "CRM", "--scope", ""), "at least one scope"),
        (("--name", "CRM", "--scope", "presence"), "'presence' is no scope"),
        (("--name", "CRM", "--scope", "presence:read", "--expires-days", "0"), "--expires-days"),
        (("--name", "CRM", "--scope", "presence:read", "--expires-days", "9999"), "3650"),
        (("--name", "CRM", "--scope", "presence:read"), "rollcall up"),
    ],
)
def test_a_key_that_cannot_be_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], word: str
) -> None:
    assert word in refusal("key", "create", *arguments, "--data-dir", str(tmp_path))


def test_keys_of_no_stack_name_the_remedy(tmp_path: Path) -> None:
    for content in (None, "", "[]", "{}"):
        if content is not None:
            (tmp_path / "ports.json").write_text(content)
        line = refusal("key", "list", "--data-dir", str(tmp_path))
        assert "rollcall up" in line
        assert "ROLLCALL_DATABASE_URL" in line


def test_keys_are_in_the_database_of_the_data_directory(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text('{"postgres": 20001}')
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "password").write_text("p")
    assert database_url(tmp_path, {}) == "postgresql://rollcall:p@127.0.0.1:20001/rollcall"
    elsewhere = {"ROLLCALL_DATABASE_URL": "postgresql://u@h/d"}
    assert database_url(tmp_path, elsewhere) == "postgresql://u@h/d?target_session_attrs=read-write"


@pytest.mark.parametrize("command", [("psql",), ("psql", "--print-dsn"), ("migrate",)])
def test_a_command_on_the_database_of_no_stack_names_the_remedy(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    line = refusal(*command, "--data-dir", str(tmp_path))
    assert f"no database in {tmp_path}" in line
    assert "rollcall up" in line


def test_what_needs_a_session_goes_past_the_pooler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NoDatabaseError):
        session_url(tmp_path)
    monkeypatch.setenv("ROLLCALL_DATABASE_URL", "postgresql://u@pooler/d")
    assert session_url(tmp_path) == "postgresql://u@pooler/d?target_session_attrs=read-write"
    monkeypatch.setenv("ROLLCALL_DATABASE_SESSION_URL", "postgresql://u@server/d")
    assert session_url(tmp_path) == "postgresql://u@server/d?target_session_attrs=read-write"


def test_a_command_to_paste_is_called_as_this_one_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "argv", [".venv/bin/rollcall", "up"])
    assert own_command("psql", Path(".rollcall")) == ".venv/bin/rollcall psql"
    monkeypatch.setattr(sys, "argv", ["/somewhere/deploy/cli.py", "up"])
    assert own_command("psql", Path("a b")) == "rollcall psql --data-dir 'a b'"


def test_a_token_without_a_key_names_the_remedy(tmp_path: Path) -> None:
    assert "rollcall up" in refusal("token", "--user", "ada", "--data-dir", str(tmp_path))


@pytest.mark.parametrize("user", ["", "a" * 257])
def test_a_token_for_a_user_that_services_refuse_is_not_made(tmp_path: Path, user: str) -> None:
    make_dev_key(tmp_path)
    line = refusal("token", "--user", user, "--data-dir", str(tmp_path))
    assert "--user must have 1 to 256 characters" in line


@pytest.mark.parametrize("seconds", ["0", "-1", "nan"])
def test_a_token_must_be_valid_for_some_time(tmp_path: Path, seconds: str) -> None:
    line = refusal("token", "--user", "a", "--expires", seconds, "--data-dir", str(tmp_path))
    assert "--expires" in line


def test_the_key_is_random_and_for_its_owner_only(tmp_path: Path) -> None:
    key = make_dev_key(tmp_path)
    assert len(bytes.fromhex(key)) == 32
    assert make_dev_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "dev-key").stat().st_mode) == 0o600


def test_a_job_waits_for_a_server_that_is_not_there_yet_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    attempts: list[float] = []

    def attempt() -> str:
        attempts.append(time.monotonic())
        if len(attempts) == 1:
            raise ConnectionRefusedError("refused")
        return "done"

    assert wait_for(attempt, (OSError,), "Kafka", 5) == "done"
    [line] = capsys.readouterr().err.splitlines()
    assert line == "rollcall: waiting for Kafka, 5 s more at most: refused"


def test_a_job_waits_no_longer_than_it_was_told() -> None:
    with pytest.raises(OSError, match="refused"):
        wait_for(refuse, (OSError,), "Kafka", 0)


def refuse() -> None:
    raise ConnectionRefusedError("refused")


def test_secrets_of_the_stack_are_made_once_and_each_service_gets_its_own(tmp_path: Path) -> None:
    made = make_secrets(tmp_path)
    contents = {name: (tmp_path / name).read_text() for name in made}
    passwords = {n: v for n, v in contents.items() if n.startswith("postgres/")}
    assert len(set(passwords.values())) == len(passwords) == 5
    assert min(len(password) for password in passwords.values()) >= 32
    owner = passwords["postgres/rollcall"]
    assert contents["owner/rollcall_database_url"] == (
        f"postgresql://rollcall:{owner}@postgres:5432/rollcall"
    )
    assert owner not in contents["api/rollcall_database_url"]
    assert contents["grafana/database_password"] == passwords["postgres/rollcall_grafana"]
    # PostgreSQL and Grafana read them as users of their own.
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in made} == {0o444}

    (tmp_path / "api/rollcall_database_url").unlink()
    assert make_secrets(tmp_path) == ["api/rollcall_database_url"]
    assert {name: (tmp_path / name).read_text() for name in made} == contents


def test_the_stack_does_not_start_before_it_is_said_whose_tokens_count(tmp_path: Path) -> None:
    done = run_python(
        ["-m", "deploy.roles.compose_secrets", str(tmp_path)], env=os.environ, timeout=60
    )
    assert done.returncode == 2
    assert "set exactly one of ROLLCALL_JWT_SECRET, " in done.stderr
    assert list(tmp_path.iterdir()) == []
