"""What `rollcall replay` refuses before it looks for Kafka: one line that names the remedy."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.cli.command import app

COLUMNS = ["--user", "who", "--screen", "page", "--time", "at"]
LINES = "who,page,at\nada,Home,2026-03-29\nbob,Home,2026-03-30\n"


@pytest.fixture(autouse=True)
def _a_deployment_for_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("ROLLCALL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ROLLCALL_ALLOW_CREATE_TIME", "1")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "events.csv"
    path.write_text(LINES)
    return path


def refusal(file: Path, *options: str) -> str:
    result = CliRunner().invoke(app, ["replay", str(file), *COLUMNS, *options])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("rollcall: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_a_deployment_of_phones_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROLLCALL_ALLOW_CREATE_TIME")
    line = refusal(file)
    assert "ROLLCALL_ALLOW_CREATE_TIME=1" in line
    assert "docs/replay.md" in line


def test_a_session_gap_that_the_processor_does_not_have_is_refused(file: Path) -> None:
    assert "ROLLCALL_OFFLINE_AFTER_SECONDS=1800" in refusal(file, "--session-gap", "1800")


def test_a_client_interval_that_makes_outages_of_silence_is_refused_with_the_right_one(
    file: Path,
) -> None:
    # Two users × (two days and half an hour to the end of the log) ÷ 30 events due.
    assert "ROLLCALL_CLIENT_INTERVAL_SECONDS to 11641 or more" in refusal(file)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "cannot read" in refusal(tmp_path / "absent.csv")


def test_a_file_that_is_not_what_its_name_says_is_told(tmp_path: Path) -> None:
    path = tmp_path / "events.csv.gz"
    path.write_text(LINES)
    assert "cannot read" in refusal(path)
    path.write_bytes(gzip.compress(LINES.encode())[:-12])
    assert "cannot read" in refusal(path)


def test_a_file_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(LINES.replace("ada", "adä").encode("latin-1"))
    assert "not UTF-8" in refusal(path)


def test_a_mistake_in_a_compressed_file_is_told_with_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "events.csv.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + LINES.replace("2026-03-30", "soon").encode()))
    assert "line 3: column 'at': 'soon'" in refusal(path)


def test_a_time_zone_that_there_is_not_is_refused(file: Path) -> None:
    assert "--time-zone Mars: must be an IANA time zone" in refusal(file, "--time-zone", "Mars")
