"""What `rollcall simulate` and `rollcall up --simulate` refuse before anything is started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.cli.command import app
from deploy.local.ports import free_port
from deploy.tokens import make_dev_key


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("ROLLCALL_"):
            monkeypatch.delenv(name)


def refusal(*arguments: str, code: int = 2) -> str:
    """The one line of a command that is refused."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("rollcall: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.mark.parametrize("url", ["localhost:8080", "ws://localhost:8080", "http://", "http://h?x"])
def test_an_address_that_is_none_is_refused_with_one_that_is(url: str) -> None:
    assert "http://127.0.0.1:8080" in refusal("simulate", "--url", url)


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_a_duration_is_a_number_of_seconds(seconds: str) -> None:
    assert "--duration" in refusal("simulate", "--duration", seconds)


@pytest.mark.parametrize(
    ("option", "value"), [("--users", "0"), ("--users", "10001"), ("--sockets", "1.1")]
)
def test_the_size_of_the_fleet_is_bounded(option: str, value: str) -> None:
    result = CliRunner().invoke(app, ["simulate", option, value])
    assert result.exit_code == 2
    assert option in result.stderr


def test_without_a_key_the_remedy_is_told(tmp_path: Path) -> None:
    line = refusal("simulate", "--data-dir", str(tmp_path))
    assert "rollcall up" in line
    assert "ROLLCALL_JWT_SECRET" in line


def test_where_no_rollcall_is_that_is_told_with_the_remedy(tmp_path: Path) -> None:
    make_dev_key(tmp_path)
    url = f"http://127.0.0.1:{free_port()}"
    line = refusal("simulate", "--url", url, "--data-dir", str(tmp_path), code=1)
    assert f"no Rollcall at {url}" in line
    assert "--url" in line


def test_up_does_not_simulate_where_another_issuer_makes_the_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLCALL_JWKS_URL", "https://id.example/keys")
    port = str(free_port())
    line = refusal("up", "--simulate", "5", "--port", port, "--data-dir", str(tmp_path / "data"))
    assert "--simulate" in line
    assert "another issuer" in line


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--poll", "0"), "--poll"),
        (("--latency", "-1"), "--latency"),
        (("--storms", "inf"), "--storms"),
        (("--burst", "30"), "--loss"),
        (("--recount",), "--report"),
    ],
)
def test_trouble_that_cannot_be_is_refused(options: tuple[str, ...], named: str) -> None:
    assert named in refusal("simulate", *options)
