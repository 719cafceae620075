"""Processes that are forked are what a command line would have started."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

from tests.suite.forks import VARIABLE, Process, end_what_is_left, start_python

ASKED = "import api, schemas; print(schemas.__file__); print(api.__file__)"


def started(tmp_path: Path, source: str, **variables: str) -> list[str]:
    """What it prints."""
    printed = tmp_path / "printed"
    # The image has it, with which no process imports from its folder.
    environment = {name: os.environ[name] for name in os.environ.keys() - {"PYTHONSAFEPATH"}}
    with printed.open("wb") as output:
        process: Process = start_python(
            ["-c", source],
            env=environment | variables,
            cwd=tmp_path,
            stdout=output,
            stderr=output,
        )
        assert process.wait(60) == 0, printed.read_text()
    return printed.read_text().splitlines()


def test_a_release_in_another_folder_runs_its_own_modules(tmp_path: Path) -> None:
    for name in ("api", "schemas"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    assert started(tmp_path, ASKED) == [
        str(tmp_path / name / "__init__.py") for name in ("schemas", "api")
    ]


def test_settings_are_those_of_its_own_environment(tmp_path: Path) -> None:
    source = "from ingest.settings import IngestSettings; print(IngestSettings().ingest_port)"
    secret = {"ROLLCALL_JWT_SECRET": "x" * 32}
    for port in ("8111", "8112"):
        assert started(tmp_path, source, ROLLCALL_INGEST_PORT=port, **secret) == [port]


def test_what_a_run_leaves_is_ended_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    ours, theirs = (
        subprocess.Popen(command, env={**os.environ, VARIABLE: str(tmp_path / name)})
        for name in ("ours", "theirs")
    )
    try:
        assert end_what_is_left(tmp_path / "ours") == [" ".join(command)]
        assert ours.wait(60) == -signal.SIGKILL
        assert theirs.poll() is None
    finally:
        for process in (ours, theirs):
            process.kill()
            process.wait()


def test_a_process_with_thousands_of_descriptors_hears_of_an_end(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    fillers = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        assert started(tmp_path, "print('ended')") == ["ended"]
    finally:
        for filler in fillers:
            os.close(filler)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
