"""What `rollcall erase` takes for user ids, and what it says of the rest before it asks anybody."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.cli.command import app
from deploy.cli.erase import users_in
from deploy.erase_settings import EraseSettings, settings_of_stack


@pytest.mark.parametrize(
    ("content", "users"),
    [
        ("ada\nbob\n", ["ada", "bob"]),
        ("ada\r\n\r\nbob", ["ada", "bob"]),
        ("\ufeffada\nada\n", ["ada"]),  # as editors of Windows write it
        ("a\u2028b\n", ["a\u2028b"]),
    ],
)
def test_a_file_has_a_user_a_line(tmp_path: Path, content: str, users: list[str]) -> None:
    file = tmp_path / "users"
    file.write_bytes(content.encode())
    assert users_in(file) == users


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no user ids in it: one a line is wanted"),
        (b"\n\n", "no user ids in it"),
        (b"\xff\xfea\x00", "not UTF-8"),
        (b"ada\nb\x07b\n", "line 2 is no user id"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_why(
    tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "users"
    file.write_bytes(content)
    assert said in refusal("--users-from", str(file))
    assert str(file) in refusal("--users-from", str(file))


@pytest.mark.parametrize("user", ["", "b\x07b", "x" * 5_000])
def test_a_user_that_cannot_be_one_is_not_blamed_on_a_file(user: str) -> None:
    line = refusal("--user", "ada", "--user", user)
    assert "--user: " in line
    assert "--users-from" not in line


def test_where_nothing_runs_it_says_so_before_it_asks_for_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ROLLCALL_DATABASE_URL", "ROLLCALL_USER_HASH_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert "rollcall up" in refusal("--user", "ada", "--data-dir", str(tmp_path))


def test_settings_are_of_one_deployment_the_stacks_or_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "user-hash-key").write_text("k" * 40)
    (tmp_path / "ports.json").write_text('{"kafka": 4711}')
    monkeypatch.delenv("ROLLCALL_USER_HASH_KEY")
    monkeypatch.delenv("ROLLCALL_KAFKA_BOOTSTRAP", raising=False)
    of_stack = settings_of_stack(EraseSettings(), tmp_path)
    assert (of_stack.kafka_bootstrap, of_stack.user_hash is not None) == ("127.0.0.1:4711", True)
    monkeypatch.setenv("ROLLCALL_KAFKA_BOOTSTRAP", "kafka:9092")
    elsewhere = settings_of_stack(EraseSettings(), tmp_path)
    assert (elsewhere.kafka_bootstrap, elsewhere.user_hash) == ("kafka:9092", None)


def refusal(*options: str) -> str:
    result = CliRunner().invoke(app, ["erase", *options])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    return result.stderr
