"""Processes that are forked are what a command line would have started."""

from __future__ import annotations

import os
from pathlib import Path

from tests.suite.forks import Process, start_python

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
